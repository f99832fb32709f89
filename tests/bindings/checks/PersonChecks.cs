using System.Collections.Generic;
using System.IO;
using System.Text;
using EmoFace;
using EmoFace.Editor;
using UnityEditor;
using UnityEngine;

/// <summary>Persons: names, and person files, which belong to one model.</summary>
internal static class PersonChecks
{
    /// <summary>Arguments: package, audio (raw float32, 16 kHz), person file, file for the vertices, package without
    /// persons.</summary>
    public static void Persons(string[] arguments)
    {
        var json = File.ReadAllBytes(arguments[2]);
        using (var package = FacePackage.Open(arguments[0]))
        {
            Expect.Equal(string.Join(" ", package.Persons), "mia noah zoë", "names of persons");
            Expect.Equal(package.ModelSha256.Length, 64, "a hash of the model");
            var vector = package.ReadPerson(json);
            Expect.Equal(vector.Length, 3, "a weight for each person");
            var options = new AnimatorOptions { Precision = "fp32", Backend = "ort-cpu", Person = "mia" };
            options.Conditions = new Dictionary<string, float[]> { { "person", vector } };
            using (var animator = new FaceAnimator(package, options))
            using (var room = new FrameBuffer(package, 256))
            {
                animator.SetPerson("zoë", 0.4);
                var audio = Expect.Floats(arguments[1]);
                var made = animator.Step(audio, 0, audio.Length, room);
                Expect.Write(arguments[3], room.Vertices, 3 * package.VertexCount * made);
                Expect.Throws<ConditionException>(() => animator.SetPerson("nobody"), "mia, noah");
                animator.SetPerson(null, 100.0);
            }
            Expect.Throws<ConditionException>(() => new FaceAnimator(package, new AnimatorOptions { Person = "anna" }), "anna");
            var other = Encoding.UTF8.GetBytes(Encoding.UTF8.GetString(json).Replace(package.ModelSha256, new string('0', 64)));
            Expect.Throws<ConditionException>(() => package.ReadPerson(other), "another model");
            Expect.Throws<ConditionException>(() => package.ReadPerson(json, "style"), "no style of the package");
            Expect.Throws<ConditionException>(() => package.ReadPerson(json, "emotion"), "style or person");
            Expect.Throws<ConditionException>(() => package.ReadPerson(new byte[0]), "JSON");
        }
        using (var package = FacePackage.Open(arguments[4]))
        {
            Expect.True(package.Persons.Count == 0 && package.ModelSha256.Length == 0, "no persons, no model");
            Expect.Throws<ConditionException>(() => package.ReadPerson(json, "style"), "model_sha256");
        }
    }

    /// <summary>Arguments: package.</summary>
    public static void PersonOfTheComponent(string[] arguments)
    {
        using (var stage = new Stage(arguments[0], animator => animator.Person = "mia"))
        {
            Expect.True(stage.Animator.Problem == null, "a person of the package");
            stage.Animator.Person = "nobody";
            stage.Picture();
            Expect.True(Debug.Errors.Count == 1 && Debug.Errors[0].Contains("nobody"), "an unknown person is told");
            Expect.Equal(stage.Animator.Person, "mia", "and the one before stays");
            var inspector = new EmoFaceAnimatorEditor
            {
                target = stage.Animator,
                serializedObject = new SerializedObject(stage.Animator),
            };
            inspector.OnInspectorGUI();
            Expect.Equal(string.Join(" ", EditorGUILayout.Popups["Person"]), "(the package's own) mia noah zoë", "a menu");
            EditorGUILayout.Choose["Person"] = 3;
            inspector.OnInspectorGUI();
            Expect.Equal(stage.Animator.Person, "zoë", "a chosen person");
            stage.Picture();
            Expect.Equal(Debug.Errors.Count, 1, "which the voice takes");
        }
        using (var stage = new Stage(arguments[0], animator => animator.Person = "nobody"))
            Expect.True(stage.Animator.Problem is ConditionException, "an unknown person from the beginning");
    }
}
