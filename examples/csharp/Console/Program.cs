// Speech in, a moving face out, in plain C#: reads a WAV file and says how far the lips and the face move.
//
//   Console.exe PACKAGE speech.wav [--emotion happy] [--realtime] [--out vertices.f32] [--verify]
//
// PACKAGE is an .emoface file. --realtime feeds the sound at the speed of a microphone through Start, Push and Sample;
// otherwise it is animated as fast as it can be. --out writes the vertices as raw float32, frame after frame.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Threading;
using EmoFace;

internal static class Program
{
    private static int Main(string[] arguments)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        try
        {
            Run(new Choices(arguments));
            return 0;
        }
        catch (EmoFaceException error)
        {
            // Says what was found, what was expected and what to do.
            Console.Error.WriteLine(error.GetType().Name + ": " + error.Message);
            return error is PackageException ? 3 : error is AudioException ? 4 : error is UsageException ? 2 : 5;
        }
        catch (IOException error)
        {
            Console.Error.WriteLine(error.Message);
            return 4;
        }
    }

    private static void Run(Choices choices)
    {
        var wave = WaveFile.Read(choices.Wave);
        using (var package = FacePackage.Open(choices.Package))
        {
            Console.WriteLine("{0}: {1} vertices, {2} frames per second; EmoFace {3}", package.Name, package.VertexCount,
                              package.Fps, Library.Version);
            if (choices.Verify)
                Console.WriteLine("golden vectors: {0}", package.Verify().Passed ? "passed" : "FAILED");
            var options = new AnimatorOptions
            {
                SampleRate = wave.Rate,
                Channels = wave.Channels,
                Emotion = choices.Emotion,
            };
            using (var animator = new FaceAnimator(package, options))
            {
                Console.WriteLine("{0} Hz, latency {1:0} ms, backend {2}, {3}", animator.SampleRate,
                                  1e3 * animator.LatencySeconds, animator.Backend, animator.Precision);
                var lips = new Motion(package, "lips");
                if (choices.Realtime) InRealTime(package, animator, wave, lips);
                else AtOnce(package, animator, wave, lips, choices.Out);
                Console.WriteLine("lips: up to {0:0.00} mm", lips.Largest);
            }
        }
    }

    /// <summary>Chunks of 20 ms in, frames out.</summary>
    private static void AtOnce(FacePackage package, FaceAnimator animator, WaveFile wave, Motion lips, string path)
    {
        var chunk = wave.Rate / 50;
        var frames = 0;
        // One buffer for the whole stream: no frame costs the garbage collector anything.
        using (var room = new FrameBuffer(package, 64))
        using (var file = path == null ? null : new BinaryWriter(File.Create(path)))
        {
            for (var first = 0; first <= wave.Count; first += chunk)
            {
                var last = wave.Count - first < chunk;
                var count = Math.Min(chunk, wave.Count - first);
                animator.Step(wave.Samples, first * wave.Channels, count, room);
                frames += Take(package, room, lips, file);
                if (!last) continue;
                animator.Flush(room);
                frames += Take(package, room, lips, file);
            }
        }
        Console.WriteLine("{0} frames", frames);
    }

    /// <summary>A thread feeds the sound as a device would; this one shows 60 pictures per second.</summary>
    private static void InRealTime(FacePackage package, FaceAnimator animator, WaveFile wave, Motion lips)
    {
        var chunk = wave.Rate / 50;
        animator.Start();
        var clock = Stopwatch.StartNew();
        var audio = new Thread(() =>
        {
            for (var first = 0; first < wave.Count; first += chunk)
            {
                var due = (double)(first + chunk) / wave.Rate - clock.Elapsed.TotalSeconds;
                if (due > 0) Thread.Sleep((int)(1e3 * due));
                animator.Push(wave.Samples, first * wave.Channels, Math.Min(chunk, wave.Count - first));
            }
        });
        audio.Start();
        var hold = animator.LatencySeconds + 0.05;
        var until = (double)wave.Count / wave.Rate + hold;
        var pictures = 0;
        using (var frame = new FrameBuffer(package, 1))
            while (clock.Elapsed.TotalSeconds < until)
            {
                // The sound would be played later by `hold`, and so is the face.
                animator.Sample(clock.Elapsed.TotalSeconds - hold, frame);
                lips.Look(frame.Vertices, 0);
                pictures++;
                Thread.Sleep(16);
            }
        audio.Join();
        animator.Flush(null);
        animator.Stop();
        var found = animator.Statistics();
        Console.WriteLine("{0} frames, pictures: {1}", found.Frames, pictures > 0 ? "shown" : "none");
    }

    private static int Take(FacePackage package, FrameBuffer room, Motion lips, BinaryWriter file)
    {
        var size = 3 * package.VertexCount;
        for (var frame = 0; frame < room.Count; frame++) lips.Look(room.Vertices, frame * size);
        if (file != null)
            for (var index = 0; index < room.Count * size; index++)
                file.Write(room.Vertices[index]);
        return room.Count;
    }
}

/// <summary>How far a region is from rest, in millimetres.</summary>
internal sealed class Motion
{
    private readonly int[] _region;
    private readonly float[] _rest;
    private readonly double _unit;

    internal Motion(FacePackage package, string region)
    {
        _region = package.Mask(region);
        _rest = package.Template();
        _unit = package.UnitInMetres;
    }

    internal double Largest { get; private set; }

    internal void Look(float[] vertices, int first)
    {
        foreach (var vertex in _region)
        {
            var square = 0.0;
            for (var axis = 0; axis < 3; axis++)
            {
                var moved = vertices[first + 3 * vertex + axis] - _rest[3 * vertex + axis];
                square += moved * moved;
            }
            Largest = Math.Max(Largest, 1e3 * _unit * Math.Sqrt(square));
        }
    }
}

/// <summary>The command line.</summary>
internal sealed class Choices
{
    internal readonly string Package, Wave, Emotion, Out;
    internal readonly bool Realtime, Verify;

    internal Choices(IReadOnlyList<string> arguments)
    {
        const string usage = "Console.exe PACKAGE speech.wav [--emotion happy] [--realtime] [--out vertices.f32] [--verify]";
        var names = new List<string>();
        for (var index = 0; index < arguments.Count; index++)
        {
            var next = index + 1 < arguments.Count ? arguments[index + 1] : null;
            if (arguments[index] == "--realtime") Realtime = true;
            else if (arguments[index] == "--verify") Verify = true;
            else if (arguments[index] == "--emotion" && next != null) Emotion = arguments[++index];
            else if (arguments[index] == "--out" && next != null) Out = arguments[++index];
            else names.Add(arguments[index]);
        }
        if (names.Count != 2) throw new UsageException("got " + names.Count + " names; expected " + usage);
        Package = names[0];
        Wave = names[1];
    }
}
