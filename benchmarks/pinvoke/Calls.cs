// Times calls of the C interface from C#: Calls.exe PACKAGE CALLS, prints one JSON object. See benchmarks/pinvoke.py.
using System;
using System.Diagnostics;
using System.Globalization;
using EmoFace;

internal static class Calls
{
    private static void Main(string[] arguments)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        var calls = int.Parse(arguments[1]);
        var sample = new float[1];
        using (var package = FacePackage.Open(arguments[0]))
        using (var room = new FrameBuffer(package, 64))
        {
            double step, picture;
            long garbage;
            using (var animator = new FaceAnimator(package))
            {
                Action<int> run = count =>
                {
                    // A call that completes a block computes it: those are left out by starting anew in time.
                    for (var index = 0; index < count; index++)
                    {
                        if (index % 256 == 0) animator.Reset();
                        animator.Step(sample, 0, 1, room);
                    }
                };
                step = Time(run, calls, out garbage);
            }
            using (var animator = new FaceAnimator(package))
            {
                animator.Start();
                long more;
                picture = Time(count =>
                {
                    for (var index = 0; index < count; index++) animator.Sample(0.0, room);
                }, calls / 10, out more);
                garbage += more;
            }
            Console.WriteLine("{{\"step_us\": {0}, \"sample_us\": {1}, \"garbage_bytes\": {2}}}", step, picture, garbage);
        }
    }

    /// <summary>Microseconds per call, the best of five.</summary>
    private static double Time(Action<int> run, int calls, out long garbage)
    {
        run(calls / 10);
        var best = double.MaxValue;
        garbage = 0;
        for (var round = 0; round < 5; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var begin = Stopwatch.GetTimestamp();
            run(calls);
            var ticks = Stopwatch.GetTimestamp() - begin;
            garbage += GC.GetAllocatedBytesForCurrentThread() - before;
            best = Math.Min(best, 1e6 * ticks / Stopwatch.Frequency / calls);
        }
        return best;
    }
}
