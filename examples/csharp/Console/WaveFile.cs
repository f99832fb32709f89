using System.IO;
using System.Text;
using EmoFace;

/// <summary>A WAV file of 16-bit samples, as floats.</summary>
internal sealed class WaveFile
{
    /// <summary>Interleaved samples, -1..1.</summary>
    internal float[] Samples { get; private set; }
    internal int Rate { get; private set; }
    internal int Channels { get; private set; }
    /// <summary>Samples per channel.</summary>
    internal int Count => Samples.Length / Channels;

    /// <exception cref="AudioFormatException">Not a WAV file, or not of 16 bits.</exception>
    internal static WaveFile Read(string path)
    {
        using (var reader = new BinaryReader(File.OpenRead(path)))
        {
            var wave = new WaveFile();
            if (Tag(reader) != "RIFF" || reader.BaseStream.Length < 12) throw Wrong(path);
            reader.ReadUInt32();
            if (Tag(reader) != "WAVE") throw Wrong(path);
            while (reader.BaseStream.Length - reader.BaseStream.Position >= 8)
            {
                var name = Tag(reader);
                var size = reader.ReadUInt32();
                if (size > reader.BaseStream.Length - reader.BaseStream.Position) throw Wrong(path);
                var end = reader.BaseStream.Position + size + size % 2;
                if (name == "fmt " && size >= 16) wave.ReadFormat(reader, path);
                else if (name == "data" && wave.Channels > 0)
                {
                    wave.Samples = new float[size / 2 / wave.Channels * wave.Channels];
                    for (var index = 0; index < wave.Samples.Length; index++)
                        wave.Samples[index] = reader.ReadInt16() / 32768f;
                    return wave;
                }
                reader.BaseStream.Position = end;
            }
            throw Wrong(path);
        }
    }

    private void ReadFormat(BinaryReader reader, string path)
    {
        var format = reader.ReadUInt16();
        Channels = reader.ReadUInt16();
        Rate = reader.ReadInt32();
        reader.ReadUInt32();
        reader.ReadUInt16();
        if (format != 1 || reader.ReadUInt16() != 16 || Channels == 0) throw Wrong(path);
    }

    private static string Tag(BinaryReader reader) { return Encoding.ASCII.GetString(reader.ReadBytes(4)); }

    private static AudioFormatException Wrong(string path)
    {
        return new AudioFormatException("got " + path + "; expected a WAV file of 16-bit samples. Convert it: ffmpeg -i " +
                                        "sound -c:a pcm_s16le speech.wav");
    }
}
