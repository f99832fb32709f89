using UnityEngine;

namespace EmoFace.Samples
{
    /// <summary>Says one clip after the other, each with an emotion. Put it beside an EmoFaceAnimator whose audio input is
    /// "Clip", and fill the lists.</summary>
    [RequireComponent(typeof(EmoFaceAnimator))]
    public sealed class SpeakClips : MonoBehaviour
    {
        [SerializeField] private AudioClip[] clips = new AudioClip[0];
        [Tooltip("One per clip; where there is none, the voice decides.")]
        [SerializeField] private string[] emotions = new string[0];

        private EmoFaceAnimator _face;
        private int _next;

        private void Start() { _face = GetComponent<EmoFaceAnimator>(); }

        private void Update()
        {
            if (_face.IsSpeaking || _face.Stream == null && _face.Problem != null || _next >= clips.Length) return;
            _face.Emotion = _next < emotions.Length && emotions[_next].Length > 0 ? emotions[_next] : "auto";
            _face.Speak(clips[_next]);
            _next++;
        }
    }
}
