using System;
using EmoFace;
using UnityEngine;

/// <summary>Lines that faces speak in turns. Every face needs an EmoFaceAnimator with the audio input "Clip".</summary>
public sealed class Dialogue : MonoBehaviour
{
    [Serializable]
    public sealed class Line
    {
        public EmoFaceAnimator speaker;
        public AudioClip clip;
        [Tooltip("A name of the package, or auto to follow the voice.")]
        public string emotion = "auto";
    }

    [SerializeField] private Line[] lines = new Line[0];

    private int _next;

    /// <summary>True once the last line was spoken.</summary>
    public bool Finished => _next >= lines.Length && !Speaking(_next - 1);

    private void Update()
    {
        if (_next >= lines.Length || Speaking(_next - 1)) return;
        var line = lines[_next++];
        if (line.speaker.Problem != null) return; // its message is in the console
        line.speaker.Emotion = line.emotion;
        line.speaker.Speak(line.clip);
    }

    private bool Speaking(int index) { return index >= 0 && lines[index].speaker.IsSpeaking; }
}
