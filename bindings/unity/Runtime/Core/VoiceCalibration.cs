using System;

namespace EmoFace
{
    /// <summary>A voice as one package hears it: FaceAnimator.Calibrate() makes it, any animator of the package takes
    /// it.</summary>
    public sealed class VoiceCalibration
    {
        internal const string Condition = "speaker_mean";

        /// <param name="speakerMean">Mean emotion feature of the voice's neutral speech.</param>
        /// <param name="seconds">Of speech that it was made from.</param>
        /// <param name="package">FacePackage.Digest: of another package it means nothing.</param>
        public VoiceCalibration(float[] speakerMean, double seconds, string package)
        {
            if (speakerMean == null) throw new ArgumentNullException("speakerMean");
            SpeakerMean = speakerMean;
            Seconds = seconds;
            Package = package;
        }

        public float[] SpeakerMean { get; }
        public double Seconds { get; }
        public string Package { get; }
    }
}
