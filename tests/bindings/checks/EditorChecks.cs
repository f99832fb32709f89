using System;
using System.IO;
using EmoFace;
using EmoFace.Editor;
using EmoFace.Samples;
using UnityEditor;
using UnityEngine;
using UnityEngine.Rendering;

/// <summary>Inspector, menu and sample against stand-ins. First argument: a package with blendshapes.</summary>
internal static class EditorChecks
{
    public static void Inspector(string[] arguments)
    {
        using (var stage = new Stage(arguments[0]))
        {
            var inspector = new EmoFaceAnimatorEditor
            {
                target = stage.Animator,
                serializedObject = new SerializedObject(stage.Animator),
            };
            inspector.OnInspectorGUI();
            Expect.True(EditorGUILayout.Popups["Emotion"].Length == stage.Animator.Loaded.Emotions.Count, "emotions");
            Expect.Equal(EditorGUILayout.Popups["Style"][0], "(mean of all)", "the first style");
            Expect.True(EditorGUILayout.Drawn.Contains("strength"), "fields are drawn");
            Expect.True(EditorGUILayout.Drawn.Exists(text => text.Contains("latency")), "figures while playing");
            EditorGUILayout.Choose["Style"] = 2;
            EditorGUILayout.Choose["Emotion"] = 0;
            inspector.OnInspectorGUI();
            Expect.Equal(stage.Animator.Style, stage.Animator.Loaded.Styles[1], "a chosen style");
            Expect.Equal(stage.Animator.Emotion, stage.Animator.Loaded.Emotions[0], "a chosen emotion");
            EditorGUILayout.Choose["Style"] = 0;
            inspector.OnInspectorGUI();
            Expect.Equal(stage.Animator.Style, "", "the mean of the styles");
            EditorGUILayout.Drawn.Clear();
            stage.Set("package", null);
            stage.Set("packagePath", "missing.emoface");
            stage.Set("face", null);
            inspector.OnInspectorGUI();
            Expect.True(EditorGUILayout.Drawn.Exists(text => text.StartsWith("Error: ") && text.Contains("missing.emoface")),
                        "a missing package is said");
            Expect.True(EditorGUILayout.Drawn.Exists(text => text.StartsWith("Info: Drag")), "what to do is said");
        }
    }

    public static void Menu(string[] arguments)
    {
        AssetDatabase.Assets[EmoFaceMenu.DefaultModel] = new TextAsset(File.ReadAllBytes(arguments[0]));
        EmoFaceMenu.TalkingFace(new MenuCommand());
        var made = Selection.activeGameObject;
        var animator = made.GetComponent<EmoFaceAnimator>();
        made.SetActive(false);
        animator.enabled = true;
        made.SetActive(true);
        Expect.True(animator.Problem == null && animator.Stream != null, "it talks: " + animator.Problem);
        Expect.True(made.GetComponent<MeshRenderer>().sharedMaterial != null, "a material");
        made.SetActive(false);
        GraphicsSettings.currentRenderPipeline = new RenderPipelineAsset();
        EmoFaceMenu.TalkingFace(new MenuCommand());
        Expect.True(Selection.activeGameObject.GetComponent<MeshRenderer>().sharedMaterial ==
                    GraphicsSettings.currentRenderPipeline.defaultMaterial, "the pipeline's own material");
        Selection.activeGameObject.SetActive(false);
        GraphicsSettings.currentRenderPipeline = null;

        Selection.activeObject = null;
        EmoFaceMenu.MakeSelectedTalk();
        Expect.True(EditorUtility.Shown.Contains("SkinnedMeshRenderer"), "nothing is selected: what to do is said");
        var character = new GameObject("character", typeof(SkinnedMeshRenderer));
        character.GetComponent<SkinnedMeshRenderer>().sharedMesh = new Mesh().WithShape("jawOpen");
        Selection.activeObject = character;
        EmoFaceMenu.MakeSelectedTalk();
        var talks = character.GetComponent<EmoFaceAnimator>();
        Expect.True(talks.Character == character.GetComponent<SkinnedMeshRenderer>(), "the head is found");
        Expect.True(character.GetComponent<AudioSource>() != null, "a source of sound");
        character.SetActive(false);
    }

    public static void Sample(string[] arguments)
    {
        using (var stage = new Stage(arguments[0], animator => animator.Input = AudioInput.Clip))
        {
            var clips = stage.Object.AddComponent<SpeakClips>();
            var field = typeof(SpeakClips).GetField("clips", (System.Reflection.BindingFlags)36);
            field.SetValue(clips, new[] { new AudioClip(Voice.Tone(8000), 1, 16000) });
            var keys = stage.Object.AddComponent<EmotionKeys>();
            foreach (var script in new MonoBehaviour[] { clips, keys }) stage.Object.Send(script, "Start");
            stage.Object.Send(clips, "Update");
            Expect.True(stage.Animator.IsSpeaking, "the first clip is spoken");
            Input.Down = KeyCode.Alpha1 + 2;
            stage.Object.Send(keys, "Update");
            Expect.Equal(stage.Animator.Emotion, stage.Animator.Loaded.Emotions[2], "key 3");
            Input.Down = KeyCode.Alpha0;
            stage.Object.Send(keys, "Update");
            Expect.Equal(stage.Animator.Emotion, "auto", "key 0");
        }
        using (var stage = new Stage(arguments[0]))
        {
            var microphone = stage.Object.AddComponent<SpeakMicrophone>();
            stage.Object.Send(microphone, "Start");
            stage.Object.Send(microphone, "Update");
            Expect.True(stage.Source.isPlaying && stage.Source.loop, "the microphone is played");
            Microphone.devices = new string[0];
            stage.Object.Send(stage.Object.AddComponent<SpeakMicrophone>(), "Start");
            Expect.True(Debug.Errors.Count == 1 && Debug.Errors[0].Contains("microphone"), "no microphone is said");
        }
    }

    /// <summary>examples/unity: two faces speak in turns.</summary>
    public static void ExampleDialogue(string[] arguments)
    {
        using (var first = new Stage(arguments[0], animator => animator.Input = AudioInput.Clip))
        using (var second = new Stage(arguments[0], animator => animator.Input = AudioInput.Clip))
        {
            var dialogue = first.Object.AddComponent<Dialogue>();
            var clip = new AudioClip(Voice.Tone(8000), 1, 16000);
            typeof(Dialogue).GetField("lines", (System.Reflection.BindingFlags)36).SetValue(dialogue, new[]
            {
                new Dialogue.Line { speaker = first.Animator, clip = clip, emotion = "happy" },
                new Dialogue.Line { speaker = second.Animator, clip = clip },
            });
            first.Object.Send(dialogue, "Update");
            first.Object.Send(dialogue, "Update");
            Expect.True(first.Animator.IsSpeaking && !second.Animator.IsSpeaking, "one speaks, the other waits");
            Expect.Equal(first.Animator.Emotion, "happy", "emotion of the line");
            for (var picture = 0; picture < 120; picture++)
            {
                Voice.Settle(first.Animator.Stream);
                first.Picture();
                first.Advance(1.0 / 60);
            }
            first.Object.Send(dialogue, "Update");
            Expect.True(!first.Animator.IsSpeaking && second.Animator.IsSpeaking, "then the other");
            Expect.True(!dialogue.Finished, "not finished while it speaks");
            second.Animator.StopSpeaking();
            Expect.True(dialogue.Finished, "finished");
        }
    }
}
