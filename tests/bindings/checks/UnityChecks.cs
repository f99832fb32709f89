using System;
using System.Collections.Generic;
using System.IO;
using EmoFace;
using UnityEngine;

/// <summary>The MonoBehaviour against a stand-in for the engine and the real library. First argument: a package with the
/// blendshapes jawOpen, mouthSmileLeft, mouthSmileRight.</summary>
internal static class UnityChecks
{
    private const int Buffer = 1024;

    /// <summary>Sound of an AudioSource, delayed: the mesh shows the right frame at the right time, mirrored.</summary>
    public static void FilterDrivesMesh(string[] arguments)
    {
        AudioSettings.outputSampleRate = 48000;
        using (var stage = new Stage(arguments[0]))
        using (var package = FacePackage.Open(arguments[0]))
        {
            Expect.Equal(string.Join("; ", Debug.Errors), "", "errors");
            var animator = stage.Animator;
            var mesh = stage.Filter.sharedMesh;
            OutwardTriangles(mesh, package);
            Expect.Equal(animator.FaceLag, 0.0, "the face does not lag");
            var output = 2.5 * Buffer / 48000;
            Expect.Near(animator.AudioDelay, animator.Stream.LatencySeconds + 0.03 - output, 1e-9, "delay of the sound");
            stage.Picture();
            Expect.Equal(mesh.SetVerticesCalls, 0, "nothing to show before the first sound");

            var mono = Voice.Tone(40 * Buffer, 48000);
            var expected = Voice.Frames(package, new AnimatorOptions { SampleRate = 48000 }, mono, 4800);
            var begin = AudioSettings.dspTime;
            var delay = (int)Math.Round(animator.AudioDelay * 48000);
            var stereo = new float[2 * Buffer];
            var compared = 0;
            for (var buffer = 0; buffer < 40; buffer++)
            {
                for (var index = 0; index < Buffer; index++)
                {
                    stereo[2 * index] = 0.5f * mono[buffer * Buffer + index];
                    stereo[2 * index + 1] = 1.5f * mono[buffer * Buffer + index];
                }
                stage.Sound(stereo, 2);
                for (var index = 0; index < Buffer; index++)
                {
                    var from = buffer * Buffer + index - delay;
                    Expect.Near(stereo[2 * index], from < 0 ? 0.0 : 0.5 * mono[from], 1e-7, "left, delayed");
                    Expect.Near(stereo[2 * index + 1], from < 0 ? 0.0 : 1.5 * mono[from], 1e-7, "right, delayed");
                }
                Voice.Settle(animator.Stream);
                var calls = mesh.SetVerticesCalls;
                stage.Picture();
                Expect.Equal(mesh.SetVerticesCalls, calls + 1, "the mesh is set once per picture");
                Expect.Equal(mesh.RecalculateNormalsCalls, calls + 2, "and so are the normals");
                Expect.Near(animator.FaceTime, AudioSettings.dspTime - begin - animator.AudioDelay - output, 2e-3, "time shown");
                compared += Shown(mesh, expected, package, animator.FaceTime) ? 1 : 0;
                stage.Advance((double)Buffer / 48000);
            }
            Expect.True(compared > 20, "pictures compared: " + compared);
            Expect.Equal(animator.Stream.Statistics().Late, 0L, "late pictures");
            stage.Object.SetActive(false);
            Expect.True(stage.Filter.sharedMesh == null, "the mesh that was there before");
            Expect.True(mesh == null, "the component's mesh is destroyed");
            Expect.True(animator.Stream == null && AudioSettings.Listeners == 0, "everything is let go");
            stage.Sound(stereo, 2);
        }
    }

    public static void LagLeavesTheSoundAlone(string[] arguments)
    {
        using (var stage = new Stage(arguments[0], animator => animator.Sync = AudioSync.AcceptLag))
        {
            var output = 2.5 * AudioSettings.BufferLength / AudioSettings.outputSampleRate;
            Expect.Equal(stage.Animator.AudioDelay, 0.0, "delay of the sound");
            Expect.Near(stage.Animator.FaceLag, stage.Animator.Stream.LatencySeconds + 0.03 - output, 1e-9, "lag");
            var data = Voice.Tone(2 * Buffer);
            var copy = (float[])data.Clone();
            stage.Sound(data, 2);
            for (var index = 0; index < data.Length; index++) Expect.True(data[index] == copy[index], "the sound is as it was");
            Expect.Equal(stage.Animator.Stream.Statistics().PushedSamples, (long)Buffer, "one channel was pushed");
        }
    }

