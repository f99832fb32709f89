using System;

namespace EmoFace
{
    /// <summary>The engine's audio clock advances by whole buffers (21 ms at 1024 samples), too coarse for 60 pictures per
    /// second. This clock goes on between its steps and never runs away from it.</summary>
    public sealed class AudioClock
    {
        // A jump is another stream or a long hitch: follow at once. Below, drift is drawn in over about ten pictures.
        private const double Jump = 0.15;
        private const double Pull = 0.1;
        // How far to go on when the audio clock stands: the longest buffer, then it is paused.
        private const double LongestBuffer = 0.1;

        private double _audio = double.NaN;
        private double _real;
        private double _time;

        /// <summary>Once per picture.</summary>
        /// <param name="audio">The audio clock in seconds (AudioSettings.dspTime).</param>
        /// <param name="real">A fine clock in seconds (Time.realtimeSinceStartup).</param>
        /// <returns>Audio time in seconds, smooth; it never goes back except at a jump.</returns>
        public double Update(double audio, double real)
        {
            var elapsed = Math.Max(0.0, real - _real);
            _real = real;
            if (double.IsNaN(_audio) || Math.Abs(audio - _time - elapsed) > Jump && audio != _audio)
            {
                _audio = audio;
                return _time = audio;
            }
            var next = _time + elapsed;
            if (audio != _audio)
            {
                _audio = audio;
                next += Pull * (audio - next);
            }
            return _time = Math.Max(_time, Math.Min(next, _audio + LongestBuffer));
        }
    }
}
