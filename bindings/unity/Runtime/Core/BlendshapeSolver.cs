using System;
using System.Runtime.InteropServices;

namespace EmoFace
{
    /// <summary>Finds blendshape weights for frames, with the package's blendshapes or your own. One per voice, frames in
    /// order: it is warm-started and smoothed in time.</summary>
    public sealed class BlendshapeSolver : IDisposable
    {
        private readonly SolverHandle _handle;
        private readonly int _values;

        /// <param name="deltas">Your own shapes: x, y, z offsets of every vertex at weight 1, shape after shape, in the
        /// package's axes and unit; null = the package's.</param>
        /// <param name="sparsity">0 = the default, negative = none; larger values leave more weights at 0.</param>
        /// <param name="smoothness">0 = the default, negative = none; larger values follow motion more slowly.</param>
        /// <exception cref="PackageException">Neither the package nor `deltas` has shapes.</exception>
        public unsafe BlendshapeSolver(FacePackage package, float[] deltas = null, float sparsity = 0, float smoothness = 0)
        {
            if (package == null) throw new ArgumentNullException("package");
            _values = 3 * package.VertexCount;
            if (deltas != null && (deltas.Length == 0 || deltas.Length % _values != 0))
                throw new UsageException("got deltas of " + deltas.Length + " numbers; expected a multiple of " + _values +
                                         ". Pass x, y, z of every vertex for every shape.");
            Count = deltas == null ? package.Blendshapes.Count : deltas.Length / _values;
            fixed (float* first = deltas)
            {
                var config = new NativeSolverConfig
                {
                    StructSize = (uint)Marshal.SizeOf(typeof(NativeSolverConfig)),
                    Shapes = deltas == null ? 0 : Count,
                    Deltas = (IntPtr)first,
                    Sparsity = sparsity,
                    Smoothness = smoothness,
                };
                Failure.Check(NativeMethods.emoface_solver_create(package.Handle, ref config, out var handle));
                _handle = new SolverHandle(handle);
            }
        }

        /// <summary>Number of weights.</summary>
        public int Count { get; }

        /// <summary>Weights 0..1 for one frame.</summary>
        /// <param name="offsets">x, y, z of every vertex, less the neutral face.</param>
        public unsafe void Solve(float[] offsets, float[] weights)
        {
            if (offsets == null || offsets.Length != _values || weights == null || weights.Length < Count)
                throw new UsageException("got " + (offsets == null ? 0 : offsets.Length) + " offsets and room for " +
                                         (weights == null ? 0 : weights.Length) + " weights; expected " + _values +
                                         " and " + Count + ".");
            fixed (float* from = offsets)
            fixed (float* to = weights)
                Failure.Check(NativeMethods.emoface_solver_solve(_handle, from, to));
        }

        /// <summary>Forget the frames so far.</summary>
        public void Reset() { Failure.Check(NativeMethods.emoface_solver_reset(_handle)); }

        public void Dispose() { _handle.Dispose(); }
    }
}
