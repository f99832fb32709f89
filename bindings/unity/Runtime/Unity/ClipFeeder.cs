using System;
using UnityEngine;

namespace EmoFace
{
    /// <summary>Feeds an AudioClip ahead of its playback, so that the face is there when the sound is heard.</summary>
    internal sealed class ClipFeeder
    {
        /// <summary>Seconds that are fed ahead of what is heard, beyond the package's own latency.</summary>
        private const double Margin = 0.4;

        private readonly AudioClip _clip;
        private readonly FaceAnimator _animator;
        private readonly double _tail;
        private readonly float[] _chunk;
        private int _fed;
        private bool _ended;

        /// <param name="tail">Seconds in which the face returns to neutral after the clip.</param>
        internal ClipFeeder(AudioClip clip, FaceAnimator animator, double tail)
        {
            _clip = clip;
            _animator = animator;
            _tail = tail;
            _chunk = new float[1024 * clip.channels];
        }

        /// <summary>Feed what is due.</summary>
        /// <param name="heard">Seconds of the clip that is heard now; negative before its start.</param>
        /// <exception cref="EmoFaceException">The clip's samples cannot be read, or the stream failed.</exception>
        internal void Feed(double heard)
        {
            var until = (int)Math.Min(_clip.samples, Math.Max(0.0, heard + _animator.LatencySeconds + Margin) * _clip.frequency);
            while (_fed < until)
            {
                if (!_clip.GetData(_chunk, _fed))
                    throw new AudioFormatException("got AudioClip '" + _clip.name + "' whose samples cannot be read; expected " +
                                                   "a clip with Load Type 'Decompress On Load'. Set it in the clip's import " +
                                                   "settings, or choose the audio input 'Filter'.");
                // At the end GetData goes on with the clip's beginning
                var count = Math.Min(1024, _clip.samples - _fed);
                var status = _animator.Push(_chunk, 0, count);
                if (status == Status.QueueFull) return;
                if (status < 0)
                    throw new RuntimeFailureException(status, "got " + status + " for the audio of clip '" + _clip.name +
                                                              "'; expected it to be taken. Speak() begins anew.");
                _fed += count;
            }
            if (_fed < _clip.samples || _ended) return;
            _ended = true;
            _animator.Flush(null, _tail);
        }
    }
}
