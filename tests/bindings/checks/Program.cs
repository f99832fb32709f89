using System;
using System.Globalization;
using System.IO;
using System.Reflection;
using System.Threading;

/// <summary>Checks.exe NAME [arguments]: runs the check of this name; a failure is exit code 1 with its reason.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;
        Thread.CurrentThread.CurrentCulture = CultureInfo.InvariantCulture;
        var name = arguments[0];
        var rest = new string[arguments.Length - 1];
        Array.Copy(arguments, 1, rest, 0, rest.Length);
        foreach (var type in Assembly.GetExecutingAssembly().GetTypes())
        {
            if (!type.Name.EndsWith("Checks", StringComparison.Ordinal)) continue;
            var method = type.GetMethod(name, BindingFlags.Static | BindingFlags.Public);
            if (method == null) continue;
            try
            {
                method.Invoke(null, method.GetParameters().Length == 0 ? null : new object[] { rest });
            }
            catch (TargetInvocationException error)
            {
                Console.Error.WriteLine(error.InnerException);
                return 1;
            }
            Console.WriteLine("passed " + name);
            return 0;
        }
        Console.Error.WriteLine("no check " + name);
        return 2;
    }
}

/// <summary>What checks share.</summary>
internal static class Expect
{
    internal static void True(bool condition, string what)
    {
        if (!condition) throw new Exception("expected: " + what);
    }

    internal static void Equal<T>(T got, T expected, string what)
    {
        if (!Equals(got, expected)) throw new Exception(what + ": got " + got + ", expected " + expected);
    }

    /// <summary>The same numbers in the same order.</summary>
    internal static void Same<T>(T[] got, T[] expected, string what)
    {
        True(got != null && got.Length == expected.Length, what + ": as many numbers");
        for (var index = 0; index < got.Length; index++) Equal(got[index], expected[index], what);
    }

    internal static void Near(double got, double expected, double tolerance, string what)
    {
        if (!(Math.Abs(got - expected) <= tolerance))
            throw new Exception(what + ": got " + got + ", expected " + expected + " +- " + tolerance);
    }

    /// <summary>`action` throws a T, whose message contains `part`.</summary>
    internal static T Throws<T>(Action action, string part) where T : Exception
    {
        try
        {
            action();
        }
        catch (T error)
        {
            if (error.GetType() != typeof(T)) throw new Exception("got " + error.GetType() + ", expected " + typeof(T));
            if (error.Message.IndexOf(part, StringComparison.OrdinalIgnoreCase) < 0)
                throw new Exception("got message '" + error.Message + "', expected it to name '" + part + "'");
            return error;
        }
        throw new Exception("expected " + typeof(T) + ", got no exception");
    }

    /// <summary>Bytes that this thread allocated for the collector while `action` was called `times`.</summary>
    internal static long Garbage(Action action, int times)
    {
        for (var warm = 0; warm < 50; warm++) action();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var index = 0; index < times; index++) action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    internal static float[] Floats(string path) { return Numbers<float>(path); }

    internal static int[] Integers(string path) { return Numbers<int>(path); }

    private static T[] Numbers<T>(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var values = new T[bytes.Length / 4];
        Buffer.BlockCopy(bytes, 0, values, 0, bytes.Length);
        return values;
    }

    internal static void Write(string path, float[] values, int count)
    {
        var bytes = new byte[4 * count];
        Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
        File.WriteAllBytes(path, bytes);
    }
}
