using System;
using System.Collections.Generic;
using EmoFace;
using UnityEngine;

/// <summary>Calibration and blinks of the binding against the real library. First argument: a package.</summary>
internal static class CalibrationChecks
{
    public static void CalibrationChangesTheVoice(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        {
            var audio = Voice.Tone(16000);
            var speech = Voice.Tone(48000);
            var plain = Voice.Frames(package, null, audio, 777);
            using (var animator = new FaceAnimator(package))
            using (var room = new FrameBuffer(package, 64))
            {
                var found = animator.Calibrate(speech);
                Expect.Equal(found.Package, package.Digest, "the package");
                Expect.True(found.Seconds >= 2.0 && found.Seconds <= 3.0, "seconds of speech, got " + found.Seconds);
                var count = animator.Step(audio, 0, audio.Length, room);
                var size = count * 3 * package.VertexCount;
                Expect.True(Differs(room.Vertices, plain, size), "calibrated frames differ");
                var given = Voice.Frames(package, new AnimatorOptions { Calibration = found }, audio, 777);
                Expect.True(!Differs(room.Vertices, given, size), "given when made: the same bits");
                var condition = new Dictionary<string, float[]> { { "speaker_mean", found.SpeakerMean } };
                var conditions = Voice.Frames(package, new AnimatorOptions { Conditions = condition }, audio, 777);
                Expect.True(!Differs(given, conditions, size), "as a condition: the same bits");
                animator.Reset();
                animator.SetCalibration(found);
                animator.SetCalibration(null);
                animator.Step(audio, 0, audio.Length, room);
                Expect.True(!Differs(room.Vertices, plain, size), "taken back: the same bits");
                Expect.Throws<AudioException>(() => animator.Calibrate(new float[48000]), "of audible speech");
                Expect.Throws<AudioException>(() => animator.Calibrate(new float[0]), "of audible speech");
                Expect.Throws<AudioFormatException>(() => animator.Calibrate(speech, 100), "sample_rate = 100");
                Expect.Throws<ArgumentNullException>(() => animator.Calibrate(null), "speech");
                var other = new VoiceCalibration(found.SpeakerMean, 3.0, "another");
                Expect.Throws<ConditionException>(() => animator.SetCalibration(other), "another");
                Expect.Throws<ConditionException>(
                    () => new FaceAnimator(package, new AnimatorOptions { Calibration = other }), "another");
            }
        }
    }

    public static void BlinksThatTheFaceCannotDo(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        {
            var audio = Voice.Tone(16000);
            var plain = Voice.Frames(package, null, audio, 777);
            var off = Voice.Frames(package, new AnimatorOptions { Blinks = LayerMode.Off, BlinkSeed = 7 }, audio, 777);
            Expect.True(!Differs(plain, off, plain.Length), "automatic is off for this face");
            Expect.Throws<PackageException>(() => new FaceAnimator(package, new AnimatorOptions { Blinks = LayerMode.On }),
                                            "eyeBlinkLeft");
            Expect.Throws<UsageException>(() => new FaceAnimator(package, new AnimatorOptions { BlinkRate = 99 }),
                                          "blink_rate = 99");
        }
    }

    /// <summary>The component learns a voice from a clip of any channels, keeps it for coming streams, and forgets it.</summary>
    public static void ComponentKeepsTheVoice(string[] arguments)
    {
        using (var stage = new Stage(arguments[0]))
        {
            var animator = stage.Animator;
            var mono = Voice.Tone(48000);
            var stereo = new float[2 * mono.Length];
            for (var index = 0; index < mono.Length; index++) stereo[2 * index] = 2 * mono[index];
            animator.Calibrate(new AudioClip(stereo, 2, 16000) { name = "calm" });
            var found = animator.Calibration;
            using (var package = FacePackage.Open(arguments[0]))
            using (var other = new FaceAnimator(package))
                Expect.True(!Differs(other.Calibrate(mono).SpeakerMean, found.SpeakerMean, found.SpeakerMean.Length), "mono");
            animator.Blinks = false;
            animator.BlinkSeed = 3;
            stage.Object.SetActive(false);
            Expect.Throws<ModeException>(() => animator.Calibrate(null), "without a stream");
            stage.Object.SetActive(true);
            Expect.True(animator.Calibration == found && animator.Problem == null, "the voice is kept");
            Expect.Throws<AudioException>(() => animator.Calibrate(new AudioClip(new float[64000], 1, 16000)), "audible");
            var closed = new AudioClip(mono, 1, 16000) { name = "closed", Readable = false };
            Expect.Throws<AudioFormatException>(() => animator.Calibrate(closed), "closed");
            Expect.True(animator.Calibration == found, "a refused clip changes nothing");
            animator.Calibrate(null);
            Expect.True(animator.Calibration == null, "forgotten");
        }
    }

    private static bool Differs(float[] a, float[] b, int count)
    {
        for (var index = 0; index < count; index++)
            if (a[index] != b[index]) return true;
        return false;
    }
}
