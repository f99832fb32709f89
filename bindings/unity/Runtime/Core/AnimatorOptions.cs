using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace EmoFace
{
    /// <summary>Format of the samples that are passed.</summary>
    public enum SampleFormat
    {
        Float32 = 0,
        Int16 = 2,
    }

    /// <summary>What happens to NaN, infinite and |x| > 16 samples.</summary>
    public enum BadAudio
    {
        /// <summary>The chunk is refused, the stream is as it was.</summary>
        Refuse = 0,
        /// <summary>They are muted: for live sources, which must go on.</summary>
        Silence = 1,
    }

    /// <summary>Whether what the runtime adds to the model's motion is there: blinks, gaze, head sway.</summary>
    public enum LayerMode
    {
        /// <summary>Where the package's face can.</summary>
        Automatic = 0,
        /// <summary>A PackageException where it cannot.</summary>
        On = 1,
        Off = -1,
    }

    /// <summary>How strongly and how smoothly the face moves, and when. At the defaults no bit changes.</summary>
    public sealed class MotionControls
    {
        /// <summary>0 to 3: factor on the motion of brows, forehead and eyes.</summary>
        public double UpperStrength = 1.0;
        /// <summary>0 to 3: factor on the motion of the rest.</summary>
        public double LowerStrength = 1.0;
        /// <summary>0 to 1 s: time constant of a low-pass filter on the upper face.</summary>
        public double UpperSmoothing;
        /// <summary>0 to 1 s: the same for the lower face.</summary>
        public double LowerSmoothing;
        /// <summary>-1 to 1 s: the face moves later than the sound; negative is earlier.</summary>
        public double SyncOffset;
        /// <summary>0 to 1: where the upper face begins, from the chin to the top of the forehead.</summary>
        public double MaskLevel = 0.5;
        /// <summary>0.001 to 0.5: over how much of that height it blends into the lower; 0: the package's own mask.</summary>
        public double MaskSoftness;
        /// <summary>0 to 2: factor on the motion of all but teeth, tongue and eyeballs.</summary>
        public double SkinStrength = 1.0;
        /// <summary>0 to 2: factor on how far blinks close the eyes; no farther than shut.</summary>
        public double BlinkStrength = 1.0;
        /// <summary>0 to 1: by how much the lids are closed all the time; 1 is shut.</summary>
        public double BlinkOffset;
        /// <summary>-1 to 1: eyes that are wider open; below 0 so much of what is between the lids is closed.</summary>
        public double EyelidOpenOffset;
        /// <summary>-0.2 to 0.2: lips that are parted more; below 0 they close until they touch.</summary>
        public double LipOpenOffset;
        /// <summary>0 to 3: factor on the tongue's own motion, beside the jaw's, which carries it.</summary>
        public double TongueStrength = 1.0;
        /// <summary>-3 to 3 cm: the tip of the tongue is higher; its root stays.</summary>
        public double TongueHeightOffset;
        /// <summary>-3 to 3 cm: the tip of the tongue is farther out.</summary>
        public double TongueDepthOffset;
    }

    /// <summary>An emotion, or several at once, from a time on.</summary>
    public sealed class EmotionKey
    {
        /// <summary>Seconds of audio.</summary>
        public double Time;
        /// <summary>Weights by name, 0 to 10; a sum above 1 is brought down to 1. Empty or null: the rest alone.</summary>
        public IDictionary<string, float> Emotions;
    }

    /// <summary>How emotion keys become the emotion of a frame.</summary>
    public sealed class EmotionBlending
    {
        /// <summary>0 to 10 s from a key to its emotion, smoothly.</summary>
        public double TransitionSeconds = 0.5;
        /// <summary>0 to 1: how much of the emotions is shown; the rest is Rest.</summary>
        public double Strength = 1.0;
        /// <summary>0.3 to 3: above 1 the stronger of several emotions gains on the weaker.</summary>
        public double Contrast = 1.0;
        /// <summary>1 to 64: of a key's emotions the strongest so many count.</summary>
        public int MaxEmotions = 6;
        /// <summary>The emotion that fills weights up to 1; "auto" follows the voice.</summary>
        public string Rest = "neutral";
        /// <summary>Seconds after which a key that no other has followed goes back to Rest; below 0: never.</summary>
        public double NeutralAfter = -1.0;
    }

    /// <summary>How an animator is made. What is left alone is the default.</summary>
    public sealed class AnimatorOptions
    {
        /// <summary>4000 to 384000 Hz; 0 = 16000.</summary>
        public int SampleRate;
        /// <summary>1 to 64 interleaved channels, averaged; 0 = 1.</summary>
        public int Channels;
        public SampleFormat SampleFormat = SampleFormat.Float32;
        public BadAudio OnBadAudio = BadAudio.Refuse;
        /// <summary>Audio per run of the encoders; longer is cheaper and later; 0 = the package's.</summary>
        public int BlockMs;
        /// <summary>Threads per graph; 0 = 1.</summary>
        public int Threads;
        /// <summary>Solve blendshape weights for every frame (the package must have blendshapes). Where its coefficients
        /// are of these, and nothing is fused per vertex, they are the weights, exactly.</summary>
        public bool SolveBlendshapes;
        /// <summary>"fp32", "fp16" or "int8"; null = the package's.</summary>
        public string Precision;
        /// <summary>"ort-cpu" or "ort-cpu-native"; null = automatic.</summary>
        public string Backend;
        /// <summary>A name; null = the mean of the styles.</summary>
        public string Style;
        /// <summary>A name; null = "auto", follow the voice.</summary>
        public string Emotion;
        /// <summary>A name; null = "normal".</summary>
        public string Level;
        /// <summary>A name of a package with persons; null = the package's default. What a person file says goes to
        /// Conditions: see FacePackage.ReadPerson().</summary>
        public string Person;
        /// <summary>Conditions by their vector, for example weights of styles; null = none.</summary>
        public IDictionary<string, float[]> Conditions;
        /// <summary>Another neutral face of the same topology: x, y, z per vertex; null = the package's.</summary>
        public float[] Template;
        /// <summary>One of FacePackage.Identities in place of a template; null = the canonical face.</summary>
        public string Identity;
        /// <summary>Coefficients without vertices, of packages that have Coefficients: what makes vertices alone is not run.
        /// Then there are no blinks, no gaze and no head sway, and nothing that needs vertices can be asked for.</summary>
        public bool SkipVertices;
        /// <summary>Strengths, smoothing, offsets and shift in time; null = as the model gives it.</summary>
        public MotionControls Controls;
        public LayerMode Blinks = LayerMode.Automatic;
        /// <summary>When they come; characters that are seen together need different seeds.</summary>
        public uint BlinkSeed;
        /// <summary>About so many blinks per minute, 4 to 40; 0 = 15.</summary>
        public double BlinkRate;
        /// <summary>Eyes that look at a listener and away.</summary>
        public LayerMode Gaze = LayerMode.Automatic;
        /// <summary>Factor 0.1 to 2 on all its angles; 0 = 1.</summary>
        public double GazeStrength;
        /// <summary>0 = that of the blinks.</summary>
        public uint GazeSeed;
        /// <summary>A head that sways and nods with the speech: automatic where the package has pivots and does not move the
        /// head itself. With it FaceAnimator.HasHeadPose is true, of packages without a head's pose, too.</summary>
        public LayerMode HeadSway = LayerMode.Automatic;
        /// <summary>Factor 0.1 to 2 on all its angles; 0 = 1.</summary>
        public double HeadSwayStrength;
        /// <summary>0 = that of the blinks.</summary>
        public uint HeadSwaySeed;
        /// <summary>Of the noise that the stages of some packages read: another seed, another variation.</summary>
        public ulong NoiseSeed;
        /// <summary>The voice, as FaceAnimator.Calibrate() found it; null = none.</summary>
        public VoiceCalibration Calibration;
    }

    /// <summary>The options as the library reads them; lives for one call.</summary>
    internal sealed class NativeOptions : IDisposable
    {
        internal NativeAnimatorConfig Config;
        private readonly List<IntPtr> _texts = new List<IntPtr>();
        private readonly List<GCHandle> _pinned = new List<GCHandle>();

        internal NativeOptions(AnimatorOptions options)
        {
            try
            {
                Fill(options);
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public void Dispose()
        {
            foreach (var text in _texts) Marshal.FreeHGlobal(text);
            foreach (var pinned in _pinned) pinned.Free();
            _texts.Clear();
            _pinned.Clear();
        }

        private void Fill(AnimatorOptions options)
        {
            Config.StructSize = (uint)Marshal.SizeOf(typeof(NativeAnimatorConfig));
            Config.SampleRate = options.SampleRate;
            Config.Channels = options.Channels;
            Config.SampleFormat = (int)options.SampleFormat;
            Config.OnBadAudio = (int)options.OnBadAudio;
            Config.BlockMs = options.BlockMs;
            Config.Threads = options.Threads;
            Config.Blendshapes = options.SolveBlendshapes ? 1 : 0;
            Config.Precision = Keep(options.Precision, "a precision");
            Config.Backend = Keep(options.Backend, "a backend");
            Config.Style = Keep(options.Style, "a style");
            Config.Emotion = Keep(options.Emotion, "an emotion");
            Config.Level = Keep(options.Level, "a level");
            Config.Person = Keep(options.Person, "a person");
            Config.Blinks = (int)options.Blinks;
            Config.BlinkSeed = options.BlinkSeed;
            Config.BlinkRate = options.BlinkRate;
            Config.Gaze = (int)options.Gaze;
            Config.GazeStrength = options.GazeStrength;
            Config.GazeSeed = options.GazeSeed;
            Config.HeadSway = (int)options.HeadSway;
            Config.HeadSwayStrength = options.HeadSwayStrength;
            Config.HeadSwaySeed = options.HeadSwaySeed;
            Config.NoiseSeed = options.NoiseSeed;
            Config.SkipVertices = options.SkipVertices ? 1 : 0;
            Config.Identity = Keep(options.Identity, "an identity");
            if (options.Template != null)
            {
                if (options.Template.Length == 0 || options.Template.Length % 3 != 0)
                    throw new TemplateException("got a template of " + options.Template.Length +
                                                " numbers; expected 3 per vertex. Pass x, y, z of every vertex.");
                Config.TemplateVertices = Pin(options.Template);
                Config.TemplateCount = options.Template.Length / 3;
            }
            if (options.Controls != null)
                Config.Controls = Pin(new[]
                {
                    new NativeControls
                    {
                        StructSize = (uint)Marshal.SizeOf(typeof(NativeControls)),
                        UpperStrength = options.Controls.UpperStrength,
                        LowerStrength = options.Controls.LowerStrength,
                        UpperSmoothing = options.Controls.UpperSmoothing,
                        LowerSmoothing = options.Controls.LowerSmoothing,
                        SyncOffset = options.Controls.SyncOffset,
                        MaskLevel = options.Controls.MaskLevel,
                        MaskSoftness = options.Controls.MaskSoftness,
                        SkinStrength = options.Controls.SkinStrength,
                        BlinkStrength = options.Controls.BlinkStrength,
                        BlinkOffset = options.Controls.BlinkOffset,
                        EyelidOpenOffset = options.Controls.EyelidOpenOffset,
                        LipOpenOffset = options.Controls.LipOpenOffset,
                        TongueStrength = options.Controls.TongueStrength,
                        TongueHeightOffset = options.Controls.TongueHeightOffset,
                        TongueDepthOffset = options.Controls.TongueDepthOffset,
                    },
                });
            var conditions = new List<NativeCondition>();
            if (options.Calibration != null)
                conditions.Add(Condition(VoiceCalibration.Condition, options.Calibration.SpeakerMean));
            if (options.Conditions != null)
                foreach (var given in options.Conditions) conditions.Add(Condition(given.Key, given.Value));
            if (conditions.Count == 0) return;
            Config.Conditions = Pin(conditions.ToArray());
            Config.ConditionCount = conditions.Count;
        }

        private NativeCondition Condition(string name, float[] values)
        {
            return new NativeCondition
            {
                Name = Keep(name, "a condition"),
                Values = Pin(values),
                Count = values == null ? 0 : values.Length,
            };
        }

        private IntPtr Keep(string text, string what)
        {
            var copy = Text.Allocate(text, what);
            if (copy != IntPtr.Zero) _texts.Add(copy);
            return copy;
        }

        private IntPtr Pin(Array array)
        {
            if (array == null) return IntPtr.Zero;
            var pinned = GCHandle.Alloc(array, GCHandleType.Pinned);
            _pinned.Add(pinned);
            return pinned.AddrOfPinnedObject();
        }
    }
}
