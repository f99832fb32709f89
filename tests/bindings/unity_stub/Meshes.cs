using System.Collections.Generic;

namespace UnityEngine
{
    public struct Vector3
    {
        public float x, y, z;
        public Vector3(float x, float y, float z) { this.x = x; this.y = y; this.z = z; }
        public static Vector3 operator -(Vector3 a, Vector3 b) { return new Vector3(a.x - b.x, a.y - b.y, a.z - b.z); }
        public static Vector3 Cross(Vector3 a, Vector3 b)
        {
            return new Vector3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
        }
        public static float Dot(Vector3 a, Vector3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
    }

    public struct Color
    {
        public float r, g, b, a;
        public Color(float r, float g, float b, float a) { this.r = r; this.g = g; this.b = b; this.a = a; }
    }

    public struct Bounds
    {
        public float Expanded;
        public void Expand(float amount) { Expanded += amount; }
    }

    public sealed class Mesh : Object
    {
        private sealed class Shape
        {
            internal string Name;
            internal float FullWeight;
        }

        private readonly List<Shape> _shapes = new List<Shape>();
        private Vector3[] _vertices = new Vector3[0];

        public int SetVerticesCalls { get; private set; }
        public int RecalculateNormalsCalls { get; private set; }
        public bool Dynamic { get; private set; }
        public Rendering.IndexFormat indexFormat { get; set; }
        public int[] triangles { get; set; } = new int[0];
        public Color[] colors { get; set; }
        public Bounds bounds { get; set; }
        public Vector3[] vertices
        {
            get { return (Vector3[])_vertices.Clone(); }
            set { _vertices = (Vector3[])value.Clone(); }
        }

        public void MarkDynamic() { Dynamic = true; }
        public void RecalculateNormals() { RecalculateNormalsCalls++; }
        public void RecalculateBounds() { bounds = new Bounds(); }
        public void SetVertices(Vector3[] given)
        {
            SetVerticesCalls++;
            given.CopyTo(_vertices, 0);
        }

        public int blendShapeCount => _shapes.Count;
        public string GetBlendShapeName(int index) { return _shapes[index].Name; }
        public int GetBlendShapeFrameCount(int index) { return 1; }
        public float GetBlendShapeFrameWeight(int index, int frame) { return _shapes[index].FullWeight; }
        public Mesh WithShape(string name, float fullWeight = 100f)
        {
            _shapes.Add(new Shape { Name = name, FullWeight = fullWeight });
            return this;
        }
    }

    public class Renderer : Component { public Material sharedMaterial { get; set; } }
    public sealed class MeshRenderer : Renderer { }
    public sealed class MeshFilter : Component { public Mesh sharedMesh { get; set; } }

    public sealed class SkinnedMeshRenderer : Renderer
    {
        private readonly float[] _weights = new float[256];
        public Mesh sharedMesh { get; set; }
        public int SetWeightCalls { get; private set; }
        public float GetBlendShapeWeight(int index) { return _weights[index]; }
        public void SetBlendShapeWeight(int index, float weight)
        {
            SetWeightCalls++;
            _weights[index] = weight;
        }
    }
}

namespace UnityEngine.Rendering
{
    public enum IndexFormat { UInt16, UInt32 }
}
