using System;
using System.Collections.Generic;
using System.IO;
using EmoFace;

/// <summary>The binding against the real library. First argument: a package with blendshapes.</summary>
internal static class BindingChecks
{
    /// <summary>Arguments: package, audio (raw float32, 16 kHz), file for the vertices, chunk, emotion, seed of noise.</summary>
    public static void Animate(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        {
            var options = new AnimatorOptions { Precision = "fp32", Emotion = arguments[4] };
            options.NoiseSeed = ulong.Parse(arguments[5]);
            var audio = Expect.Floats(arguments[1]);
            var frames = Voice.Frames(package, options, audio, int.Parse(arguments[3]));
            Expect.Write(arguments[2], frames, frames.Length);
        }
    }

    /// <summary>Arguments: package, audio (raw float32, 16 kHz), files for the head's rotations and translations.</summary>
    public static void HeadPose(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        using (var animator = new FaceAnimator(package, new AnimatorOptions { Precision = "fp32" }))
        using (var room = new FrameBuffer(package, 256, Outputs.HeadPose))
        {
            Expect.True(package.HasHeadPose, "a package that moves the head");
            Expect.True(room.Vertices == null, "nothing but what was asked for");
            var audio = Expect.Floats(arguments[1]);
            var made = animator.Step(audio, 0, audio.Length, room);
            Expect.Write(arguments[2], room.HeadRotation, 9 * made);
            Expect.Write(arguments[3], room.HeadTranslation, 3 * made);
        }
    }

    /// <summary>Arguments: a package with pivots whose model does not move the head, audio (raw float32, 16 kHz), files for
    /// vertices and the head's rotations.</summary>
    public static void GazeAndHeadSway(string[] arguments)
    {
        var options = new AnimatorOptions { Backend = "ort-cpu", BlinkSeed = 7, GazeStrength = 0.5, HeadSwaySeed = 9 };
        using (var package = FacePackage.Open(arguments[0]))
        using (var animator = new FaceAnimator(package, options))
        using (var still = new FaceAnimator(package, new AnimatorOptions { HeadSway = LayerMode.Off }))
        using (var room = new FrameBuffer(package, 256, Outputs.Vertices | Outputs.HeadPose))
        {
            Expect.True(!package.HasHeadPose && animator.HasHeadPose && !still.HasHeadPose, "a pose of the layer");
            var audio = Expect.Floats(arguments[1]);
            var made = animator.Step(audio, 0, audio.Length, room);
            Expect.Write(arguments[2], room.Vertices, 3 * package.VertexCount * made);
            Expect.Write(arguments[3], room.HeadRotation, 9 * made);
            Expect.Throws<UsageException>(() => still.Step(audio, 0, audio.Length, room), "nothing moves the head");
            Expect.Throws<UsageException>(() => new FaceAnimator(package, new AnimatorOptions { HeadSwayStrength = 3 }),
                                          "head_sway_strength = 3");
        }
    }

    /// <summary>Arguments: a package whose head does not move.</summary>
    public static void NoHeadPose(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        {
            Expect.True(!package.HasHeadPose, "a package that does not move the head");
            Expect.Throws<UsageException>(() => new FrameBuffer(package, 1, Outputs.HeadPose), "Outputs.HeadPose");
        }
    }

    /// <summary>Arguments: package, audio (raw float32, 16 kHz), file for arousal, valence and confidence, one after
    /// the other, and a package that has none.</summary>
    public static void Affect(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        using (var animator = new FaceAnimator(package, new AnimatorOptions { Precision = "fp32" }))
        using (var room = new FrameBuffer(package, 256, Outputs.Arousal | Outputs.Valence | Outputs.Confidence))
        {
            Expect.True(package.HasArousal && package.HasValence && package.HasConfidence, "all three");
            var audio = Expect.Floats(arguments[1]);
            var made = animator.Step(audio, 0, audio.Length, room);
            var all = new float[3 * made];
            Array.Copy(room.Arousal, 0, all, 0, made);
            Array.Copy(room.Valence, 0, all, made, made);
            Array.Copy(room.Confidence, 0, all, 2 * made, made);
            Expect.Write(arguments[2], all, all.Length);
        }
        using (var package = FacePackage.Open(arguments[3]))
            foreach (var output in new[] { Outputs.Arousal, Outputs.Valence, Outputs.Confidence })
                Expect.Throws<UsageException>(() => new FrameBuffer(package, 1, output), "Outputs." + output);
    }