    /// <summary>A clip: fed ahead, scheduled, no lag, back to neutral at the end, pause and resume.</summary>
    public static void ClipDrivesBlendshapes(string[] arguments)
    {
        var head = new Mesh().WithShape("unused").WithShape("Head.JawOpen").WithShape("mouthSmile_L", 1f);
        using (var stage = new Stage(arguments[0], animator => animator.Input = AudioInput.Clip, head))
        using (var package = FacePackage.Open(arguments[0]))
        {
            var animator = stage.Animator;
            Expect.Equal(string.Join("; ", Debug.Warnings), "EmoFace: the character lacks mouthSmileRight.", "warnings");
            var mono = Voice.Tone(24000, 16000);
            var stereo = new float[2 * mono.Length];
            for (var index = 0; index < mono.Length; index++) stereo[2 * index] = 2 * mono[index];
            var clip = new AudioClip(stereo, 2, 16000) { name = "hello" };
            animator.Emotion = "happy";
            animator.Speak(clip);
            Expect.True(animator.IsSpeaking && stage.Source.clip == clip, "speaking");
            Expect.Near(stage.Source.Scheduled, AudioSettings.dspTime + 0.25, 1e-9, "scheduled");
            var expected = Weights(package, mono, "happy");
            var output = 2.5 * AudioSettings.BufferLength / AudioSettings.outputSampleRate;
            var compared = 0;
            var largest = 0f;
            var paused = 0.0;
            for (var picture = 0; picture < 150; picture++)
            {
                Voice.Settle(animator.Stream);
                stage.Picture();
                var heard = AudioSettings.dspTime - stage.Source.Scheduled - output - paused;
                Expect.Near(animator.FaceTime, heard, 2e-3, "the time shown is the time heard");
                var place = animator.FaceTime * package.Fps;
                if (place >= 0 && place < expected.Count - 1)
                {
                    var before = (int)place;
                    for (var shape = 0; shape < 2; shape++)
                    {
                        var a = expected[before][shape];
                        var weight = a + (float)(place - before) * (expected[before + 1][shape] - a);
                        Expect.Near(stage.Head.GetBlendShapeWeight(shape + 1), weight * (shape == 0 ? 100f : 1f), 0.02,
                                    "weight " + shape + " at " + animator.FaceTime);
                        largest = Math.Max(largest, weight);
                    }
                    compared++;
                }
                if (picture == 30)
                {
                    animator.Pause();
                    stage.Advance(3.0);
                    stage.Picture();
                    animator.Resume();
                    Expect.Equal(stage.Source.Pauses, 1, "pauses");
                    Expect.True(stage.Source.isPlaying, "the sound goes on");
                    paused = 3.0;
                }
                stage.Advance(1.0 / 60);
            }
            Expect.True(compared > 50 && largest > 0.02f, "weights compared: " + compared + ", up to " + largest);
            Expect.True(!animator.IsSpeaking, "the clip is over");
            Expect.Near(stage.Head.GetBlendShapeWeight(1), 0.0, 0.5, "back to neutral");
            Expect.Equal(animator.Stream.Statistics().PushedSamples, 24000L, "the whole clip was fed, once");
            animator.Speak(clip);
            Expect.True(animator.IsSpeaking, "speaks again");
            animator.StopSpeaking();
            Expect.True(!stage.Source.isPlaying, "stopped");
        }
    }

    /// <summary>No byte for the collector per picture and per buffer of sound.</summary>
    public static void NoGarbagePerPicture(string[] arguments)
    {
        var data = Voice.Tone(2 * 256);
        using (var stage = new Stage(arguments[0]))
        {
            stage.Sound(data, 2);
            Voice.Settle(stage.Animator.Stream);
            Expect.Equal(Expect.Garbage(stage.Picture, 500), 0L, "garbage of a picture on a mesh");
            Expect.Equal(Expect.Garbage(() => stage.Sound(data, 2), 100), 0L, "garbage of a buffer of sound");
        }
        var head = new Mesh().WithShape("jawOpen").WithShape("mouthSmileLeft").WithShape("mouthSmileRight");
        using (var stage = new Stage(arguments[0], animator => animator.Input = AudioInput.Clip, head))
        {
            stage.Animator.Speak(new AudioClip(Voice.Tone(16000 * 30), 1, 16000));
            Expect.Equal(Expect.Garbage(() =>
            {
                stage.Advance(0.001);
                stage.Picture();
            }, 500), 0L, "garbage of a picture on blendshapes, with a clip");
            Expect.True(stage.Head.SetWeightCalls >= 3 * 500, "weights are set");
        }
    }

