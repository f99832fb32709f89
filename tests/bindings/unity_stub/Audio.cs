using System;

namespace UnityEngine
{
    public static class AudioSettings
    {
        public delegate void AudioConfigurationChangeHandler(bool deviceWasChanged);
        public static event AudioConfigurationChangeHandler OnAudioConfigurationChanged;
        public static double dspTime;
        public static int outputSampleRate = 48000;
        public static int BufferLength = 1024;
        public static int BufferCount = 4;

        public static void GetDSPBufferSize(out int length, out int count)
        {
            length = BufferLength;
            count = BufferCount;
        }

        public static void Change() { OnAudioConfigurationChanged?.Invoke(true); }
        public static int Listeners => OnAudioConfigurationChanged == null
            ? 0 : OnAudioConfigurationChanged.GetInvocationList().Length;
    }

    public sealed class AudioClip : Object
    {
        private readonly float[] _data;
        public AudioClip(float[] data, int channels, int frequency)
        {
            _data = data;
            this.channels = channels;
            this.frequency = frequency;
        }
        public int channels { get; }
        public int frequency { get; }
        public int samples => _data.Length / channels;
        public bool Readable = true;

        // Goes on with the beginning where the clip ends, as Unity does.
        public bool GetData(float[] data, int offset)
        {
            if (!Readable) return false;
            for (var index = 0; index < data.Length; index++)
                data[index] = _data[(offset * channels + index) % _data.Length];
            return true;
        }
    }

    public sealed class AudioSource : Behaviour
    {
        public AudioClip clip { get; set; }
        public bool loop { get; set; }
        public bool isPlaying { get; private set; }
        public double Scheduled { get; private set; } = -1;
        public int Pauses { get; private set; }
        public void Play() { isPlaying = true; }
        public void PlayScheduled(double time) { isPlaying = true; Scheduled = time; }
        public void Stop() { isPlaying = false; }
        public void Pause() { isPlaying = false; Pauses++; }
        public void UnPause() { isPlaying = true; }
    }

    public static class Microphone
    {
        public static string[] devices = { "stub" };
        public static AudioClip Start(string device, bool loop, int seconds, int frequency)
        {
            return new AudioClip(new float[seconds * frequency], 1, frequency);
        }
        public static int GetPosition(string device) { return 1; }
        public static void End(string device) { }
    }
}