    /// <summary>Arguments: package, audio (raw float32, 16 kHz), files for the coefficients of both branches and the shapes
    /// of the basis, and a package that has none.</summary>
    public static void Coefficients(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        using (var animator = new FaceAnimator(package, new AnimatorOptions { Precision = "fp32", SkipVertices = true }))
        using (var room = new FrameBuffer(package, 256, Outputs.Coefficients | Outputs.EmotionCoefficients))
        using (var vertices = new FrameBuffer(package, 256))
        {
            var audio = Expect.Floats(arguments[1]);
            Expect.Throws<UsageException>(() => animator.Step(audio, 0, audio.Length, vertices), "an array for vertices");
            var made = animator.Step(audio, 0, audio.Length, room);
            var count = package.Coefficients.Count;
            Expect.Write(arguments[2], room.Coefficients, count * made);
            Expect.Write(arguments[3], room.EmotionCoefficients, count * made);
            var shapes = new float[count * 3 * package.VertexCount];
            for (var shape = 0; shape < count; shape++)
                package.Basis(shape).CopyTo(shapes, shape * 3 * package.VertexCount);
            Expect.Write(arguments[4], shapes, shapes.Length);
            Expect.True(string.Join(" ", package.Coefficients) == "jaw smile größe brow", "names of the basis");
            Expect.Throws<UsageException>(() => package.Basis(count), "expected 0 to " + (count - 1));
        }
        using (var package = FacePackage.Open(arguments[5]))
        {
            Expect.True(package.Coefficients.Count == 0 && !package.HasEmotionCoefficients, "a package without a basis");
            foreach (var output in new[] { Outputs.Coefficients, Outputs.EmotionCoefficients })
                Expect.Throws<UsageException>(() => new FrameBuffer(package, 1, output), "Outputs." + output);
            Expect.Throws<PackageException>(
                () => new FaceAnimator(package, new AnimatorOptions { SkipVertices = true }), "no coefficients");
        }
    }

    /// <summary>Arguments: package, audio (raw float32, 16 kHz), file for the vertices of the identity "anna", folder with
    /// the face's arrays as raw numbers.</summary>
    public static void FaceAssets(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        {
            Expect.Equal(string.Join(" ", package.Identities), "anna round_head", "identities");
            Func<string, float[]> floats = name => Expect.Floats(Path.Combine(arguments[3], name));
            Func<string, int[]> integers = name => Expect.Integers(Path.Combine(arguments[3], name));
            Expect.Same(package.Identity("anna"), floats("identity.anna"), "an identity");
            Expect.Same(package.Pivots(), floats("pivots"), "pivots");
            Expect.Same(package.Pivots("anna"), floats("identity.anna.pivots"), "an identity's pivots");
            Expect.Same(package.Pivots("round_head"), floats("pivots"), "pivots of an identity that has none");
            Expect.Same(package.Uvs(), floats("uvs"), "texture coordinates");
            Expect.Same(package.UvFaces(), integers("uv_faces"), "their corners");
            Expect.Same(package.NormalGroups(), integers("normal_groups"), "groups");
            Expect.Equal(string.Join(" ", package.Textures), "albedo roughness", "textures");
            Expect.Same(package.Texture("albedo"), File.ReadAllBytes(Path.Combine(arguments[3], "albedo")), "a texture");
            Expect.Throws<UsageException>(() => package.Texture("skin"), "albedo, roughness");
            Expect.Throws<UsageException>(() => package.Identity("nobody"), "anna, round_head");
            Expect.Throws<UsageException>(() => package.Pivots("nobody"), "anna, round_head");
            Expect.Throws<TemplateException>(
                () => new FaceAnimator(package, new AnimatorOptions { Identity = "nobody" }), "anna, round_head");
            var options = new AnimatorOptions { Precision = "fp32", Backend = "ort-cpu", Identity = "anna" };
            var frames = Voice.Frames(package, options, Expect.Floats(arguments[1]), 777);
            Expect.Write(arguments[2], frames, frames.Length);
        }
    }

    /// <summary>Arguments: a package whose face has no assets.</summary>
    public static void NoFaceAssets(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        {
            Expect.Equal(package.Identities.Count, 0, "identities");
            Expect.True(package.Pivots() == null && package.Uvs() == null, "no pivots, no coordinates");
            Expect.True(package.UvFaces() == null && package.NormalGroups() == null, "no corners, no groups");
        }
    }

