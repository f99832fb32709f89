using System;
using UnityEngine;

namespace EmoFace
{
    /// <summary>Unity's audio output.</summary>
    internal static class AudioOutput
    {
        /// <summary>Seconds from the mixing of a buffer until it is heard, as far as Unity knows it: the mixer works that
        /// many buffers ahead of the device.</summary>
        internal static double Latency()
        {
            int length, count;
            AudioSettings.GetDSPBufferSize(out length, out count);
            return Math.Max(0.0, count - 1.5) * length / Math.Max(1, AudioSettings.outputSampleRate);
        }
    }
}
