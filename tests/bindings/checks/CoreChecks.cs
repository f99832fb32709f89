using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.InteropServices;
using EmoFace;

/// <summary>What needs no native library.</summary>
internal static class CoreChecks
{
    /// <summary>Arguments: a file with lines "EmoFace.NativeX size offset offset ...", as the C compiler has them.</summary>
    public static void StructLayout(string[] arguments)
    {
        var core = typeof(FacePackage).Assembly;
        var compared = 0;
        foreach (var line in File.ReadAllLines(arguments[0]))
        {
            var parts = line.Split(' ');
            var type = core.GetType(parts[0], true);
            Expect.Equal(Marshal.SizeOf(type), int.Parse(parts[1]), parts[0] + " size");
            var fields = type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);
            Expect.Equal(fields.Length, parts.Length - 2, parts[0] + " fields");
            for (var index = 0; index < fields.Length; index++)
                Expect.Equal(Marshal.OffsetOf(type, fields[index].Name).ToInt32(), int.Parse(parts[index + 2]),
                             parts[0] + "." + fields[index].Name);
            compared++;
        }
        Expect.Equal(compared, 13, "structs compared");
    }

    /// <summary>Arguments: a file with lines "NAME value" of the header's statuses.</summary>
    public static void StatusValues(string[] arguments)
    {
        var count = 0;
        foreach (var line in File.ReadAllLines(arguments[0]))
        {
            var parts = line.Split(' ');
            var name = parts[0].Replace("_", "");
            var status = (Status)Enum.Parse(typeof(Status), name, true);
            Expect.Equal((int)status, int.Parse(parts[1]), parts[0]);
            count++;
        }
        Expect.Equal(count, Enum.GetValues(typeof(Status)).Length, "statuses");
    }

    public static void LeftHandedAxes()
    {
        var given = new[] { 1f, 2f, 3f };
        var made = new float[3];
        new Axes("+Y up, +Z front", 1.0).Convert(given, 0, made, 1);
        Expect.Equal(string.Join(" ", made), "-1 2 3", "glTF to Unity");
        // +Z up, -Y front: the axes of Blender; the character's left is Z x -Y = +X
        new Axes("+Z up, -Y front", 0.01).Convert(given, 0, made, 1);
        Expect.Near(made[0], -0.01, 1e-9, "right");
        Expect.Near(made[1], 0.03, 1e-9, "up");
        Expect.Near(made[2], -0.02, 1e-9, "front");
        // +Z up, +X front: left is Z x X = +Y
        new Axes("+Z up, +X front", 1.0).Convert(given, 0, made, 1);
        Expect.Equal(string.Join(" ", made), "-2 3 1", "z up, x front");
        var triangles = new[] { 0, 1, 2, 3, 4, 5 };
        Axes.FlipWinding(triangles);
        Expect.Equal(string.Join(" ", triangles), "0 2 1 3 5 4", "winding");
        foreach (var wrong in new[] { null, "", "+Y up", "+Y up, +Y front", "Y up, Z front", "+Y up, +W front", "+Z front, +Y up" })
            Expect.Throws<PackageException>(() => new Axes(wrong, 1.0), "axes");
    }

    public static void BlendshapeNames()
    {
        var names = new List<string> { "jawOpen", "eyeBlinkLeft", "mouthSmileRight", "tongueOut" };
        var targets = new List<string> { "x", "Head.EyeBlink_L", "geo:jaw_open", "mouthSmile-R", "JawOpen" };
        var map = new BlendshapeMap(names, targets);
        Expect.Equal(map[0], 2, "jawOpen: the first of two");
        Expect.Equal(map[1], 1, "eyeBlinkLeft");
        Expect.Equal(map[2], 3, "mouthSmileRight");
        Expect.Equal(map[3], -1, "tongueOut");
        Expect.Equal(string.Join(" ", map.Missing), "tongueOut", "missing");
        Expect.Equal(new BlendshapeMap(names, new List<string>()).Missing.Count, 4, "a mesh without shapes");
        Expect.Equal(new BlendshapeMap(new List<string> { "mouthPucker" }, new List<string> { "mouthPucker" })[0], 0,
                     "a name that ends with r");
    }

    /// <summary>An audio clock that advances by 1024 samples, seen 60 times a second with jitter.</summary>
    public static void SmoothClock()
    {
        var clock = new AudioClock();
        var random = new Random(1);
        var buffer = 1024.0 / 48000;
        var real = 0.0;
        var last = 0.0;
        var worstStep = 0.0;
        var worstError = 0.0;
        for (var picture = 0; picture < 1200; picture++)
        {
            var elapsed = (1 + 0.1 * (random.NextDouble() - 0.5)) / 60;
            real += elapsed;
            var now = clock.Update(Math.Floor(real / buffer) * buffer, 7.0 + real);
            Expect.True(now >= last, "the clock never goes back");
            if (picture > 120)
            {
                worstStep = Math.Max(worstStep, Math.Abs(now - last - elapsed));
                worstError = Math.Max(worstError, Math.Abs(now - real));
            }
            last = now;
        }
        // Raw, a step is 0 or 21 ms where 17 would be right.
        Expect.True(worstStep < 0.0025, "steps within 2.5 ms of the picture's time, got " + worstStep);
        Expect.True(worstError < buffer, "less than a buffer from the truth, got " + worstError);
        var stands = clock.Update(Math.Floor(real / buffer) * buffer, 7.0 + real + 5.0);
        Expect.True(stands - Math.Floor(real / buffer) * buffer <= 0.1 + 1e-9, "a clock that stands is not left behind");
        Expect.Near(clock.Update(100.0, 7.0 + real + 5.1), 100.0, 1e-9, "a jump is followed at once");
    }

    /// <summary>The measure itself: it must see a single small object per call.</summary>
    public static void GarbageIsSeen()
    {
        object kept = null;
        Expect.True(Expect.Garbage(() => kept = new object(), 2000) >= 2000 * 8, "garbage is seen");
        Expect.True(kept != null, "kept");
        Expect.Equal(Expect.Garbage(() => { }, 2000), 0L, "garbage of nothing");
    }
}
