// Written by bindings/build_errors.py from csrc/include/emoface.h.
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

    /// <summary>A package that cannot be used, or lacks what was asked for.</summary>
    public class PackageException : EmoFaceException
    {
        public PackageException(Status status, string message) : base(status, message) { }
    }

    /// <summary>Samples that are NaN, infinite or far too loud.</summary>
    public class AudioException : EmoFaceException
    {
        public AudioException(Status status, string message) : base(status, message) { }
    }

    /// <summary>The stream or the machine cannot go on.</summary>
    public class RuntimeFailureException : EmoFaceException
    {
        public RuntimeFailureException(Status status, string message) : base(status, message) { }
    }

    /// <summary>An unknown style, emotion or level, weights of a wrong length, or a change in the past.</summary>
    public sealed class ConditionException : UsageException
    {
        public ConditionException(string message) : base(Status.Condition, message) { }
    }

    /// <summary>A template that does not fit the package's topology.</summary>
    public sealed class TemplateException : UsageException
    {
        public TemplateException(string message) : base(Status.Template, message) { }
    }

    /// <summary>No package at the path.</summary>
    public sealed class PackageNotFoundException : PackageException
    {
        public PackageNotFoundException(string message) : base(Status.PackageNotFound, message) { }
    }

    /// <summary>A package of a format version that this library does not read.</summary>
    public sealed class PackageFormatException : PackageException
    {
        public PackageFormatException(string message) : base(Status.PackageFormat, message) { }
    }

    /// <summary>A file of the package is missing, truncated or oversized, or its SHA-256 differs.</summary>
    public sealed class PackageIntegrityException : PackageException
    {
        public PackageIntegrityException(string message) : base(Status.PackageIntegrity, message) { }
    }

    /// <summary>A sample rate, number of channels or sample format that is not possible.</summary>
    public sealed class AudioFormatException : AudioException
    {
        public AudioFormatException(string message) : base(Status.AudioFormat, message) { }
    }

    /// <summary>Audio after emoface_flush().</summary>
    public sealed class StreamEndedException : RuntimeFailureException
    {
        public StreamEndedException(string message) : base(Status.StreamEnded, message) { }
    }

    /// <summary>A snapshot that is damaged, or of another package, backend, precision, rate or block size.</summary>
    public sealed class SnapshotException : RuntimeFailureException
    {
        public SnapshotException(string message) : base(Status.Snapshot, message) { }
    }

    /// <summary>ONNX Runtime is absent or too old, or a graph failed to load or run.</summary>
    public sealed class BackendException : RuntimeFailureException
    {
        public BackendException(string message) : base(Status.Backend, message) { }
    }

    /// <summary>Two threads used one animator at the same time.</summary>
    public sealed class ConcurrentUseException : RuntimeFailureException
    {
        public ConcurrentUseException(string message) : base(Status.ConcurrentUse, message) { }
    }

    /// <summary>The call belongs to the other way of driving the animator: emoface_start() or emoface_stop() first.</summary>
    public sealed class ModeException : RuntimeFailureException
    {
        public ModeException(string message) : base(Status.Mode, message) { }
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

    /// <summary>manifest.json, or an array that it describes, breaks the schema.</summary>
    public sealed class ManifestException : PackageException
    {
        public ManifestException(string message) : base(Status.Manifest, message) { }

        /// <summary>The file at fault.</summary>
        public string File { get; } = Failure.Part(3);

        /// <summary>The path of the field, for example <c>stages[1].inputs[0].source</c>.</summary>
        public string Field { get; } = Failure.Part(4);
    }

    /// <summary>The native library is absent, of another machine type, or of another version than this
    /// binding.</summary>
    public sealed class NativeLibraryException : EmoFaceException
    {
        public NativeLibraryException(string message) : base(Status.Backend, message) { }
    }

    /// <summary>Status to exception.</summary>
    internal static class Failure
    {
        /// <summary>Throw for an error; a notice passes.</summary>
        internal static Status Check(int status, long needed = 0)
        {
            if (status < 0) throw Exception((Status)status, needed);
            return (Status)status;
        }

        /// <summary>EMOFACE_PART_* of the last error.</summary>
        internal static string Part(int part) => Text.FromUtf8(NativeMethods.emoface_last_error_part(part));

        /// <summary>The exception for a status, with the library's own account of it.</summary>
        internal static System.Exception Exception(Status status, long needed)
        {
            var message = Text.FromUtf8(NativeMethods.emoface_last_error());
            if (message.Length == 0) message = Text.FromUtf8(NativeMethods.emoface_status_name((int)status));
            switch (status)
            {
                case Status.Argument: return new UsageException(status, message);
                case Status.BufferTooSmall: return new BufferTooSmallException(message, needed);
                case Status.Condition: return new ConditionException(message);
                case Status.Template: return new TemplateException(message);
                case Status.Package: return new PackageException(status, message);
                case Status.PackageNotFound: return new PackageNotFoundException(message);
                case Status.PackageFormat: return new PackageFormatException(message);
                case Status.PackageIntegrity: return new PackageIntegrityException(message);
                case Status.Manifest: return new ManifestException(message);
                case Status.Audio: return new AudioException(status, message);
                case Status.AudioFormat: return new AudioFormatException(message);
                case Status.Runtime: return new RuntimeFailureException(status, message);
                case Status.StreamEnded: return new StreamEndedException(message);
                case Status.Snapshot: return new SnapshotException(message);
                case Status.Backend: return new BackendException(message);
                case Status.ConcurrentUse: return new ConcurrentUseException(message);
                case Status.QueueFull: return new RuntimeFailureException(status, message);
                case Status.Mode: return new ModeException(message);
                case Status.OutOfMemory: return new OutOfMemoryException(message);
                case Status.Internal: return new RuntimeFailureException(status, message);
                default: return new RuntimeFailureException(status, message);
            }
        }
    }
}
