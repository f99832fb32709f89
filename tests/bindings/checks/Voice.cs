using System;
using System.Threading;
using EmoFace;

/// <summary>A voice for checks: its samples, its frames by synchronous steps.</summary>
internal static class Voice
{
    internal const int Rate = 16000;

    /// <summary>A tone that comes and goes, one channel.</summary>
    internal static float[] Tone(int count, int rate = Rate)
    {
        var samples = new float[count];
        for (var index = 0; index < count; index++)
        {
            var time = (double)index / rate;
            samples[index] = (float)(0.4 * Math.Sin(2 * Math.PI * 180 * time) * Math.Sin(2 * Math.PI * 2 * time));
        }
        return samples;
    }

    /// <summary>All frames of `samples` fed in chunks of `chunk` samples per channel: vertices, frame after frame.</summary>
    internal static float[] Frames(FacePackage package, AnimatorOptions options, float[] samples, int chunk,
                                   double tail = 0)
    {
        using (var animator = new FaceAnimator(package, options))
        using (var room = new FrameBuffer(package, 4096))
        {
            var total = samples.Length / animator.Channels;
            var all = new float[(int)(((double)total / animator.SampleRate + tail) * animator.Fps + 2) *
                                3 * package.VertexCount];
            var written = 0;
            for (var first = 0; first < total; first += chunk)
            {
                var count = Math.Min(chunk, total - first);
                var due = animator.StepFrames(count);
                Expect.Equal(animator.Step(samples, first * animator.Channels, count, room), due, "frames of a step");
                written = Append(room, all, written);
            }
            var last = animator.FlushFrames(tail);
            Expect.Equal(animator.Flush(room, tail), last, "frames of the flush");
            written = Append(room, all, written);
            Array.Resize(ref all, written);
            return all;
        }
    }

    /// <summary>Wait until the worker has computed what was pushed.</summary>
    internal static RealtimeStatistics Settle(FaceAnimator animator)
    {
        var until = DateTime.UtcNow.AddSeconds(20);
        var found = animator.Statistics();
        var idle = 0;
        while (DateTime.UtcNow < until && idle < 3)
        {
            var before = found.Frames;
            Thread.Sleep(2);
            found = animator.Statistics();
            // What is left in the queue may be less than a block.
            idle = found.Frames == before && found.WaitingSamples * 1000L < animator.BlockMs * animator.SampleRate
                ? idle + 1 : 0;
        }
        Expect.Equal(found.Failed, Status.Ok, "the worker");
        Expect.True(idle == 3, "the worker keeps up");
        return found;
    }

    private static int Append(FrameBuffer room, float[] all, int written)
    {
        var size = room.Vertices.Length / room.Capacity;
        Array.Copy(room.Vertices, 0, all, written, room.Count * size);
        return written + room.Count * size;
    }
}
