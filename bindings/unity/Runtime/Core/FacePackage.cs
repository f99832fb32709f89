using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace EmoFace
{
    /// <summary>A loaded package: the model's weights, its face and its names. Immutable, thread-safe, shared by all
    /// animators made with it; they keep it alive, so it may be disposed at any time.</summary>
    public sealed class FacePackage : IDisposable
    {
        internal readonly PackageHandle Handle;
        private readonly NativePackageInfo _info;

        private FacePackage(IntPtr handle)
        {
            Handle = new PackageHandle(handle);
            _info.StructSize = (uint)Marshal.SizeOf(typeof(NativePackageInfo));
            Failure.Check(NativeMethods.emoface_package_get_info(Handle, ref _info));
            Name = Text.FromUtf8(NativeMethods.emoface_package_text(Handle, 0));
            Licence = Text.FromUtf8(NativeMethods.emoface_package_text(Handle, 2));
            Axes = Text.FromUtf8(NativeMethods.emoface_package_text(Handle, 3));
            DefaultPrecision = Text.FromUtf8(NativeMethods.emoface_package_text(Handle, 4));
            Digest = Text.FromUtf8(NativeMethods.emoface_package_text(Handle, 5));
            FacesSha256 = Text.FromUtf8(NativeMethods.emoface_package_text(Handle, 6));
            Styles = Names(0);
            Emotions = Names(1);
            Levels = Names(2);
            Masks = Names(3);
            Blendshapes = Names(4);
            Precisions = Names(5);
            Conditions = Names(6);
            Identities = Names(7);
            Textures = Names(8);
            Coefficients = Names(9);
            Persons = Names(10);
            ModelSha256 = Text.FromUtf8(NativeMethods.emoface_package_text(Handle, 8));
        }

        /// <summary>Load a package from a folder or an .emoface file.</summary>
        /// <exception cref="PackageException">Not there, damaged, or of a format that is not read.</exception>
        public static FacePackage Open(string path)
        {
            if (path == null) throw new ArgumentNullException("path");
            Library.Check();
            Failure.Check(NativeMethods.emoface_package_open(Text.ToUtf8(path, "a path"), out var handle));
            return new FacePackage(handle);
        }

        /// <summary>Load a package from the bytes of an .emoface file.</summary>
        /// <exception cref="PackageException">Damaged, or of a format that is not read.</exception>
        public static unsafe FacePackage Open(byte[] data)
        {
            if (data == null) throw new ArgumentNullException("data");
            Library.Check();
            // An empty array has no address; one byte says the same: not a package.
            fixed (byte* bytes = data.Length == 0 ? new byte[1] : data)
            {
                Failure.Check(NativeMethods.emoface_package_open_memory(bytes, data.Length, out var handle));
                return new FacePackage(handle);
            }
        }

        public string Name { get; }
        public string Licence { get; }
        /// <summary>Axes of the vertices, for example "+Y up, +Z front"; a right-handed system.</summary>
        public string Axes { get; }
        public string DefaultPrecision { get; }
        /// <summary>SHA-256 of the manifest, and so of everything in the package.</summary>
        public string Digest { get; }
        /// <summary>Two faces have the same topology if and only if this is equal.</summary>
        public string FacesSha256 { get; }
        /// <summary>Of the model's weights, as person files name it; empty where the package names no model.</summary>
        public string ModelSha256 { get; }
        public IReadOnlyList<string> Styles { get; }
        /// <summary>What SetEmotion takes; ends with "auto" where the voice can decide.</summary>
        public IReadOnlyList<string> Emotions { get; }
        public IReadOnlyList<string> Levels { get; }
        /// <summary>What SetPerson takes; empty where the package has no persons.</summary>
        public IReadOnlyList<string> Persons { get; }
        public IReadOnlyList<string> Masks { get; }
        public IReadOnlyList<string> Blendshapes { get; }
        public IReadOnlyList<string> Precisions { get; }
        public IReadOnlyList<string> Conditions { get; }
        /// <summary>Neutral faces beside the canonical one, which has no name.</summary>
        public IReadOnlyList<string> Identities { get; }
        /// <summary>"albedo" is the colour of the skin; others are the application's.</summary>
        public IReadOnlyList<string> Textures { get; }
        /// <summary>Names of the shapes of the motion basis that frames carry coefficients of; none where they carry
        /// none.</summary>
        public IReadOnlyList<string> Coefficients { get; }

        public int Fps => _info.Fps;
        /// <summary>The model's own rate in Hz; audio of any other is resampled.</summary>
        public int SampleRate => _info.SampleRate;
        public int VertexCount => _info.Vertices;
        public int TriangleCount => _info.Triangles;
        /// <summary>Number of emotions that frames carry a probability for; 0 where they carry none.</summary>
        public int EmotionCount => _info.Emotions;
        public bool HasEmotionWeights => _info.HasWeights != 0;
        /// <summary>Whether the package moves the head as a whole.</summary>
        public bool HasHeadPose => _info.HasHeadPose != 0;
        /// <summary>What frames carry beside the emotions' probabilities.</summary>
        public bool HasArousal => _info.HasArousal != 0;
        public bool HasValence => _info.HasValence != 0;
        public bool HasConfidence => _info.HasConfidence != 0;
        /// <summary>Whether an emotion branch has coefficients of its own.</summary>
        public bool HasEmotionCoefficients => _info.HasEmotionCoefficients != 0;
        public int BlockMs => _info.BlockMs;
        public int LeastBlockMs => _info.LeastBlockMs;
        public int LongestBlockMs => _info.LongestBlockMs;
        public double UnitInMetres => _info.UnitInMetres;
        /// <summary>Largest offset of the reference animation in metres.</summary>
        public double MotionRange => _info.MotionRange;
        /// <summary>manifest.json as it is.</summary>
        public string Manifest => Text.FromUtf8(NativeMethods.emoface_package_text(Handle, 7));

        /// <summary>The neutral face: x, y, z of every vertex, in the package's axes and unit.</summary>
        public float[] Template() { return Floats(NativeMethods.emoface_package_template(Handle), 3 * VertexCount); }

        /// <summary>Linear albedo 0..1 of every vertex: red, green, blue.</summary>
        public float[] Colours() { return Floats(NativeMethods.emoface_package_colours(Handle), 3 * VertexCount); }

        /// <summary>Three vertex indices per triangle, counter-clockwise seen from outside.</summary>
        public int[] Faces() { return Integers(NativeMethods.emoface_package_faces(Handle), 3 * TriangleCount); }

        /// <summary>One of the neutral faces: x, y, z of every vertex.</summary>
        /// <exception cref="UsageException">The package has no identity of this name.</exception>
        public float[] Identity(string name)
        {
            var template = NativeMethods.emoface_package_identity(Handle, Text.ToUtf8(name, "a name"));
            if (template == IntPtr.Zero)
                throw new UsageException("got identity '" + name + "'; expected one of " + string.Join(", ", Identities) +
                                         ". Take one of these, or the Template.");
            return Floats(template, 3 * VertexCount);
        }

        /// <summary>x, y, z of the points that head, jaw, left and right eye turn about, in this order, of an identity or
        /// (null) of the canonical face; null where the package has none.</summary>
        /// <exception cref="UsageException">The package has no identity of this name.</exception>
        public float[] Pivots(string identity = null)
        {
            if (identity != null) Identity(identity);
            var name = identity == null ? null : Text.ToUtf8(identity, "a name");
            var pivots = NativeMethods.emoface_package_pivots(Handle, name);
            return pivots == IntPtr.Zero ? null : Floats(pivots, 12);
        }

        /// <summary>Texture coordinates u, v, origin at the upper left of the image, v down; null where there are none.</summary>
        public float[] Uvs()
        {
            var uvs = NativeMethods.emoface_package_uvs(Handle, out var count);
            return uvs == IntPtr.Zero ? null : Floats(uvs, (int)(2 * count));
        }

        /// <summary>The rows of Uvs at the three corners of every triangle; null where there are none.</summary>
        public int[] UvFaces()
        {
            return Integers(NativeMethods.emoface_package_uv_faces(Handle), 3 * TriangleCount);
        }

        /// <summary>The group of every triangle: within one, normals are smooth; between groups the edge is sharp. null
        /// where all are of one group.</summary>
        public int[] NormalGroups()
        {
            return Integers(NativeMethods.emoface_package_normal_groups(Handle), TriangleCount);
        }

        /// <summary>A texture: a PNG image of 8 bits RGB or RGBA, sRGB whatever it says of itself.</summary>
        /// <exception cref="UsageException">The package has no texture of this name.</exception>
        public byte[] Texture(string name)
        {
            var image = NativeMethods.emoface_package_texture(Handle, Text.ToUtf8(name, "a name"), out var size);
            if (image == IntPtr.Zero)
                throw new UsageException("got texture '" + name + "'; expected one of " + string.Join(", ", Textures) +
                                         ". Take one of these.");
            var copy = new byte[size];
            Marshal.Copy(image, copy, 0, copy.Length);
            return copy;
        }

        /// <summary>Vertex indices of a region, for example "lips".</summary>
        /// <exception cref="UsageException">The package has no mask of this name.</exception>
        public int[] Mask(string name)
        {
            var indices = NativeMethods.emoface_package_mask(Handle, Text.ToUtf8(name, "a name"), out var count);
            if (indices == IntPtr.Zero)
                throw new UsageException("got mask '" + name + "'; expected one of " + string.Join(", ", Masks) +
                                         ". Take one of these.");
            var copy = new int[count];
            Marshal.Copy(indices, copy, 0, copy.Length);
            return copy;
        }

        /// <summary>Offsets of a blendshape at weight 1: x, y, z of every vertex.</summary>
        public float[] Blendshape(int index)
        {
            var offsets = NativeMethods.emoface_package_blendshape(Handle, index);
            if (offsets == IntPtr.Zero)
                throw new UsageException("got blendshape " + index + "; expected 0 to " + (Blendshapes.Count - 1) +
                                         ". Blendshapes lists their names.");
            return Floats(offsets, 3 * VertexCount);
        }

        /// <summary>Offsets of a shape of the motion basis at coefficient 1, of an identity or (null) of the canonical face:
        /// x, y, z of every vertex.</summary>
        public float[] Basis(int index, string identity = null)
        {
            if (identity != null) Identity(identity);
            var name = identity == null ? null : Text.ToUtf8(identity, "a name");
            var offsets = NativeMethods.emoface_package_basis(Handle, name, index);
            if (offsets == IntPtr.Zero)
                throw new UsageException("got shape " + index + " of the basis; expected 0 to " + (Coefficients.Count - 1) +
                                         ". Coefficients lists their names.");
            return Floats(offsets, 3 * VertexCount);
        }

        /// <summary>What a person file says for the condition "person" or "style": for AnimatorOptions.Conditions, or
        /// FaceAnimator.SetCondition().</summary>
        /// <param name="json">The bytes of the file.</param>
        /// <exception cref="ConditionException">A damaged file, a person of another model, a weight that does not fit.</exception>
        public unsafe float[] ReadPerson(byte[] json, string condition = "person")
        {
            if (json == null) throw new ArgumentNullException("json");
            var name = Text.ToUtf8(condition, "a condition");
            // An empty array has no address; the library says what an empty file lacks.
            fixed (byte* bytes = json.Length == 0 ? new byte[1] : json)
            {
                Failure.Check(NativeMethods.emoface_read_person(Handle, name, bytes, json.Length, null, 0, out var count));
                var values = new float[count];
                fixed (float* first = values)
                    Failure.Check(NativeMethods.emoface_read_person(Handle, name, bytes, json.Length, first, count, out count));
                return values;
            }
        }

        /// <summary>Run the package's golden vectors on this machine and compare (about a second).</summary>
        public Verification Verify(AnimatorOptions options = null)
        {
            var result = new NativeVerification { StructSize = (uint)Marshal.SizeOf(typeof(NativeVerification)) };
            using (var config = new NativeOptions(options ?? new AnimatorOptions()))
                Failure.Check(NativeMethods.emoface_verify(Handle, ref config.Config, ref result));
            return new Verification(result);
        }

        public void Dispose() { Handle.Dispose(); }

        private string[] Names(int list)
        {
            var names = new string[NativeMethods.emoface_package_name_count(Handle, list)];
            for (var index = 0; index < names.Length; index++)
                names[index] = Text.FromUtf8(NativeMethods.emoface_package_name(Handle, list, index));
            return names;
        }

        private static int[] Integers(IntPtr source, int count)
        {
            if (source == IntPtr.Zero) return null;
            var copy = new int[count];
            Marshal.Copy(source, copy, 0, count);
            return copy;
        }

        private static float[] Floats(IntPtr source, int count)
        {
            var copy = new float[count];
            Marshal.Copy(source, copy, 0, count);
            return copy;
        }
    }

    /// <summary>What <see cref="FacePackage.Verify"/> found.</summary>
    public struct Verification
    {
        internal Verification(NativeVerification found)
        {
            Passed = found.Passed != 0;
            Frames = found.Frames;
            OffsetsError = found.OffsetsError;
            EmotionError = found.EmotionError;
            Tolerance = found.Tolerance;
            StagesError = found.StagesError;
        }

        public readonly bool Passed;
        public readonly long Frames;
        /// <summary>Largest difference from the golden vectors, as a share of the motion range.</summary>
        public readonly double OffsetsError;
        public readonly double EmotionError;
        public readonly double Tolerance;
        /// <summary>Largest difference of any other output of a stage, as a share of its range.</summary>
        public readonly double StagesError;
    }
}
