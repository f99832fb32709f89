using System;

namespace EmoFace
{
    /// <summary>From a package's right-handed axes to Unity's left-handed ones in metres: x to the character's right, y
    /// up, z to the front. Triangles change their winding with it.</summary>
    public sealed class Axes
    {
        private readonly int[] _source = new int[3];
        private readonly float[] _factor = new float[3];

        /// <param name="text">As a package states them: "+Y up, +Z front".</param>
        /// <exception cref="PackageException">Another form, or up and front along one axis.</exception>
        public Axes(string text, double unitInMetres)
        {
            int up, front;
            float upSign, frontSign;
            var parts = (text ?? "").Split(',');
            if (parts.Length != 2 || !Read(parts[0], "up", out up, out upSign) ||
                !Read(parts[1], "front", out front, out frontSign) || up == front)
                throw new PackageException(Status.Package, "got axes '" + text + "'; expected for example " +
                                                           "'+Y up, +Z front'. Export the package with axes of this form.");
            var scale = (float)unitInMetres;
            // left = up x front, and along the third axis; x of Unity points to the right
            var left = 3 - up - front;
            var even = (up + 1) % 3 == front;
            _source[0] = left;
            _factor[0] = -scale * upSign * frontSign * (even ? 1 : -1);
            _source[1] = up;
            _factor[1] = scale * upSign;
            _source[2] = front;
            _factor[2] = scale * frontSign;
        }

        /// <summary>Convert `count` vertices: component `c` (0 x, 1 y, 2 z) comes from package component
        /// <see cref="Source"/>(c), times <see cref="Factor"/>(c).</summary>
        public void Convert(float[] from, int first, float[] to, int count)
        {
            for (var vertex = 0; vertex < count; vertex++)
                for (var c = 0; c < 3; c++)
                    to[3 * vertex + c] = _factor[c] * from[first + 3 * vertex + _source[c]];
        }

        public int Source(int component) { return _source[component]; }

        public float Factor(int component) { return _factor[component]; }

        /// <summary>Triangles for a left-handed system: clockwise seen from outside. In place.</summary>
        public static void FlipWinding(int[] triangles)
        {
            for (var corner = 0; corner + 2 < triangles.Length; corner += 3)
            {
                var second = triangles[corner + 1];
                triangles[corner + 1] = triangles[corner + 2];
                triangles[corner + 2] = second;
            }
        }

        private static bool Read(string part, string role, out int axis, out float sign)
        {
            axis = -1;
            sign = 0;
            part = part.Trim();
            if (part.Length != 3 + role.Length || !part.EndsWith(" " + role, StringComparison.Ordinal)) return false;
            axis = "XYZ".IndexOf(part[1]);
            sign = part[0] == '+' ? 1 : part[0] == '-' ? -1 : 0;
            return axis >= 0 && sign != 0;
        }
    }
}
