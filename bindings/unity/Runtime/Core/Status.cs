namespace EmoFace
{
    /// <summary>What a call returned, as <c>emoface.h</c> has it. Negative: an error. Positive: a notice, the call
    /// worked.</summary>
    public enum Status
    {
        Ok = 0,
        /// <summary>Sample: no frame is computed yet; the neutral face was returned.</summary>
        NoFrame = 1,
        /// <summary>Sample: the time lies after the newest frame; that frame was returned.</summary>
        Late = 2,
        /// <summary>Sample: the time lies before the oldest frame kept; that frame was returned.</summary>
        Early = 3,

        Argument = -1,
        BufferTooSmall = -2,
        Condition = -3,
        Template = -4,
        Package = -10,
        PackageNotFound = -11,
        PackageFormat = -12,
        PackageIntegrity = -13,
        Manifest = -14,
        Audio = -20,
        AudioFormat = -21,
        Runtime = -30,
        StreamEnded = -31,
        Snapshot = -32,
        Backend = -33,
        ConcurrentUse = -34,
        QueueFull = -35,
        Mode = -36,
        OutOfMemory = -37,
        Internal = -38,
    }
}