    public static void GoldenVectors(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        {
            var found = package.Verify(new AnimatorOptions { Precision = "fp32" });
            Expect.True(found.Passed && found.Frames > 0, "golden vectors pass: " + found.OffsetsError);
            Expect.True(found.OffsetsError <= 1e-4, "1e-4 of the motion range, got " + found.OffsetsError);
            Expect.True(found.Tolerance <= 1e-4, "the tolerance is no wider");
        }
    }

    public static void ControlsChangeTheMotion(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        {
            var audio = Voice.Tone(16000);
            var plain = Voice.Frames(package, null, audio, 777);
            var none = Voice.Frames(package, new AnimatorOptions { Controls = new MotionControls() }, audio, 777);
            var twice = new MotionControls { UpperStrength = 2.0, LowerStrength = 2.0, SyncOffset = 0.25 };
            var options = new AnimatorOptions { Controls = twice };
            var strong = Voice.Frames(package, options, audio, 777);
            var neutral = package.Template();
            for (var index = 0; index < plain.Length; index++)
            {
                Expect.True(none[index] == plain[index], "defaults change no bit");
                var rest = neutral[index % neutral.Length];
                Expect.Near(strong[index] - rest, 2.0 * (plain[index] - rest), 1e-6, "twice the motion");
            }
            var still = Voice.Frames(package, new AnimatorOptions { Controls = new MotionControls { SkinStrength = 0.0 } }, audio, 777);
            Expect.True(!System.Linq.Enumerable.SequenceEqual(still, plain), "skin that stays");
            using (var animator = new FaceAnimator(package, options))
            using (var told = new FaceAnimator(package, options))
            using (var room = new FrameBuffer(package, 64))
            using (var other = new FrameBuffer(package, 64))
            {
                Expect.True(animator.Step(audio, 0, 16000, room) > 0, "frames");
                Expect.Near(room.Time[0], 0.25, 1e-12, "the sync offset");
                animator.Reset();
                var happy = new EmotionKey { Time = 0.0, Emotions = new Dictionary<string, float> { { "happy", 1f } } };
                var rest = new EmotionKey { Time = 0.4 };
                var blending = new EmotionBlending { TransitionSeconds = 0.0 };
                animator.SetEmotionKeys(new[] { happy, rest }, blending);
                told.SetEmotion("happy", 0.0);
                told.SetEmotion("neutral", 0.4);
                Expect.Equal(animator.Step(audio, 0, 16000, room), told.Step(audio, 0, 16000, other), "frames of both");
                for (var index = 0; index < 20 * neutral.Length; index++)
                    Expect.True(room.Vertices[index] == other.Vertices[index], "keys are changes of the emotion");
                happy.Time = 5.0;
                rest.Time = 4.0;
                Expect.Throws<ConditionException>(() => animator.SetEmotionKeys(new[] { happy, rest }), "keys[1].time");
                happy.Emotions["nobody"] = 1f;
                Expect.Throws<ConditionException>(() => animator.SetEmotionKeys(new[] { happy }), "nobody");
                blending.Contrast = 9.0;
                Expect.Throws<UsageException>(() => animator.SetEmotionKeys(new[] { rest }, blending), "contrast = 9");
                Expect.Throws<ArgumentNullException>(() => animator.SetEmotionKeys(null), "keys");
            }
        }
    }

    public static void AnyCutGivesTheSameBits(string[] arguments)
    {
        using (var package = FacePackage.Open(File.ReadAllBytes(arguments[0])))
        {
            var audio = Voice.Tone(24000);
            var whole = Voice.Frames(package, null, audio, audio.Length);
            Expect.Equal(whole.Length, 24000 * package.Fps / Voice.Rate * 3 * package.VertexCount, "frames");
            foreach (var chunk in new[] { 160, 777, 4001 })
            {
                var cut = Voice.Frames(package, null, audio, chunk);
                Expect.Equal(cut.Length, whole.Length, "frames");
                for (var index = 0; index < cut.Length; index++)
                    Expect.True(cut[index] == whole[index], "the same bits at " + index);
            }
            var shorts = new short[audio.Length];
            for (var index = 0; index < audio.Length; index++) shorts[index] = (short)Math.Round(audio[index] * 32768);
            using (var animator = new FaceAnimator(package, new AnimatorOptions { SampleFormat = SampleFormat.Int16 }))
            using (var room = new FrameBuffer(package, 64, Outputs.Vertices | Outputs.Emotion))
            {
                var count = animator.Step(shorts, 0, 16000, room);
                Expect.True(count > 0, "frames of 16-bit samples");
                for (var index = 0; index < count * 3 * package.VertexCount; index++)
                    Expect.Near(room.Vertices[index], whole[index], 0.02 * package.MotionRange, "16-bit samples");
                var sum = 0.0;
                for (var index = 0; index < package.EmotionCount; index++) sum += room.Emotion[index];
                Expect.Near(sum, 1.0, 1e-4, "emotion probabilities");
                Expect.Near(room.Time[1] - room.Time[0], 1.0 / package.Fps, 1e-9, "time between frames");
            }
        }
    }

