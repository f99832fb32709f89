using System;
using System.Runtime.InteropServices;

namespace EmoFace
{
    /// <summary>A handle of the library: released once, and never while a call with it is running.</summary>
    internal abstract class NativeHandle : SafeHandle
    {
        protected NativeHandle(IntPtr value) : base(IntPtr.Zero, true) { SetHandle(value); }

        public override bool IsInvalid => handle == IntPtr.Zero;
    }

    internal sealed class PackageHandle : NativeHandle
    {
        internal PackageHandle(IntPtr value) : base(value) { }

        protected override bool ReleaseHandle()
        {
            NativeMethods.emoface_package_release(handle);
            return true;
        }
    }

    internal sealed class AnimatorHandle : NativeHandle
    {
        internal AnimatorHandle(IntPtr value) : base(value) { }

        protected override bool ReleaseHandle()
        {
            NativeMethods.emoface_animator_release(handle);
            return true;
        }
    }

    internal sealed class SolverHandle : NativeHandle
    {
        internal SolverHandle(IntPtr value) : base(value) { }

        protected override bool ReleaseHandle()
        {
            NativeMethods.emoface_solver_release(handle);
            return true;
        }
    }
}
