using System.Collections.Generic;
using UnityEngine;

namespace EmoFace
{
    /// <summary>Shows frames on a character of your own: sets the blendshapes that have the names of the package's.</summary>
    internal sealed class BlendshapeTarget : IFaceTarget
    {
        private readonly SkinnedMeshRenderer _renderer;
        private readonly BlendshapeMap _map;
        private readonly float[] _full;
        private readonly float[] _before;

        /// <exception cref="EmoFaceException">The package has no blendshapes, or the character none of their
        /// names.</exception>
        internal BlendshapeTarget(FacePackage package, SkinnedMeshRenderer renderer)
        {
            if (package.Blendshapes.Count == 0)
                throw new PackageException(Status.Package, "got package '" + package.Name + "' without blendshapes; " +
                                                           "expected one with them to drive a SkinnedMeshRenderer. Take " +
                                                           "another package, or show its own face on a MeshFilter.");
            var mesh = renderer.sharedMesh;
            var names = new List<string>();
            for (var index = 0; mesh != null && index < mesh.blendShapeCount; index++)
                names.Add(mesh.GetBlendShapeName(index));
            _renderer = renderer;
            _map = new BlendshapeMap(package.Blendshapes, names);
            if (_map.Missing.Count == _map.Count)
                throw new UsageException("got a character with " + names.Count + " blendshapes, none of a name that the " +
                                         "package has; expected for example '" + package.Blendshapes[0] + "'. Take the " +
                                         "renderer of the head, or rename its blendshapes.");
            if (_map.Missing.Count > 0)
                Debug.LogWarning("EmoFace: the character lacks " + string.Join(", ", _map.Missing) + ".", renderer);
            _full = new float[_map.Count];
            _before = new float[_map.Count];
            for (var shape = 0; shape < _map.Count; shape++)
            {
                var target = _map[shape];
                if (target < 0) continue;
                // 100 in most files, 1 in some: the weight at which the shape is whole
                _full[shape] = mesh.GetBlendShapeFrameWeight(target, mesh.GetBlendShapeFrameCount(target) - 1);
                _before[shape] = renderer.GetBlendShapeWeight(target);
            }
        }

        public Outputs Needs => Outputs.Blendshapes;

        public void Show(FrameBuffer frame, float strength)
        {
            for (var shape = 0; shape < _full.Length; shape++)
                if (_map[shape] >= 0)
                    _renderer.SetBlendShapeWeight(_map[shape],
                                                  Mathf.Clamp01(strength * frame.Blendshapes[shape]) * _full[shape]);
        }

        public void Dispose()
        {
            if (_renderer == null) return;
            for (var shape = 0; shape < _full.Length; shape++)
                if (_map[shape] >= 0)
                    _renderer.SetBlendShapeWeight(_map[shape], _before[shape]);
        }
    }
}