    /// <summary>What can be wrong is said in the console, and disables the component alone.</summary>
    public static void WrongSetups(string[] arguments)
    {
        Refused(new Stage(null), "Drag");
        Refused(new Stage(arguments[0], animator => animator.Face = null), "Character");
        Refused(new Stage(arguments[0], null, new Mesh().WithShape("wings")), "jawOpen");
        Refused(new Stage(arguments[1], null, new Mesh().WithShape("jawOpen")), "without blendshapes");
        Refused(new Stage(null, animator => animator.PackagePath = "nicht/da/größe.emoface"), "größe");
        Refused(new Stage(arguments[0], animator => animator.Emotion = "nobody"), "nobody");

        Application.streamingAssetsPath = Path.GetDirectoryName(Path.GetFullPath(arguments[0]));
        using (var stage = new Stage(null, animator => animator.PackagePath = Path.GetFileName(arguments[0])))
            Expect.True(stage.Animator.Problem == null && stage.Animator.Stream != null, "a path below StreamingAssets");

        using (var stage = new Stage(arguments[0]))
        using (var second = new Stage(arguments[0], animator => animator.Package = stage.Asset))
        {
            Expect.True(ReferenceEquals(stage.Animator.Loaded, second.Animator.Loaded), "one package for two faces");
            stage.Animator.Emotion = "nobody";
            stage.Sound(new float[64], 1);
            stage.Picture();
            Expect.Equal(stage.Animator.Emotion, "auto", "an unknown emotion leaves the one before");
            Expect.True(Debug.Errors.Count == 1 && Debug.Errors[0].Contains("nobody"), "and says so");
            stage.Animator.Emotion = "happy";
            stage.Picture();
            Expect.Equal(Debug.Errors.Count, 1, "a known one is taken");
            Expect.Throws<ModeException>(() => stage.Animator.Speak(new AudioClip(new float[16], 1, 16000)), "Clip");
            var before = stage.Animator.Stream;
            AudioSettings.outputSampleRate = 44100;
            AudioSettings.Change();
            Expect.Equal(stage.Animator.Stream.SampleRate, 44100, "another audio device");
            Expect.True(before != stage.Animator.Stream, "a new stream");
            AudioSettings.outputSampleRate = 48000;
        }
        using (var stage = new Stage(arguments[0], animator => animator.Input = AudioInput.Clip))
        {
            var streamed = new AudioClip(new float[16000], 1, 16000) { Readable = false };
            Expect.Throws<AudioFormatException>(() => stage.Animator.Speak(streamed), "Decompress On Load");
        }
    }

    /// <summary>Arguments: a package that moves the head.</summary>
    public static void HeadRefused(string[] arguments)
    {
        Refused(new Stage(arguments[0]), "moves the head as a whole");
    }

    private static void Refused(Stage stage, string why)
    {
        Expect.Equal(Debug.Errors.Count, 1, "one error");
        Expect.True(Debug.Errors[0].Contains(why), "an error that names '" + why + "', got " + Debug.Errors[0]);
        Expect.True(!stage.Animator.enabled && stage.Animator.Problem != null, "the component is disabled");
        Expect.Equal(AudioSettings.Listeners, 0, "nothing is left behind");
        stage.Picture();
        stage.Sound(new float[64], 2);
        stage.Dispose();
    }

    // Unity's front faces: the cross product points outwards.
    private static void OutwardTriangles(Mesh mesh, FacePackage package)
    {
        var vertices = mesh.vertices;
        var template = package.Template();
        for (var vertex = 0; vertex < vertices.Length; vertex++)
        {
            Expect.Equal(vertices[vertex].x, -template[3 * vertex], "x is mirrored");
            Expect.Equal(vertices[vertex].z, template[3 * vertex + 2], "z is not");
        }
        for (var corner = 0; corner < mesh.triangles.Length; corner += 3)
        {
            var a = vertices[mesh.triangles[corner]];
            var across = Vector3.Cross(vertices[mesh.triangles[corner + 1]] - a, vertices[mesh.triangles[corner + 2]] - a);
            Expect.True(Vector3.Dot(across, a) > 0, "triangles face outwards");
        }
        Expect.True(mesh.Dynamic && mesh.bounds.Expanded > 0, "a mesh that moves");
    }

    private static bool Shown(Mesh mesh, float[] expected, FacePackage package, double time)
    {
        var place = time * package.Fps;
        var size = 3 * package.VertexCount;
        if (place < 0 || place >= expected.Length / size - 1) return false;
        var before = (int)place;
        var share = (float)(place - before);
        var vertices = mesh.vertices;
        for (var vertex = 0; vertex < vertices.Length; vertex++)
        {
            var a = expected[before * size + 3 * vertex];
            var b = expected[(before + 1) * size + 3 * vertex];
            Expect.Near(vertices[vertex].x, -(a + share * (b - a)), 2e-5, "x at " + time);
        }
        return true;
    }

    private static List<float[]> Weights(FacePackage package, float[] mono, string emotion)
    {
        var options = new AnimatorOptions { SolveBlendshapes = true, Emotion = emotion };
        var all = new List<float[]>();
        using (var animator = new FaceAnimator(package, options))
        using (var room = new FrameBuffer(package, 256, Outputs.Blendshapes))
            for (var part = 0; part < 2; part++)
            {
                var count = part == 0 ? animator.Step(mono, 0, mono.Length, room) : animator.Flush(room);
                for (var frame = 0; frame < count; frame++)
                {
                    var weights = new float[package.Blendshapes.Count];
                    Array.Copy(room.Blendshapes, frame * weights.Length, weights, 0, weights.Length);
                    all.Add(weights);
                }
            }
        return all;
    }
}
