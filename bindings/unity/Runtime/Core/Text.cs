using System;
using System.Runtime.InteropServices;
using System.Text;

namespace EmoFace
{
    /// <summary>UTF-8, both ways. (The runtime's own string marshalling is the ANSI code page on Windows.)</summary>
    internal static class Text
    {
        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, true);

        /// <summary>Zero-terminated bytes; null stays null.</summary>
        internal static byte[] ToUtf8(string text, string what)
        {
            if (text == null) return null;
            if (text.IndexOf('\0') >= 0)
                throw new UsageException("got " + what + " with a zero character; expected text. Remove it.");
            try
            {
                var bytes = new byte[Strict.GetByteCount(text) + 1];
                Strict.GetBytes(text, 0, text.Length, bytes, 0);
                return bytes;
            }
            catch (EncoderFallbackException)
            {
                throw new UsageException("got " + what + " with half a surrogate pair; expected text. Correct it.");
            }
        }

        /// <summary>A string of the library; null stays null.</summary>
        internal static unsafe string FromUtf8(IntPtr text)
        {
            if (text == IntPtr.Zero) return null;
            var bytes = (byte*)text;
            var length = 0;
            while (bytes[length] != 0) length++;
            return length == 0 ? "" : Encoding.UTF8.GetString(bytes, length);
        }

        /// <summary>A zero-terminated copy outside the managed heap, for structs that hold pointers.</summary>
        internal static IntPtr Allocate(string text, string what)
        {
            var bytes = ToUtf8(text, what);
            if (bytes == null) return IntPtr.Zero;
            var copy = Marshal.AllocHGlobal(bytes.Length);
            Marshal.Copy(bytes, 0, copy, bytes.Length);
            return copy;
        }
    }
}
