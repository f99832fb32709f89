// A stand-in for UnityEngine: as much as the package uses, behaving as Unity documents it, with calls counted.
using System;
using System.Collections.Generic;
using System.Reflection;

namespace UnityEngine
{
    public class Object
    {
        private static int _ids;
        private readonly int _id = ++_ids;
        private bool _destroyed;
        public string name { get; set; } = "";

        public int GetInstanceID() { return _id; }
        public static void Destroy(Object target) { target._destroyed = true; }
        public static bool operator ==(Object a, Object b) { return Same(a, b); }
        public static bool operator !=(Object a, Object b) { return !Same(a, b); }
        public override bool Equals(object other) { return ReferenceEquals(this, other); }
        public override int GetHashCode() { return _id; }

        // A destroyed object equals null, as in Unity.
        private static bool Same(Object a, Object b)
        {
            var first = ReferenceEquals(a, null) || a._destroyed ? null : a;
            var second = ReferenceEquals(b, null) || b._destroyed ? null : b;
            return ReferenceEquals(first, second);
        }
    }

    public class TextAsset : Object
    {
        private readonly byte[] _bytes;
        public TextAsset(byte[] bytes) { _bytes = bytes; }
        public byte[] bytes => (byte[])_bytes.Clone();
    }

    public class Material : Object { }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }
        public T GetComponent<T>() where T : Component { return gameObject.GetComponent<T>(); }
    }

    public class Behaviour : Component
    {
        private bool _enabled = true;
        public bool enabled
        {
            get { return _enabled; }
            set
            {
                if (_enabled == value) return;
                _enabled = value;
                if (gameObject.activeSelf) gameObject.Send(this, value ? "OnEnable" : "OnDisable");
            }
        }
    }

    public class MonoBehaviour : Behaviour { }

    public sealed class GameObject : Object
    {
        private readonly List<Component> _components = new List<Component>();
        public bool activeSelf { get; private set; } = true;

        public GameObject(string name, params Type[] types)
        {
            this.name = name;
            foreach (var type in types) Add(type);
        }

        public T AddComponent<T>() where T : Component { return (T)Add(typeof(T)); }

        public T GetComponent<T>() where T : Component
        {
            foreach (var component in _components)
                if (component is T)
                    return (T)component;
            return null;
        }

        public T[] GetComponentsInChildren<T>() where T : Component
        {
            var found = new List<T>();
            foreach (var component in _components)
                if (component is T)
                    found.Add((T)component);
            return found.ToArray();
        }

        public void SetActive(bool active)
        {
            if (active == activeSelf) return;
            activeSelf = active;
            foreach (var component in _components.ToArray())
                if (component is Behaviour && ((Behaviour)component).enabled)
                    Send(component, active ? "OnEnable" : "OnDisable");
        }

        // What the engine does: call a message where the component has a method of its name.
        public void Send(Component component, string message)
        {
            var method = Method(component, message);
            if (method == null) return;
            try
            {
                method.Invoke(component, null);
            }
            catch (TargetInvocationException error)
            {
                throw error.InnerException;
            }
        }

        public static MethodInfo Method(Component component, string message)
        {
            return component.GetType().GetMethod(message, BindingFlags.Instance | BindingFlags.NonPublic |
                                                          BindingFlags.Public);
        }

        private Component Add(Type type)
        {
            foreach (RequireComponent needed in type.GetCustomAttributes(typeof(RequireComponent), true))
                if (!_components.Exists(present => needed.Type.IsInstanceOfType(present)))
                    Add(needed.Type);
            var component = (Component)Activator.CreateInstance(type);
            component.gameObject = this;
            _components.Add(component);
            if (activeSelf) Send(component, "OnEnable");
            return component;
        }
    }

    public static class Debug
    {
        public static readonly List<string> Errors = new List<string>();
        public static readonly List<string> Warnings = new List<string>();
        public static void LogError(object message, Object context) { Errors.Add(message.ToString()); }
        public static void LogWarning(object message, Object context) { Warnings.Add(message.ToString()); }
    }

    public static class Application
    {
        public static string streamingAssetsPath = "";
        public static bool isPlaying = true;
    }

    public static class Time
    {
        public static double realtimeSinceStartupAsDouble;
    }

    public static class Mathf
    {
        public static float Clamp01(float value) { return value < 0f ? 0f : value > 1f ? 1f : value; }
    }

    public enum KeyCode { Alpha0 = 48, Alpha1 = 49 }

    public static class Input
    {
        public static KeyCode Down;
        public static bool GetKeyDown(KeyCode key) { return key == Down; }
    }

    [AttributeUsage(AttributeTargets.Field)] public sealed class SerializeField : Attribute { }
    [AttributeUsage(AttributeTargets.Class)] public sealed class DisallowMultipleComponent : Attribute { }
    public sealed class TooltipAttribute : Attribute { public TooltipAttribute(string text) { } }
    public sealed class RangeAttribute : Attribute { public RangeAttribute(float least, float most) { } }
    public sealed class AddComponentMenu : Attribute { public AddComponentMenu(string path) { } }
    public sealed class RequireComponent : Attribute
    {
        public readonly Type Type;
        public RequireComponent(Type type) { Type = type; }
    }
}

namespace UnityEngine.Rendering
{
    public class RenderPipelineAsset : Object
    {
        public virtual Material defaultMaterial { get; } = new Material();
    }

    public static class GraphicsSettings
    {
        public static RenderPipelineAsset currentRenderPipeline;
    }
}
