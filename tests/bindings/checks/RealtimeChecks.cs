using System;
using System.Threading;
using EmoFace;

/// <summary>The binding in real time against the real library. First argument: a package.</summary>
internal static class RealtimeChecks
{
    /// <summary>Pushed audio gives the frames of synchronous steps, interpolated; every status is seen.</summary>
    public static void PushAndSample(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        using (var animator = new FaceAnimator(package))
        using (var frame = new FrameBuffer(package, 1))
        {
            var audio = Voice.Tone(32000);
            var size = 3 * package.VertexCount;
            var expected = Voice.Frames(package, null, audio, 1000, 0.5);
            animator.Start(3000, 4000);
            Expect.Equal(animator.Sample(0.0, frame), Status.NoFrame, "before the first frame");
            var template = package.Template();
            for (var index = 0; index < size; index++) Expect.True(frame.Vertices[index] == template[index], "neutral");
            for (var first = 0; first < audio.Length; first += 480)
                Expect.Equal(animator.Push(audio, first, Math.Min(480, audio.Length - first)), Status.Ok, "push");
            animator.Flush(null, 0.5);
            Voice.Settle(animator);
            var frames = expected.Length / size;
            for (var time = 0.01; time < (frames - 1.0) / package.Fps; time += 0.0123)
            {
                Expect.Equal(animator.Sample(time, frame), Status.Ok, "sample");
                var place = time * package.Fps;
                var before = (int)place;
                var share = (float)(place - before);
                for (var index = 0; index < size; index += 7)
                {
                    var a = expected[before * size + index];
                    var b = expected[(before + 1) * size + index];
                    Expect.Near(frame.Vertices[index], a + share * (b - a), 1e-6, "interpolated at " + time);
                }
            }
            Expect.Equal(animator.Sample(60.0, frame), Status.Late, "long after the last");
            for (var index = 0; index < size; index++)
                Expect.True(frame.Vertices[index] == expected[(frames - 1) * size + index], "the newest frame");
            Expect.Equal(animator.Sample(-60.0, frame), Status.Early, "before the first");
            Expect.Equal(animator.Push(audio, 0, 10), Status.StreamEnded, "push after flush");
            var found = animator.Statistics();
            Expect.Equal(found.Late, 1L, "late");
            Expect.Equal(found.Early, 1L, "early");
            Expect.Equal(found.NoFrame, 1L, "no frame");
            Expect.Equal(found.PushedSamples, 32000L, "pushed");
            Expect.Equal(found.Frames, (long)frames, "frames");
            Expect.Equal(animator.Push(null, 0, 10), Status.Argument, "push of nothing");
            Expect.Equal(animator.Push(audio, 31999, 2), Status.Argument, "push beyond the array");
            animator.Reset();
            Expect.Equal(animator.Push(audio, 0, 10), Status.Ok, "push after reset");
            Expect.Throws<ModeException>(() => animator.Step(audio, 0, 1, frame), "");
            animator.Stop();
            Expect.Equal(animator.Push(audio, 0, 10), Status.Mode, "push after stop");
        }
    }

    public static void QueueFull(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        using (var animator = new FaceAnimator(package))
        {
            animator.Start(100);
            var refused = false;
            var audio = new float[16000];
            for (var index = 0; index < 40 && !refused; index++)
                refused = animator.Push(audio, 0, 16000) == Status.QueueFull;
            Expect.True(refused, "a second does not fit into 100 ms");
            Expect.True(animator.Statistics().RejectedSamples >= 16000, "it is counted");
        }
    }

    /// <summary>No byte for the collector in steps, pushes, samples.</summary>
    public static void NoGarbage(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
        using (var room = new FrameBuffer(package, 8, Outputs.Vertices | Outputs.Emotion | Outputs.Blendshapes))
        {
            var audio = Voice.Tone(480);
            using (var animator = new FaceAnimator(package, new AnimatorOptions { SolveBlendshapes = true }))
                Expect.Equal(Expect.Garbage(() => animator.Step(audio, 0, 480, room), 200), 0L, "garbage of steps");
            using (var animator = new FaceAnimator(package, new AnimatorOptions { SolveBlendshapes = true }))
            {
                animator.Start();
                var time = 0.0;
                Expect.Equal(Expect.Garbage(() =>
                {
                    animator.Push(audio, 0, 1);
                    animator.Sample(time += 0.001, room);
                    animator.Statistics();
                }, 2000), 0L, "garbage of pushes and samples");
            }
        }
    }

    /// <summary>Disposed and reset by one thread while another pushes: nothing throws, nothing crashes.</summary>
    public static void DisposeWhilePushing(string[] arguments)
    {
        using (var package = FacePackage.Open(arguments[0]))
            for (var round = 0; round < 20; round++)
            {
                var animator = new FaceAnimator(package);
                animator.Start(500);
                var chunk = Voice.Tone(64);
                var pushed = 0;
                var calls = 0;
                var last = Status.Ok;
                Exception thrown = null;
                var ended = false;
                var audio = new Thread(() =>
                {
                    try
                    {
                        while (!Volatile.Read(ref ended))
                        {
                            last = animator.Push(chunk, 0, 64);
                            Interlocked.Increment(ref calls);
                            if (last == Status.Ok) Interlocked.Increment(ref pushed);
                            Thread.Sleep(0);
                        }
                    }
                    catch (Exception error)
                    {
                        thrown = error;
                    }
                });
                audio.Start();
                while (Volatile.Read(ref pushed) < 5) Thread.Sleep(0);
                if (round % 2 == 0) animator.Reset();
                animator.Dispose();
                // Whatever comes after the gate was closed is refused.
                var refused = Volatile.Read(ref calls) + 2;
                while (Volatile.Read(ref calls) < refused && audio.IsAlive) Thread.Sleep(0);
                Volatile.Write(ref ended, true);
                audio.Join();
                Expect.True(thrown == null, "no exception on the audio thread: " + thrown);
                Expect.Equal(last, Status.Mode, "the last push");
            }
    }

    public static void LogReachesTheProgram(string[] arguments)
    {
        var messages = 0;
        Library.SetLog((level, text) =>
        {
            if (text.Length > 0) Interlocked.Increment(ref messages);
        });
        using (var package = FacePackage.Open(arguments[0]))
        using (var animator = new FaceAnimator(package))
            animator.Start();
        Library.SetLog(null);
        var before = messages;
        Expect.True(before > 0, "a message of making and starting an animator");
        using (var package = FacePackage.Open(arguments[0])) new FaceAnimator(package).Dispose();
        Expect.Equal(messages, before, "no message after the log was taken away");
    }
}
