using UnityEngine;

namespace EmoFace.Samples
{
    /// <summary>Lets a face follow the microphone. Put it beside an EmoFaceAnimator whose audio input is "Filter". Wear
    /// headphones, or set the AudioSource's output to a muted mixer group.</summary>
    [RequireComponent(typeof(EmoFaceAnimator))]
    public sealed class SpeakMicrophone : MonoBehaviour
    {
        [Tooltip("Empty: the system's default.")]
        [SerializeField] private string device = "";

        private AudioSource _source;
        private string _device;

        private void Start()
        {
            if (Microphone.devices.Length == 0)
            {
                Debug.LogError("EmoFace: no microphone found. Connect one and allow its use.", this);
                return;
            }
            _device = device.Length == 0 ? null : device;
            _source = GetComponent<AudioSource>();
            _source.clip = Microphone.Start(_device, true, 1, AudioSettings.outputSampleRate);
            _source.loop = true;
        }

        private void Update()
        {
            // Playing starts once there is something to play, or it would run ahead of the microphone.
            if (_source != null && !_source.isPlaying && Microphone.GetPosition(_device) > 0) _source.Play();
        }

        private void OnDestroy()
        {
            if (_source != null) Microphone.End(_device);
        }
    }
}
