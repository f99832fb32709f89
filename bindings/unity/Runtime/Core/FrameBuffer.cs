using System;
using System.Runtime.InteropServices;

namespace EmoFace
{
    /// <summary>What frames carry.</summary>
    [Flags]
    public enum Outputs
    {
        Vertices = 1,
        Emotion = 2,
        EmotionWeight = 4,
        Blendshapes = 8,
        HeadPose = 16,
        Arousal = 32,
        Valence = 64,
        Confidence = 128,
        Coefficients = 256,
        EmotionCoefficients = 512,
    }

    /// <summary>Room for frames. Made once and used for every call, so that no frame costs the collector
    /// anything; the arrays are pinned, and the library writes straight into them.</summary>
    public sealed class FrameBuffer : IDisposable
    {
        internal NativeFrames Native;
        private readonly GCHandle[] _pinned = new GCHandle[12];

        /// <param name="capacity">Frames there is room for. FaceAnimator.StepFrames() tells how many are due.</param>
        /// <exception cref="UsageException">Outputs that the package does not give, or a capacity below 1.</exception>
        public FrameBuffer(FacePackage package, int capacity, Outputs outputs = Outputs.Vertices)
        {
            if (package == null) throw new ArgumentNullException("package");
            if (capacity < 1)
                throw new UsageException("got a capacity of " + capacity + "; expected 1 or more. Pass the frames that " +
                                         "one call can give.");
            Capacity = capacity;
            Require(outputs, Outputs.Emotion, package.EmotionCount > 0);
            Require(outputs, Outputs.EmotionWeight, package.HasEmotionWeights);
            Require(outputs, Outputs.Blendshapes, package.Blendshapes.Count > 0);
            Require(outputs, Outputs.HeadPose, package.HasHeadPose || package.Pivots() != null);
            Require(outputs, Outputs.Arousal, package.HasArousal);
            Require(outputs, Outputs.Valence, package.HasValence);
            Require(outputs, Outputs.Confidence, package.HasConfidence);
            Require(outputs, Outputs.Coefficients, package.Coefficients.Count > 0);
            Require(outputs, Outputs.EmotionCoefficients, package.HasEmotionCoefficients);
            Time = new double[capacity];
            Vertices = Room(outputs, Outputs.Vertices, 3 * package.VertexCount);
            Emotion = Room(outputs, Outputs.Emotion, package.EmotionCount);
            EmotionWeight = Room(outputs, Outputs.EmotionWeight, package.VertexCount);
            Blendshapes = Room(outputs, Outputs.Blendshapes, package.Blendshapes.Count);
            HeadRotation = Room(outputs, Outputs.HeadPose, 9);
            HeadTranslation = Room(outputs, Outputs.HeadPose, 3);
            Arousal = Room(outputs, Outputs.Arousal, 1);
            Valence = Room(outputs, Outputs.Valence, 1);
            Confidence = Room(outputs, Outputs.Confidence, 1);
            Coefficients = Room(outputs, Outputs.Coefficients, package.Coefficients.Count);
            EmotionCoefficients = Room(outputs, Outputs.EmotionCoefficients, package.Coefficients.Count);
            Native.StructSize = (uint)Marshal.SizeOf(typeof(NativeFrames));
            Native.Time = Pin(0, Time);
            Native.Vertices = Pin(1, Vertices);
            Native.Emotion = Pin(2, Emotion);
            Native.EmotionWeight = Pin(3, EmotionWeight);
            Native.Blendshapes = Pin(4, Blendshapes);
            Native.HeadRotation = Pin(5, HeadRotation);
            Native.HeadTranslation = Pin(6, HeadTranslation);
            Native.Arousal = Pin(7, Arousal);
            Native.Valence = Pin(8, Valence);
            Native.Confidence = Pin(9, Confidence);
            Native.Coefficients = Pin(10, Coefficients);
            Native.EmotionCoefficients = Pin(11, EmotionCoefficients);
        }

        ~FrameBuffer() { Free(); }

        public int Capacity { get; }
        /// <summary>Frames that the last call wrote.</summary>
        public int Count { get; internal set; }
        /// <summary>Seconds of audio time, one per frame.</summary>
        public double[] Time { get; }
        /// <summary>x, y, z of every vertex, frame after frame, in the package's unit; null where not asked for.</summary>
        public float[] Vertices { get; }
        /// <summary>Running probability of every emotion, frame after frame; null where not asked for.</summary>
        public float[] Emotion { get; }
        /// <summary>Share of the emotion branch per vertex, frame after frame; null where not asked for.</summary>
        public float[] EmotionWeight { get; }
        /// <summary>Blendshape weights 0..1, frame after frame; null where not asked for.</summary>
        public float[] Blendshapes { get; }
        /// <summary>The head's rotation R, 3 x 3 row by row, frame after frame, in the package's axes; null where not asked
        /// for. A posed vertex is R v + T about the origin: Vertices never hold it.</summary>
        public float[] HeadRotation { get; }
        /// <summary>The head's translation T, frame after frame, in the package's unit; null where not asked for.</summary>
        public float[] HeadTranslation { get; }
        /// <summary>What the model heard in the voice, one value per frame in its own scale; null where not asked for.</summary>
        public float[] Arousal { get; }
        public float[] Valence { get; }
        public float[] Confidence { get; }
        /// <summary>The motion in the package's basis, frame after frame; null where not asked for.</summary>
        public float[] Coefficients { get; }
        /// <summary>The same of the emotion branch, whose share of a vertex is its EmotionWeight.</summary>
        public float[] EmotionCoefficients { get; }

        internal bool Disposed { get; private set; }

        public void Dispose()
        {
            Free();
            GC.SuppressFinalize(this);
        }

        private void Free()
        {
            Disposed = true;
            Native = default(NativeFrames);
            for (var index = 0; index < _pinned.Length; index++)
                if (_pinned[index].IsAllocated)
                    _pinned[index].Free();
        }

        private float[] Room(Outputs outputs, Outputs one, int perFrame)
        {
            return (outputs & one) == 0 ? null : new float[checked(Capacity * perFrame)];
        }

        private IntPtr Pin(int index, Array array)
        {
            if (array == null) return IntPtr.Zero;
            _pinned[index] = GCHandle.Alloc(array, GCHandleType.Pinned);
            return _pinned[index].AddrOfPinnedObject();
        }

        private static void Require(Outputs outputs, Outputs one, bool given)
        {
            if ((outputs & one) != 0 && !given)
                throw new UsageException("got Outputs." + one + " for a package that does not give it; expected outputs " +
                                         "of this package. Leave it out, or take another package.");
        }
    }
}