    public static void SnapshotGoesOn(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        using (var room = new FrameBuffer(package, 64))
        using (var first = new FaceAnimator(package))
        using (var second = new FaceAnimator(package))
        {
            var audio = Voice.Tone(32000);
            first.Step(audio, 0, 16001, room);
            second.Restore(first.Snapshot());
            Expect.Equal(second.SamplesFed, 16001L, "samples fed");
            var expected = new float[room.Vertices.Length];
            var count = first.Step(audio, 16001, 15999, room);
            room.Vertices.CopyTo(expected, 0);
            Expect.Equal(second.Step(audio, 16001, 15999, room), count, "frames");
            for (var index = 0; index < count * 3 * package.VertexCount; index++)
                Expect.True(room.Vertices[index] == expected[index], "the same bits");
            Expect.Throws<SnapshotException>(() => second.Restore(new byte[0]), "snapshot");
            Expect.Throws<SnapshotException>(() => second.Restore(new byte[100]), "snapshot");
        }
    }

    public static void FaceAndNames(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        {
            Expect.Equal(package.Axes, "+Y up, +Z front", "axes");
            Expect.Equal(package.Emotions[package.Emotions.Count - 1], "auto", "the last emotion");
            Expect.Equal(string.Join(" ", package.Blendshapes), "jawOpen mouthSmileLeft mouthSmileRight", "blendshapes");
            Expect.Equal(package.Template().Length, 3 * package.VertexCount, "template");
            Expect.Equal(package.Faces().Length, 3 * package.TriangleCount, "faces");
            Expect.True(package.Mask("lips").Length > 0, "lips");
            Expect.Equal(package.Blendshape(0).Length, 3 * package.VertexCount, "a blendshape");
            Expect.True(package.Manifest.Contains(package.FacesSha256), "the manifest");
            Expect.Equal(package.Digest.Length, 64, "digest");
            Expect.Throws<UsageException>(() => package.Mask("wings"), "lips");
            Expect.Throws<UsageException>(() => package.Blendshape(99), "99");
            Expect.Equal(Library.Version, arguments[1], "version of the library");
            Expect.True(Library.OnnxRuntimeVersion == "" || Library.OnnxRuntimePath != "", "ONNX Runtime");
        }
    }

    public static void SolverFindsWeights(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        using (var solver = new BlendshapeSolver(package))
        {
            var offsets = package.Blendshape(1);
            for (var index = 0; index < offsets.Length; index++) offsets[index] *= 0.5f;
            var weights = new float[solver.Count];
            for (var frame = 0; frame < 60; frame++) solver.Solve(offsets, weights);
            Expect.Near(weights[1], 0.5, 0.1, "the weight");
            Expect.Near(weights[0], 0.0, 0.05, "another weight");
            Expect.Equal(Expect.Garbage(() => solver.Solve(offsets, weights), 200), 0L, "garbage of the solver");
            Expect.Throws<UsageException>(() => solver.Solve(new float[3], weights), "offsets");
            Expect.Throws<UsageException>(() => new BlendshapeSolver(package, new float[5]), "deltas");
            solver.Reset();
        }
    }

