using System;
using System.Collections.Generic;
using UnityEditor;
using UnityEngine;

namespace EmoFace.Editor
{
    /// <summary>The inspector: names of the package as menus, what is missing, and figures while playing.</summary>
    [CustomEditor(typeof(EmoFaceAnimator))]
    public sealed class EmoFaceAnimatorEditor : UnityEditor.Editor
    {
        private static readonly string[] Plain = { "audioInput", "audioSync", "speakOnEnable" };
        private static readonly string[] Tuning =
        {
            "blinks", "blinkSeed", "gaze", "strength", "upperStrength", "lowerStrength", "upperSmoothing", "lowerSmoothing",
            "syncOffsetMs", "tailSeconds", "recalculateNormals",
        };

        private FacePackage _package;
        private string _loaded;
        private string _problem;

        /// <summary>While playing the figures change by themselves.</summary>
        public override bool RequiresConstantRepaint() { return Application.isPlaying; }

        public override void OnInspectorGUI()
        {
            serializedObject.Update();
            Field("package");
            if (Find("package").objectReferenceValue == null) Field("packagePath");
            Load();
            if (_problem != null) EditorGUILayout.HelpBox(_problem, MessageType.Error);
            Field("face");
            Field("character");
            if (Find("face").objectReferenceValue == null && Find("character").objectReferenceValue == null)
                EditorGUILayout.HelpBox("Drag a MeshFilter to Face to show the package's own face, or the " +
                                        "SkinnedMeshRenderer of your character's head to Character.", MessageType.Info);
            foreach (var name in Plain) Field(name);
            if (_package != null)
            {
                Choice("style", _package.Styles, "(mean of all)");
                Choice("emotion", _package.Emotions, null);
                Choice("level", _package.Levels, null);
                if (_package.Persons.Count > 0) Choice("person", _package.Persons, "(the package's own)");
            }
            foreach (var name in Tuning) Field(name);
            serializedObject.ApplyModifiedProperties();
            if (Application.isPlaying) Figures((EmoFaceAnimator)target);
        }

        private void OnDisable() { Unload(); }

        // The package is read again only when another one is chosen.
        private void Load()
        {
            var asset = Find("package").objectReferenceValue as TextAsset;
            var path = Find("packagePath").stringValue;
            var wanted = asset != null ? "asset " + asset.GetInstanceID() : "path " + path;
            if (wanted == _loaded) return;
            Unload();
            _loaded = wanted;
            try
            {
                _package = SharedPackages.Take(asset, path);
            }
            catch (EmoFaceException error)
            {
                _problem = error.Message;
            }
        }

        private void Unload()
        {
            if (_package != null) SharedPackages.Release(_package);
            _package = null;
            _loaded = null;
            _problem = null;
        }

        private void Choice(string field, IReadOnlyList<string> names, string none)
        {
            var property = Find(field);
            var shown = new List<string>(names);
            if (none != null) shown.Insert(0, none);
            var current = property.stringValue.Length == 0 && none != null ? 0 : shown.IndexOf(property.stringValue);
            var chosen = EditorGUILayout.Popup(ObjectNames.NicifyVariableName(field), current, shown.ToArray());
            if (chosen != current && chosen >= 0) property.stringValue = none != null && chosen == 0 ? "" : shown[chosen];
        }

        private static void Figures(EmoFaceAnimator animator)
        {
            if (animator.Problem != null) EditorGUILayout.HelpBox(animator.Problem.Message, MessageType.Error);
            if (animator.Stream == null) return;
            var found = animator.Stream.Statistics();
            EditorGUILayout.HelpBox(
                string.Format("{0}, {1}\nlatency {2:0} ms, sound delayed {3:0} ms, face later {4:0} ms\n" +
                              "block {5:0.0} ms, worst {6:0.0} ms\nframes {7}, late {8}, refused samples {9}",
                              animator.Stream.Backend, animator.Stream.Precision, 1e3 * animator.Stream.LatencySeconds,
                              1e3 * animator.AudioDelay, 1e3 * animator.FaceLag, 1e3 * found.MeanBlockSeconds,
                              1e3 * found.WorstBlockSeconds, found.Frames, found.Late, found.RejectedSamples),
                found.RejectedSamples > 0 ? MessageType.Warning : MessageType.Info);
        }

        private void Field(string name) { EditorGUILayout.PropertyField(Find(name)); }

        private SerializedProperty Find(string name)
        {
            var property = serializedObject.FindProperty(name);
            if (property == null) throw new InvalidOperationException("EmoFaceAnimator has no field " + name);
            return property;
        }
    }
}
