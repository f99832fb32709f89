using System;
using System.Runtime.InteropServices;

namespace EmoFace
{
    // Field for field as in emoface.h; a test compares the sizes and offsets with the C compiler's.

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativePackageInfo
    {
        public uint StructSize;
        public int Format;
        public int Fps;
        public int SampleRate;
        public int Vertices;
        public int Triangles;
        public int Emotions;
        public int HasWeights;
        public int Blendshapes;
        public int LatencySamples;
        public int BlockMs;
        public int LeastBlockMs;
        public int LongestBlockMs;
        public int Reserved;
        public double UnitInMetres;
        public double MotionRange;
        public int HasHeadPose;
        public int HasArousal;
        public int HasValence;
        public int HasConfidence;
        public int Coefficients;
        public int HasEmotionCoefficients;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeCondition
    {
        public IntPtr Name;
        public IntPtr Values;
        public long Count;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeAnimatorConfig
    {
        public uint StructSize;
        public int SampleRate;
        public int Channels;
        public int SampleFormat;
        public int OnBadAudio;
        public int BlockMs;
        public int Threads;
        public int Blendshapes;
        public IntPtr Precision;
        public IntPtr Backend;
        public IntPtr Style;
        public IntPtr Emotion;
        public IntPtr Level;
        public IntPtr Conditions;
        public long ConditionCount;
        public IntPtr TemplateVertices;
        public long TemplateCount;
        public IntPtr Controls;
        public int Blinks;
        public uint BlinkSeed;
        public double BlinkRate;
        public ulong NoiseSeed;
        public IntPtr Identity;
        public int SkipVertices;
        public int Reserved;
        public IntPtr Person;
        public int Gaze;
        public int HeadSway;
        public double GazeStrength;
        public double HeadSwayStrength;
        public uint GazeSeed;
        public uint HeadSwaySeed;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeCalibration
    {
        public uint StructSize;
        public int Capacity;
        public IntPtr SpeakerMean;
        public long Count;
        public double Seconds;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeControls
    {
        public uint StructSize;
        public uint Reserved;
        public double UpperStrength;
        public double LowerStrength;
        public double UpperSmoothing;
        public double LowerSmoothing;
        public double SyncOffset;
        public double MaskLevel;
        public double MaskSoftness;
        public double SkinStrength;
        public double BlinkStrength;
        public double BlinkOffset;
        public double EyelidOpenOffset;
        public double LipOpenOffset;
        public double TongueStrength;
        public double TongueHeightOffset;
        public double TongueDepthOffset;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeEmotionBlending
    {
        public uint StructSize;
        public int MaxEmotions;
        public double TransitionSeconds;
        public double Strength;
        public double Contrast;
        public double NeutralAfter;
        public IntPtr Rest;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeEmotionKey
    {
        public double Time;
        public IntPtr Weights;
        public long Count;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeAnimatorInfo
    {
        public uint StructSize;
        public int Fps;
        public int SampleRate;
        public int Channels;
        public int BlockMs;
        public int LatencySamples;
        public double LatencySeconds;
        public IntPtr Backend;
        public IntPtr Precision;
        public long SamplesFed;
        public long FramesMade;
        public int HasHeadPose;
        public int Reserved;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeFrames
    {
        public uint StructSize;
        public uint Reserved;
        public IntPtr Time;
        public IntPtr Vertices;
        public IntPtr Emotion;
        public IntPtr EmotionWeight;
        public IntPtr Blendshapes;
        public IntPtr Offsets;
        public IntPtr HeadRotation;
        public IntPtr HeadTranslation;
        public IntPtr Arousal;
        public IntPtr Valence;
        public IntPtr Confidence;
        public IntPtr Coefficients;
        public IntPtr EmotionCoefficients;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeRealtimeConfig
    {
        public uint StructSize;
        public int QueueMs;
        public int HistoryMs;
        public int Reserved;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeStatistics
    {
        public uint StructSize;
        public int Failed;
        public long PushedSamples;
        public long RejectedSamples;
        public long WaitingSamples;
        public long Frames;
        public long Sampled;
        public long NoFrame;
        public long Late;
        public long Early;
        public double NewestTime;
        public double MeanBlockSeconds;
        public double WorstBlockSeconds;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeSolverConfig
    {
        public uint StructSize;
        public int Shapes;
        public IntPtr Deltas;
        public float Sparsity;
        public float Smoothness;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct NativeVerification
    {
        public uint StructSize;
        public int Passed;
        public long Frames;
        public double OffsetsError;
        public double EmotionError;
        public double Tolerance;
        public double StagesError;
    }
}
