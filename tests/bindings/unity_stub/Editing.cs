// A stand-in for UnityEditor: as much as the inspector and the menu use.
using System;
using System.Collections.Generic;
using System.Reflection;
using UnityEngine;
using Object = UnityEngine.Object;

namespace UnityEditor
{
    public sealed class CustomEditor : Attribute { public CustomEditor(Type type) { } }
    public sealed class MenuItem : Attribute
    {
        public readonly string Path;
        public MenuItem(string path, bool isValidateFunction, int priority) { Path = path; }
    }
    public sealed class MenuCommand { public Object context; }
    public enum MessageType { None, Info, Warning, Error }

    public class Editor
    {
        public Object target;
        public SerializedObject serializedObject;
        public virtual bool RequiresConstantRepaint() { return false; }
        public virtual void OnInspectorGUI() { }
    }

    public sealed class SerializedObject
    {
        private readonly Object _target;
        public SerializedObject(Object target) { _target = target; }
        public void Update() { }
        public bool ApplyModifiedProperties() { return true; }
        public SerializedProperty FindProperty(string name)
        {
            var field = _target.GetType().GetField(name, BindingFlags.Instance | BindingFlags.NonPublic);
            return field == null || field.GetCustomAttribute<SerializeField>() == null
                ? null : new SerializedProperty(_target, field);
        }
    }

    public sealed class SerializedProperty
    {
        private readonly Object _target;
        private readonly FieldInfo _field;
        internal SerializedProperty(Object target, FieldInfo field) { _target = target; _field = field; }
        public string name => _field.Name;
        public string stringValue { get { return (string)_field.GetValue(_target); } set { _field.SetValue(_target, value); } }
        public Object objectReferenceValue
        {
            get { return (Object)_field.GetValue(_target); }
            set { _field.SetValue(_target, value); }
        }
    }

    public static class EditorGUILayout
    {
        public static readonly List<string> Drawn = new List<string>();
        public static readonly Dictionary<string, string[]> Popups = new Dictionary<string, string[]>();
        public static readonly Dictionary<string, int> Choose = new Dictionary<string, int>();
        public static bool PropertyField(SerializedProperty property) { Drawn.Add(property.name); return true; }
        public static void HelpBox(string message, MessageType type) { Drawn.Add(type + ": " + message); }
        public static int Popup(string label, int selected, string[] options)
        {
            Popups[label] = options;
            int chosen;
            return Choose.TryGetValue(label, out chosen) ? chosen : selected;
        }
    }

    public static class ObjectNames
    {
        public static string NicifyVariableName(string name) { return char.ToUpperInvariant(name[0]) + name.Substring(1); }
    }

    public static class Undo
    {
        public static T AddComponent<T>(GameObject to) where T : Component { return to.AddComponent<T>(); }
        public static void RegisterCreatedObjectUndo(Object made, string name) { }
    }

    public static class Selection
    {
        public static Object activeObject;
        public static GameObject activeGameObject => activeObject as GameObject;
    }

    public static class GameObjectUtility { public static void SetParentAndAlign(GameObject child, GameObject parent) { } }

    public static class EditorUtility
    {
        public static string Shown;
        public static bool DisplayDialog(string title, string message, string ok) { Shown = message; return true; }
    }

    public static class AssetDatabase
    {
        public static readonly Dictionary<string, Object> Assets = new Dictionary<string, Object>();
        public static T LoadAssetAtPath<T>(string path) where T : Object
        {
            Object found;
            return Assets.TryGetValue(path, out found) ? found as T : null;
        }
        public static T GetBuiltinExtraResource<T>(string path) where T : Object { return (T)(Object)new Material(); }
    }
}
