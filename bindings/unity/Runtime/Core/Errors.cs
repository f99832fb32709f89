using System;

namespace EmoFace
{
    /// <summary>Base class of every error of EmoFace. The message says what was found, what was expected and what to
    /// do.</summary>
    public class EmoFaceException : Exception
    {
        public EmoFaceException(Status status, string message) : base(message) { Status = status; }

        /// <summary>The status of the C interface that stands behind it.</summary>
        public Status Status { get; }
    }

    /// <summary>A wrong argument.</summary>
    public class UsageException : EmoFaceException
    {
        public UsageException(Status status, string message) : base(status, message) { }
        public UsageException(string message) : base(Status.Argument, message) { }
    }

    /// <summary>A frame buffer without room for the frames that are due. Nothing was consumed.</summary>
    public sealed class BufferTooSmallException : UsageException
    {
        public BufferTooSmallException(string message, long needed) : base(Status.BufferTooSmall, message)
        {
            Needed = needed;
        }

        /// <summary>The number of frames, or bytes of a snapshot, that room is needed for.</summary>
        public long Needed { get; }
    }

    /// <summary>An unknown style, emotion or level, weights of a wrong length, or a change in the past.</summary>
    public sealed class ConditionException : UsageException
    {
        public ConditionException(string message) : base(Status.Condition, message) { }
    }

    /// <summary>A neutral face that does not fit the package's topology.</summary>
    public sealed class TemplateException : UsageException
    {
        public TemplateException(string message) : base(Status.Template, message) { }
    }

    /// <summary>A package that cannot be used, or lacks what was asked for.</summary>
    public class PackageException : EmoFaceException
    {
        public PackageException(Status status, string message) : base(status, message) { }
    }

    /// <summary>No package at this path.</summary>
    public sealed class PackageNotFoundException : PackageException
    {
        public PackageNotFoundException(string message) : base(Status.PackageNotFound, message) { }
    }

    /// <summary>A format version that the library does not read.</summary>
    public sealed class PackageFormatException : PackageException
    {
        public PackageFormatException(string message) : base(Status.PackageFormat, message) { }
    }

    /// <summary>A file of the package is missing, truncated or changed.</summary>
    public sealed class PackageIntegrityException : PackageException
    {
        public PackageIntegrityException(string message) : base(Status.PackageIntegrity, message) { }
    }

    /// <summary>The manifest, or an array that it describes, breaks the schema.</summary>
    public sealed class ManifestException : PackageException
    {
        public ManifestException(string message) : base(Status.Manifest, message) { }
    }

    /// <summary>Samples that are NaN, infinite or far too loud.</summary>
    public class AudioException : EmoFaceException
    {
        public AudioException(Status status, string message) : base(status, message) { }
    }

    /// <summary>A sample rate, number of channels or sample format that is not possible.</summary>
    public sealed class AudioFormatException : AudioException
    {
        public AudioFormatException(string message) : base(Status.AudioFormat, message) { }
    }

    /// <summary>The stream or the machine cannot go on.</summary>
    public class RuntimeFailureException : EmoFaceException
    {
        public RuntimeFailureException(Status status, string message) : base(status, message) { }
    }

    /// <summary>Audio after the end of the stream.</summary>
    public sealed class StreamEndedException : RuntimeFailureException
    {
        public StreamEndedException(string message) : base(Status.StreamEnded, message) { }
    }

    /// <summary>A snapshot that is damaged or of another stream.</summary>
    public sealed class SnapshotException : RuntimeFailureException
    {
        public SnapshotException(string message) : base(Status.Snapshot, message) { }
    }

    /// <summary>ONNX Runtime is absent or too old, or a graph failed.</summary>
    public sealed class BackendException : RuntimeFailureException
    {
        public BackendException(string message) : base(Status.Backend, message) { }
    }

    /// <summary>Two threads used one animator at the same time.</summary>
    public sealed class ConcurrentUseException : RuntimeFailureException
    {
        public ConcurrentUseException(string message) : base(Status.ConcurrentUse, message) { }
    }

    /// <summary>The call belongs to the other way of driving the animator: Start or Stop first.</summary>
    public sealed class ModeException : RuntimeFailureException
    {
        public ModeException(string message) : base(Status.Mode, message) { }
    }

    /// <summary>The native library is absent, of another machine type, or of another version than this binding.</summary>
    public sealed class NativeLibraryException : EmoFaceException
    {
        public NativeLibraryException(string message) : base(Status.Backend, message) { }
    }
}
