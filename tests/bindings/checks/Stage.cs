using System;
using System.IO;
using System.Reflection;
using EmoFace;
using UnityEngine;

/// <summary>A scene with one talking object, and the two loops of an engine: buffers of sound, pictures.</summary>
internal sealed class Stage : IDisposable
{
    internal readonly GameObject Object;
    internal readonly EmoFaceAnimator Animator;
    internal readonly AudioSource Source;
    internal readonly MeshFilter Filter;
    internal readonly SkinnedMeshRenderer Head;
    internal readonly TextAsset Asset;
    private Action _lateUpdate;
    private Action<float[], int> _filterRead;

    internal Stage(string package, Action<EmoFaceAnimator> change = null, Mesh head = null)
    {
        AudioSettings.dspTime = 100.0;
        Time.realtimeSinceStartupAsDouble = 50.0;
        Debug.Errors.Clear();
        Debug.Warnings.Clear();
        Object = new GameObject("talker", typeof(MeshFilter), typeof(SkinnedMeshRenderer));
        Object.SetActive(false);
        Animator = Object.AddComponent<EmoFaceAnimator>();
        Source = Object.GetComponent<AudioSource>();
        Filter = Object.GetComponent<MeshFilter>();
        Head = Object.GetComponent<SkinnedMeshRenderer>();
        Head.sharedMesh = head;
        Asset = package == null ? null : new TextAsset(File.ReadAllBytes(package));
        Animator.Package = Asset;
        if (head == null) Animator.Face = Filter;
        else Animator.Character = Head;
        if (change != null) change(Animator);
        Object.SetActive(true);
        // As the engine calls them, and without the garbage of reflection
        _lateUpdate = (Action)Delegate.CreateDelegate(typeof(Action), Animator,
                                                      GameObject.Method(Animator, "LateUpdate"));
        _filterRead = (Action<float[], int>)Delegate.CreateDelegate(
            typeof(Action<float[], int>), Animator, GameObject.Method(Animator, "OnAudioFilterRead"));
    }

    /// <summary>A serialised field, as the inspector sets it.</summary>
    internal void Set(string field, object value)
    {
        typeof(EmoFaceAnimator).GetField(field, BindingFlags.Instance | BindingFlags.NonPublic).SetValue(Animator, value);
    }

    internal void Sound(float[] data, int channels) { _filterRead(data, channels); }

    internal void Picture() { _lateUpdate(); }

    /// <summary>Time goes on, on both clocks.</summary>
    internal void Advance(double seconds)
    {
        AudioSettings.dspTime += seconds;
        Time.realtimeSinceStartupAsDouble += seconds;
    }

    public void Dispose() { Object.SetActive(false); }
}
