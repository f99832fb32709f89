using UnityEngine;
using UnityEngine.Rendering;

namespace EmoFace
{
    /// <summary>Shows the package's own face: a Mesh of its topology, in Unity's axes and metres, whose vertices are set
    /// for every picture.</summary>
    internal sealed class MeshTarget : IFaceTarget
    {
        private readonly MeshFilter _filter;
        private readonly Mesh _before;
        private readonly Mesh _mesh;
        private readonly bool _normals;
        private readonly float[] _neutral;
        private readonly float[] _moved;
        private readonly Vector3[] _vertices;
        private readonly Axes _axes;

        internal MeshTarget(FacePackage package, MeshFilter filter, bool recalculateNormals)
        {
            _filter = filter;
            _normals = recalculateNormals;
            _axes = new Axes(package.Axes, package.UnitInMetres);
            _neutral = new float[3 * package.VertexCount];
            _moved = new float[3 * package.VertexCount];
            _vertices = new Vector3[package.VertexCount];
            _axes.Convert(package.Template(), 0, _neutral, package.VertexCount);
            var colours = package.Colours();
            var albedo = new Color[package.VertexCount];
            for (var vertex = 0; vertex < albedo.Length; vertex++)
            {
                _vertices[vertex] = new Vector3(_neutral[3 * vertex], _neutral[3 * vertex + 1], _neutral[3 * vertex + 2]);
                albedo[vertex] = new Color(colours[3 * vertex], colours[3 * vertex + 1], colours[3 * vertex + 2], 1f);
            }
            var triangles = package.Faces();
            Axes.FlipWinding(triangles);
            _mesh = new Mesh { name = "EmoFace " + package.Name };
            _mesh.MarkDynamic();
            if (package.VertexCount > 65535) _mesh.indexFormat = IndexFormat.UInt32;
            _mesh.vertices = _vertices;
            _mesh.triangles = triangles;
            _mesh.colors = albedo;
            _mesh.RecalculateNormals();
            _mesh.RecalculateBounds();
            // Room for what the face can do, so that it need not be computed again for every picture
            var bounds = _mesh.bounds;
            bounds.Expand(4f * (float)package.MotionRange);
            _mesh.bounds = bounds;
            _before = filter.sharedMesh;
            filter.sharedMesh = _mesh;
        }

        public Outputs Needs => Outputs.Vertices;

        public void Show(FrameBuffer frame, float strength)
        {
            _axes.Convert(frame.Vertices, 0, _moved, _vertices.Length);
            for (var vertex = 0; vertex < _vertices.Length; vertex++)
            {
                var at = 3 * vertex;
                _vertices[vertex].x = _neutral[at] + strength * (_moved[at] - _neutral[at]);
                _vertices[vertex].y = _neutral[at + 1] + strength * (_moved[at + 1] - _neutral[at + 1]);
                _vertices[vertex].z = _neutral[at + 2] + strength * (_moved[at + 2] - _neutral[at + 2]);
            }
            _mesh.SetVertices(_vertices);
            if (_normals) _mesh.RecalculateNormals();
        }

        public void Dispose()
        {
            if (_filter != null) _filter.sharedMesh = _before;
            Object.Destroy(_mesh);
        }
    }
}