    /// <summary>Arguments: package, a path with characters beyond ASCII where nothing is, and one where a package is.</summary>
    public static void BadInput(string[] arguments)
    {
        Expect.Throws<PackageNotFoundException>(() => FacePackage.Open(arguments[1]), Path.GetFileName(arguments[1]));
        FacePackage.Open(arguments[2]).Dispose();
        Expect.Throws<ArgumentNullException>(() => FacePackage.Open((string)null), "path");
        Expect.Throws<UsageException>(() => FacePackage.Open("a\0b"), "zero");
        Expect.Throws<UsageException>(() => FacePackage.Open("a\ud800b"), "surrogate");
        foreach (var bytes in new[] { new byte[0], new byte[1000] })
            Expect.True(Expect.Throws<PackageIntegrityException>(() => FacePackage.Open(bytes), "").Message.Length > 20,
                        "a corrupt package says why");
        var whole = File.ReadAllBytes(arguments[0]);
        var half = new byte[whole.Length / 2];
        Array.Copy(whole, half, half.Length);
        Expect.Throws<PackageIntegrityException>(() => FacePackage.Open(half), "");

        var package = FacePackage.Open(arguments[0]);
        Expect.Throws<ConditionException>(() => Make(package, o => o.Style = "nobody"), "nobody");
        Expect.Throws<ConditionException>(() => Make(package, o => o.Emotion = "fröhlich"), "fröhlich");
        Expect.Throws<PackageException>(() => Make(package, o => o.Precision = "fp8"), "fp8");
        Expect.Throws<BackendException>(() => Make(package, o => o.Backend = "abacus"), "abacus");
        Expect.Throws<AudioFormatException>(() => Make(package, o => o.SampleRate = 100), "100");
        Expect.Throws<AudioFormatException>(() => Make(package, o => o.Channels = 65), "65");
        Expect.Throws<TemplateException>(() => Make(package, o => o.Template = new float[9]), "");
        Expect.Throws<TemplateException>(() => Make(package, o => o.Template = new float[2]), "2");
        Expect.Throws<UsageException>(
            () => Make(package, o => o.Controls = new MotionControls { LowerSmoothing = 1.5 }), "lower_smoothing");
        Expect.Throws<ConditionException>(
            () => Make(package, o => o.Conditions = new Dictionary<string, float[]> { { "style", new float[99] } }), "style");
        Expect.Throws<UsageException>(() => new FrameBuffer(package, 0), "capacity");

        var animator = new FaceAnimator(package);
        var room = new FrameBuffer(package, 4);
        var audio = Voice.Tone(16000);
        var needed = animator.StepFrames(16000);
        var small = Expect.Throws<BufferTooSmallException>(() => animator.Step(audio, 0, 16000, room), "4");
        Expect.Equal(small.Needed, (long)needed, "what is needed");
        Expect.Equal(animator.SamplesFed, 0L, "nothing was consumed");
        Expect.Throws<UsageException>(() => animator.Step(audio, 8000, 16000, room), "8000");
        Expect.Throws<UsageException>(() => animator.Step((float[])null, 0, 1, room), "0");
        Expect.Throws<AudioFormatException>(() => animator.Step(new short[1], 0, 1, room), "Int16");
        Expect.Throws<AudioException>(() => animator.Step(new[] { float.NaN }, 0, 1, room), "nan");
        Expect.Throws<ConditionException>(() => animator.SetEmotion("nobody"), "nobody");
        Expect.Throws<ConditionException>(() => animator.SetCondition("style", new float[99]), "99");
        Expect.Throws<ModeException>(() => animator.Sample(0.0, room), "");
        Expect.Equal(animator.Push(audio, 0, 10), Status.Mode, "push before Start");
        Expect.Throws<ArgumentNullException>(() => animator.Step(audio, 0, 1, null), "frames");
        animator.SetEmotion("happy", 0.0);
        animator.Step(audio, 0, 1600, room);
        using (var large = new FrameBuffer(package, 64))
        {
            animator.Flush(large);
            Expect.Throws<StreamEndedException>(() => animator.Step(audio, 0, 10, large), "");
            animator.Reset();
            animator.Step(audio, 0, 16000, large);
            Expect.Throws<ConditionException>(() => animator.SetEmotion("happy", 0.0), "");
        }
        room.Dispose();
        Expect.Throws<ObjectDisposedException>(() => animator.Step(audio, 0, 10, room), "FrameBuffer");
        package.Dispose();
        Expect.Throws<ObjectDisposedException>(() => new FaceAnimator(package), "");
        Expect.Equal(animator.StepFrames(0), 0, "an animator goes on without its package's handle");
        animator.Dispose();
        animator.Dispose();
        Expect.Throws<ObjectDisposedException>(() => animator.StepFrames(10), "");
        Expect.Equal(animator.Push(audio, 0, 10), Status.Mode, "push after Dispose");
    }

    /// <summary>Without the library on the search path.</summary>
    public static void LibraryAbsent()
    {
        Expect.Throws<NativeLibraryException>(() => FacePackage.Open("x.emoface"), "emoface");
    }

    private static void Make(FacePackage package, Action<AnimatorOptions> change)
    {
        var options = new AnimatorOptions();
        change(options);
        new FaceAnimator(package, options).Dispose();
    }
}
