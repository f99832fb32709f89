// Written by bindings/build_errors.py from csrc/include/emoface.h.
namespace EmoFace
{
    /// <summary>What a call returned, as <c>emoface.h</c> has it. Negative: an error. Positive: a notice, the call
    /// worked.</summary>
    public enum Status
    {
        /// <summary>Success.</summary>
        Ok = 0,
        /// <summary>emoface_sample(): no frame is computed yet; the neutral face was returned.</summary>
        NoFrame = 1,
        /// <summary>emoface_sample(): the time lies after the newest frame; that frame was returned.</summary>
        Late = 2,
        /// <summary>emoface_sample(): the time lies before the oldest frame that is kept; that frame was returned.</summary>
        Early = 3,
        /// <summary>A NULL handle or pointer, a wrong struct_size, a value out of range.</summary>
        Argument = -1,
        /// <summary>The caller's buffer is too small; the number that is needed was stored, and nothing was consumed.</summary>
        BufferTooSmall = -2,
        /// <summary>An unknown style, emotion or level, weights of a wrong length, or a change in the past.</summary>
        Condition = -3,
        /// <summary>A template that does not fit the package's topology.</summary>
        Template = -4,
        /// <summary>A package that lacks what was asked for, for example a precision.</summary>
        Package = -10,
        /// <summary>No package at the path.</summary>
        PackageNotFound = -11,
        /// <summary>A package of a format version that this library does not read.</summary>
        PackageFormat = -12,
        /// <summary>A file of the package is missing, truncated or oversized, or its SHA-256 differs.</summary>
        PackageIntegrity = -13,
        /// <summary>manifest.json, or an array that it describes, breaks the schema.</summary>
        Manifest = -14,
        /// <summary>NaN, infinite or far too loud samples.</summary>
        Audio = -20,
        /// <summary>A sample rate, number of channels or sample format that is not possible.</summary>
        AudioFormat = -21,
        /// <summary>The stream cannot go on, for example after a failed step.</summary>
        Runtime = -30,
        /// <summary>Audio after emoface_flush().</summary>
        StreamEnded = -31,
        /// <summary>A snapshot that is damaged, or of another package, backend, precision, rate or block size.</summary>
        Snapshot = -32,
        /// <summary>ONNX Runtime is absent or too old, or a graph failed to load or run.</summary>
        Backend = -33,
        /// <summary>Two threads used one animator at the same time.</summary>
        ConcurrentUse = -34,
        /// <summary>emoface_push(): the queue is full because the worker cannot keep up; the chunk was not taken.</summary>
        QueueFull = -35,
        /// <summary>The call belongs to the other way of driving the animator: emoface_start() or emoface_stop() first.</summary>
        Mode = -36,
        /// <summary>Memory ran out.</summary>
        OutOfMemory = -37,
        /// <summary>A fault of the library itself; please report it.</summary>
        Internal = -38,
    }
}
