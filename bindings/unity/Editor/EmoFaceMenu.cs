using UnityEditor;
using UnityEngine;
using UnityEngine.Rendering;

namespace EmoFace.Editor
{
    /// <summary>GameObject > EmoFace: a talking face in one click.</summary>
    public static class EmoFaceMenu
    {
        /// <summary>The model that the assembled package carries.</summary>
        public const string DefaultModel = "Packages/org.emoface.sdk/Models/default.bytes";

        /// <summary>Make a face that speaks what its AudioSource plays, with the default model.</summary>
        [MenuItem("GameObject/EmoFace/Talking Face", false, 10)]
        public static void TalkingFace(MenuCommand command)
        {
            var made = new GameObject("Talking Face", typeof(AudioSource), typeof(MeshFilter), typeof(MeshRenderer));
            GameObjectUtility.SetParentAndAlign(made, command.context as GameObject);
            // The built-in pipeline's material is magenta in URP and HDRP, which have their own.
            var pipeline = GraphicsSettings.currentRenderPipeline;
            made.GetComponent<MeshRenderer>().sharedMaterial = pipeline != null
                ? pipeline.defaultMaterial
                : AssetDatabase.GetBuiltinExtraResource<Material>("Default-Diffuse.mat");
            Complete(made, "face", made.GetComponent<MeshFilter>());
            Undo.RegisterCreatedObjectUndo(made, "Create Talking Face");
            Selection.activeObject = made;
        }

        /// <summary>Make the selected character speak: finds the renderer with the most blendshapes below it.</summary>
        [MenuItem("GameObject/EmoFace/Make Selected Character Talk", false, 11)]
        public static void MakeSelectedTalk()
        {
            var chosen = Selection.activeGameObject;
            SkinnedMeshRenderer head = null;
            if (chosen != null)
                foreach (var candidate in chosen.GetComponentsInChildren<SkinnedMeshRenderer>())
                    if (candidate.sharedMesh != null && candidate.sharedMesh.blendShapeCount > 0 &&
                        (head == null || candidate.sharedMesh.blendShapeCount > head.sharedMesh.blendShapeCount))
                        head = candidate;
            if (head == null)
            {
                EditorUtility.DisplayDialog("EmoFace", "Select a character in the Hierarchy that has a SkinnedMeshRenderer with " +
                                                       "blendshapes (ARKit names such as jawOpen).", "OK");
                return;
            }
            if (chosen.GetComponent<AudioSource>() == null) Undo.AddComponent<AudioSource>(chosen);
            Complete(chosen, "character", head);
        }

        private static void Complete(GameObject on, string field, Object shown)
        {
            var animator = on.GetComponent<EmoFaceAnimator>();
            if (animator == null) animator = Undo.AddComponent<EmoFaceAnimator>(on);
            var fields = new SerializedObject(animator);
            fields.FindProperty("package").objectReferenceValue = AssetDatabase.LoadAssetAtPath<TextAsset>(DefaultModel);
            fields.FindProperty(field).objectReferenceValue = shown;
            fields.ApplyModifiedProperties();
        }
    }
}
