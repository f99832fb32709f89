using System;
using System.Threading;

namespace EmoFace
{
    /// <summary>What the audio thread does: mixes a buffer down to one channel, pushes it, and plays it later where the
    /// sound shall wait for the face. No allocation, no lock, no exception.</summary>
    public sealed class AudioTap
    {
        private const int MostChannels = 8;
        private const int Longest = 4096;

        private readonly FaceAnimator _animator;
        private readonly int _rate;
        private readonly float[] _mono = new float[Longest];
        private readonly float[] _line;
        private readonly int _delay;
        private int _place;
        private int _channels;
        private long _pushed;
        private double _start = double.NaN;
        private int _problem;

        /// <param name="animator">Made for one channel at `rate`, and started.</param>
        /// <param name="delay">Seconds by which the sound is held back; 0 leaves it alone.</param>
        public AudioTap(FaceAnimator animator, int rate, double delay)
        {
            if (animator == null) throw new ArgumentNullException("animator");
            if (animator.Channels != 1)
                throw new UsageException("got an animator of " + animator.Channels + " channels; expected 1. The tap mixes.");
            _animator = animator;
            _rate = rate;
            _delay = (int)Math.Round(Math.Max(0.0, delay) * rate);
            _line = new float[_delay * MostChannels];
        }

        /// <summary>Seconds by which the sound is held back.</summary>
        public double Delay => (double)_delay / _rate;

        /// <summary>The audio clock at the first sample pushed; NaN before.</summary>
        public double Start => Volatile.Read(ref _start);

        /// <summary>What the last push returned.</summary>
        public Status Problem => (Status)Volatile.Read(ref _problem);

        /// <summary>On the audio thread, for every buffer.</summary>
        /// <param name="data">Interleaved samples; with a delay they are replaced.</param>
        /// <param name="clock">The audio clock at the buffer's first sample.</param>
        public void Process(float[] data, int channels, double clock)
        {
            if (data == null || channels < 1) return;
            var frames = data.Length / channels;
            for (var first = 0; first < frames; first += Longest)
            {
                var count = Math.Min(Longest, frames - first);
                Mix(data, first, count, channels);
                var status = _animator.Push(_mono, 0, count);
                Volatile.Write(ref _problem, (int)status);
                if (status < 0) continue;
                // From every buffer anew, so that a refused buffer or a pause of the clock does not shift all that follows.
                Interlocked.Exchange(ref _start, clock + (double)(first - _pushed) / _rate);
                _pushed += count;
            }
            if (_delay > 0 && channels <= MostChannels) HoldBack(data, frames, channels);
        }

        private void Mix(float[] data, int first, int count, int channels)
        {
            var share = 1f / channels;
            for (var frame = 0; frame < count; frame++)
            {
                var sum = 0f;
                for (var channel = 0; channel < channels; channel++) sum += data[(first + frame) * channels + channel];
                _mono[frame] = sum * share;
            }
        }

        private void HoldBack(float[] data, int frames, int channels)
        {
            if (channels != _channels)
            {
                _channels = channels;
                _place = 0;
                Array.Clear(_line, 0, _line.Length);
            }
            var length = _delay * channels;
            for (var sample = 0; sample < frames * channels; sample++)
            {
                var old = _line[_place];
                _line[_place] = data[sample];
                data[sample] = old;
                if (++_place == length) _place = 0;
            }
        }
    }
}
