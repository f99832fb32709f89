using System;
using System.Runtime.InteropServices;

namespace EmoFace
{
    /// <summary>Severity of a message of the library.</summary>
    public enum LogLevel
    {
        Info = 1,
        Warning = 2,
        Error = 3,
    }

    /// <summary>The native library as a whole: versions, ONNX Runtime, log.</summary>
    public static class Library
    {
        /// <summary>The binary interface that this binding was written for (EMOFACE_ABI_VERSION).</summary>
        public const int AbiVersion = 1;

        private static readonly object Lock = new object();
        // Held here, or the collector would take it while the library still calls it.
        private static readonly NativeLogCallback Callback = Forward;
        private static Action<LogLevel, string> _log;
        private static bool _checked;

        /// <summary>Version of the native library, for example "0.1.0".</summary>
        /// <exception cref="NativeLibraryException">It is absent or of another version.</exception>
        public static string Version
        {
            get
            {
                Check();
                return Text.FromUtf8(NativeMethods.emoface_version());
            }
        }

        /// <summary>Version of ONNX Runtime; empty before it is loaded.</summary>
        public static string OnnxRuntimeVersion
        {
            get
            {
                Check();
                return Text.FromUtf8(NativeMethods.emoface_onnxruntime_version());
            }
        }

        /// <summary>The file that ONNX Runtime was loaded from; empty before.</summary>
        public static string OnnxRuntimePath
        {
            get
            {
                Check();
                return Text.FromUtf8(NativeMethods.emoface_onnxruntime_path());
            }
        }

        /// <summary>Load ONNX Runtime from a file. Not needed where it lies beside the native library.</summary>
        /// <exception cref="BackendException">It is absent, too old, or another one is loaded already.</exception>
        public static void LoadOnnxRuntime(string path)
        {
            Check();
            Failure.Check(NativeMethods.emoface_onnxruntime_load(Text.ToUtf8(path, "a path")));
        }

        /// <summary>Receive the library's messages, on any thread; null drops them.</summary>
        public static void SetLog(Action<LogLevel, string> log)
        {
            Check();
            lock (Lock)
            {
                var first = _log == null && log != null;
                _log = log;
                if (first)
                {
                    // The editor unloads the scripts' domain while the library stays: nothing may be called after.
                    AppDomain.CurrentDomain.DomainUnload += Forget;
                    AppDomain.CurrentDomain.ProcessExit += Forget;
                }
                Failure.Check(NativeMethods.emoface_set_log(log == null ? null : Callback, IntPtr.Zero));
                if (log == null)
                {
                    AppDomain.CurrentDomain.DomainUnload -= Forget;
                    AppDomain.CurrentDomain.ProcessExit -= Forget;
                }
            }
        }

        /// <summary>Refuse a library that is absent or of another version, before anything else is called.</summary>
        internal static void Check()
        {
            if (_checked) return;
            try
            {
                var found = NativeMethods.emoface_abi_version();
                if (found != AbiVersion)
                    throw new NativeLibraryException(
                        "got the native library of binary interface " + found + "; expected " + AbiVersion +
                        ". Take library and scripts from one release of EmoFace.");
            }
            catch (DllNotFoundException error)
            {
                throw new NativeLibraryException(
                    "got no native library 'emoface' (" + error.Message + "); expected emoface.dll or libemoface.so " +
                    "where the program looks for plugins. Install the assembled package, which carries it.");
            }
            catch (BadImageFormatException error)
            {
                throw new NativeLibraryException(
                    "got a native library of another machine type (" + error.Message + "); expected x86-64. " +
                    "Build for 64 bits.");
            }
            catch (EntryPointNotFoundException error)
            {
                throw new NativeLibraryException(
                    "got another library of the name 'emoface' (" + error.Message + "); expected EmoFace's. " +
                    "Remove the other one.");
            }
            _checked = true;
        }

        private static void Forget(object sender, EventArgs arguments)
        {
            NativeMethods.emoface_set_log(null, IntPtr.Zero);
        }

        [MonoPInvokeCallback(typeof(NativeLogCallback))]
        private static void Forward(int level, IntPtr message, IntPtr user)
        {
            var log = _log;
            if (log == null) return;
            try
            {
                log((LogLevel)level, Text.FromUtf8(message));
            }
            catch (Exception error)
            {
                // Into the library nothing may be thrown.
                Console.Error.WriteLine("EmoFace: the log callback failed: " + error.Message);
            }
        }
    }

    /// <summary>Marks methods that native code calls, for ahead-of-time compilers. They know it by its name.</summary>
    [AttributeUsage(AttributeTargets.Method)]
    internal sealed class MonoPInvokeCallbackAttribute : Attribute
    {
        public MonoPInvokeCallbackAttribute(Type type) { Type = type; }

        public Type Type { get; }
    }
}
