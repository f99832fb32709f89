using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;

namespace EmoFace
{
    /// <summary>The stream of one voice: audio in, frames out. Cheap to make; the weights are the package's.
    ///
    /// Synchronous: Step() and Flush(). In real time: Start(), then Push() from the audio thread and Sample() from the
    /// display thread. One thread at a time apart from these two. Step, Flush, Push and Sample allocate nothing.</summary>
    public sealed class FaceAnimator : IDisposable
    {
        /// <summary>As a time of change: from the audio fed so far on.</summary>
        public const double Now = -1.0;

        private readonly AnimatorHandle _handle;
        private readonly SampleFormat _format;
        private readonly IntPtr _bare;
        private readonly string _package;
        private readonly IReadOnlyList<string> _emotions;
        // The audio thread never waits: it enters where the gate is open, and whoever closes the gate waits for it.
        private int _open;
        private int _pushing;
        private bool _realtime;

        /// <exception cref="EmoFaceException">Options that the package does not offer, or no ONNX Runtime.</exception>
        public FaceAnimator(FacePackage package, AnimatorOptions options = null)
        {
            if (package == null) throw new ArgumentNullException("package");
            options = options ?? new AnimatorOptions();
            _format = options.SampleFormat;
            _package = package.Digest;
            _emotions = package.Emotions;
            CheckVoice(options.Calibration);
            using (var config = new NativeOptions(options))
            {
                Failure.Check(NativeMethods.emoface_animator_create(package.Handle, ref config.Config, out _bare));
            }
            _handle = new AnimatorHandle(_bare);
            var info = Info();
            Fps = info.Fps;
            SampleRate = info.SampleRate;
            Channels = info.Channels;
            BlockMs = info.BlockMs;
            LatencySamples = info.LatencySamples;
            LatencySeconds = info.LatencySeconds;
            HasHeadPose = info.HasHeadPose != 0;
            Backend = Text.FromUtf8(info.Backend);
            Precision = Text.FromUtf8(info.Precision);
        }

        public int Fps { get; }
        public int SampleRate { get; }
        public int Channels { get; }
        public int BlockMs { get; }
        /// <summary>Frame m is there once m / Fps seconds and this much further audio have been fed.</summary>
        public int LatencySamples { get; }
        public double LatencySeconds { get; }
        /// <summary>Whether frames have a head's pose, by the package or by AnimatorOptions.HeadSway.</summary>
        public bool HasHeadPose { get; }
        public string Backend { get; }
        public string Precision { get; }
        /// <summary>Samples per channel since the start of the stream.</summary>
        public long SamplesFed => Info().SamplesFed;
        public long FramesMade => Info().FramesMade;

        /// <summary>Feed `count` samples per channel, interleaved from `offset` on, and get the frames that are
        /// complete.</summary>
        /// <returns>The number of frames in `frames`.</returns>
        /// <exception cref="BufferTooSmallException">Nothing was consumed; call again with room.</exception>
        /// <exception cref="StreamEndedException">After Flush(): Reset() first.</exception>
        public unsafe int Step(float[] samples, int offset, int count, FrameBuffer frames)
        {
            CheckChunk(samples, offset, count, SampleFormat.Float32);
            fixed (float* first = samples)
                return Step(count == 0 ? null : first + offset, count, frames);
        }

        /// <summary>The same for 16-bit samples.</summary>
        public unsafe int Step(short[] samples, int offset, int count, FrameBuffer frames)
        {
            CheckChunk(samples, offset, count, SampleFormat.Int16);
            fixed (short* first = samples)
                return Step(count == 0 ? null : first + offset, count, frames);
        }

        /// <summary>The number of frames that Step() would return for `count` further samples per channel.</summary>
        public int StepFrames(int count)
        {
            Failure.Check(NativeMethods.emoface_step_frames(_handle, count, out var frames));
            return checked((int)frames);
        }

        /// <summary>End the audio and get the frames still due, and `tailSeconds` of frames in which the face returns to
        /// neutral. In real time pass null for `frames`: the worker computes them for Sample().</summary>
        public unsafe int Flush(FrameBuffer frames, double tailSeconds = 0)
        {
            long written;
            if (frames == null)
            {
                Failure.Check(NativeMethods.emoface_flush(_handle, tailSeconds, null, 0, out written), 0);
                return 0;
            }
            CheckBuffer(frames);
            fixed (NativeFrames* native = &frames.Native)
            {
                var status = NativeMethods.emoface_flush(_handle, tailSeconds, native, frames.Capacity, out written);
                return Written(status, written, frames);
            }
        }

        /// <summary>The number of frames that Flush() would return.</summary>
        public int FlushFrames(double tailSeconds = 0)
        {
            Failure.Check(NativeMethods.emoface_flush_frames(_handle, tailSeconds, out var frames));
            return checked((int)frames);
        }

        /// <summary>Begin a new stream, with the conditions that the animator was made with.</summary>
        public void Reset()
        {
            CloseGate();
            try
            {
                Failure.Check(NativeMethods.emoface_reset(_handle));
            }
            finally
            {
                OpenGate();
            }
        }

        /// <summary>The whole state of the stream, to be continued bit for bit, here, in C or in Python.</summary>
        public unsafe byte[] Snapshot()
        {
            var status = (Status)NativeMethods.emoface_snapshot(_handle, null, 0, out var size);
            if (status != Status.Ok && status != Status.BufferTooSmall) Failure.Check((int)status);
            var bytes = new byte[size];
            fixed (byte* first = bytes)
                Failure.Check(NativeMethods.emoface_snapshot(_handle, first, size, out size), size);
            return bytes;
        }

        /// <summary>Continue from a snapshot; after an error nothing has changed.</summary>
        public unsafe void Restore(byte[] snapshot)
        {
            if (snapshot == null) throw new ArgumentNullException("snapshot");
            fixed (byte* first = snapshot.Length == 0 ? new byte[1] : snapshot)
                Failure.Check(NativeMethods.emoface_restore(_handle, first, snapshot.Length));
        }

        /// <summary>Change the style for all frames at or after `at` seconds of audio; null is the default.</summary>
        /// <exception cref="ConditionException">An unknown name, or a time before a frame that is computed.</exception>
        public void SetStyle(string name, double at = Now)
        {
            Failure.Check(NativeMethods.emoface_set_style(_handle, Text.ToUtf8(name, "a style"), at));
        }

        /// <summary>The same for the emotion: a name, or "auto" to follow the voice.</summary>
        public void SetEmotion(string name, double at = Now)
        {
            Failure.Check(NativeMethods.emoface_set_emotion(_handle, Text.ToUtf8(name, "an emotion"), at));
        }

        /// <summary>The same for the emotional level: "normal" or "strong".</summary>
        public void SetLevel(string name, double at = Now)
        {
            Failure.Check(NativeMethods.emoface_set_level(_handle, Text.ToUtf8(name, "a level"), at));
        }

        /// <summary>The same for the person, of a package with persons.</summary>
        public void SetPerson(string name, double at = Now)
        {
            Failure.Check(NativeMethods.emoface_set_person(_handle, Text.ToUtf8(name, "a person"), at));
        }

        /// <summary>The same for any condition by its vector; null is the package's default.</summary>
        public unsafe void SetCondition(string condition, float[] values, double at = Now)
        {
            fixed (float* first = values)
                Failure.Check(NativeMethods.emoface_set_condition(_handle, Text.ToUtf8(condition, "a condition"), first,
                                                                  values == null ? 0 : values.Length, at));
        }

        /// <summary>Let emotions hold at times: each key begins to act at its time and is reached a transition later, from
        /// wherever the emotion then is.</summary>
        /// <param name="keys">In the order of their times.</param>
        /// <param name="blending">Null = the defaults.</param>
        /// <exception cref="ConditionException">Another order, a computed frame, an unknown emotion, a weight out of range;
        /// nothing changed.</exception>
        public unsafe void SetEmotionKeys(IList<EmotionKey> keys, EmotionBlending blending = null)
        {
            if (keys == null) throw new ArgumentNullException("keys");
            blending = blending ?? new EmotionBlending();
            var names = new List<string>(_emotions);
            var weights = new float[keys.Count * names.Count];
            for (var i = 0; i < keys.Count; ++i)
            {
                if (keys[i] == null) throw new ArgumentNullException("keys");
                if (keys[i].Emotions == null) continue;
                foreach (var given in keys[i].Emotions)
                {
                    var place = names.IndexOf(given.Key);
                    if (place < 0)
                        throw new ConditionException("got the emotion '" + given.Key + "'; expected one of " +
                                                     string.Join(", ", names) + ". Names are case-sensitive.");
                    weights[i * names.Count + place] = given.Value;
                }
            }
            fixed (float* first = weights)
            fixed (byte* rest = Text.ToUtf8(blending.Rest, "an emotion"))
            {
                var native = new NativeEmotionBlending
                {
                    StructSize = (uint)Marshal.SizeOf(typeof(NativeEmotionBlending)),
                    MaxEmotions = blending.MaxEmotions,
                    TransitionSeconds = blending.TransitionSeconds,
                    Strength = blending.Strength,
                    Contrast = blending.Contrast,
                    NeutralAfter = blending.NeutralAfter,
                    Rest = (IntPtr)rest,
                };
                var given = new NativeEmotionKey[keys.Count];
                for (var i = 0; i < given.Length; ++i)
                {
                    var empty = keys[i].Emotions == null || keys[i].Emotions.Count == 0;
                    given[i].Time = keys[i].Time;
                    given[i].Weights = empty ? IntPtr.Zero : (IntPtr)(first + i * names.Count);
                    given[i].Count = empty ? 0 : names.Count;
                }
                fixed (NativeEmotionKey* place = given)
                    Failure.Check(NativeMethods.emoface_set_emotion_keys(_handle, place, given.Length, ref native));
            }
        }

        /// <summary>Learn a voice that the model was not trained on, from its neutral speech: emotions are told better from
        /// then on, until Reset(). The stream is not disturbed. Takes a few percent of the speech's length.</summary>
        /// <param name="speech">Mono, -1 to 1: about 10 s of the voice speaking calmly, 2 to 120 s.</param>
        /// <param name="sampleRate">Of the speech; 0 = the animator's.</param>
        /// <returns>What was found, for AnimatorOptions.Calibration of this voice's other animators.</returns>
        /// <exception cref="AudioException">Too little audible speech, silence, NaN.</exception>
        /// <exception cref="PackageException">The model has no emotion stage that can be calibrated.</exception>
        public unsafe VoiceCalibration Calibrate(float[] speech, int sampleRate = 0, double at = Now)
        {
            if (speech == null) throw new ArgumentNullException("speech");
            var found = new NativeCalibration { StructSize = (uint)Marshal.SizeOf(typeof(NativeCalibration)) };
            var mean = new float[1];
            fixed (float* samples = speech)
            {
                // The first call says how long the vector is, and computes nothing.
                for (var call = 0; call < 2; ++call)
                    fixed (float* first = mean)
                    {
                        found.SpeakerMean = (IntPtr)first;
                        found.Capacity = mean.Length;
                        var status = NativeMethods.emoface_calibrate(_handle, samples, speech.Length, sampleRate, at, ref found);
                        if (call != 0 || (Status)status != Status.BufferTooSmall)
                        {
                            Failure.Check(status);
                            break;
                        }
                        mean = new float[found.Count];
                    }
            }
            return new VoiceCalibration(mean, found.Seconds, _package);
        }

        /// <summary>Take a voice as it was found before; null is none.</summary>
        /// <exception cref="ConditionException">It is of another package.</exception>
        public void SetCalibration(VoiceCalibration calibration, double at = Now)
        {
            CheckVoice(calibration);
            SetCondition(VoiceCalibration.Condition, calibration == null ? null : calibration.SpeakerMean, at);
        }

        /// <summary>Start the worker thread: from now on Push() and Sample().</summary>
        /// <param name="queueMs">Audio that can wait for the worker; 0 = 2000.</param>
        /// <param name="historyMs">Frames that are kept for Sample(); 0 = 2000.</param>
        public void Start(int queueMs = 0, int historyMs = 0)
        {
            var config = new NativeRealtimeConfig
            {
                StructSize = (uint)Marshal.SizeOf(typeof(NativeRealtimeConfig)),
                QueueMs = queueMs,
                HistoryMs = historyMs,
            };
            Failure.Check(NativeMethods.emoface_start(_handle, ref config));
            _realtime = true;
            OpenGate();
        }

        /// <summary>Let the worker compute what was pushed, and end it. Frames stay for Sample().</summary>
        public void Stop()
        {
            CloseGate();
            _realtime = false;
            Failure.Check(NativeMethods.emoface_stop(_handle));
        }

        /// <summary>Queue audio, from the audio thread: no exception, no allocation, no lock, no waiting.</summary>
        /// <returns>Ok; QueueFull (nothing was taken, and it is counted); StreamEnded; Mode, also while another thread
        /// is in Reset(), Stop() or Dispose(); Argument, Audio or Runtime.</returns>
        public unsafe Status Push(float[] samples, int offset, int count)
        {
            if (_format != SampleFormat.Float32 || samples == null || offset < 0 || count < 0 ||
                (long)count * Channels > samples.Length - offset)
                return Status.Argument;
            Interlocked.Increment(ref _pushing);
            var status = Status.Mode;
            if (Volatile.Read(ref _open) != 0)
                fixed (float* first = samples)
                    status = (Status)NativeMethods.emoface_push(_bare, count == 0 ? null : first + offset, count);
            Interlocked.Decrement(ref _pushing);
            return status;
        }

        /// <summary>The face at a moment of audio time, interpolated between the two frames around it.</summary>
        /// <param name="audioTime">Seconds since the first sample pushed: of the sample that is heard now, or that less
        /// LatencySeconds where the sound is delayed as much.</param>
        /// <returns>Ok, or NoFrame (the neutral face), Late (the newest frame), Early (the oldest one kept).</returns>
        public unsafe Status Sample(double audioTime, FrameBuffer frame)
        {
            CheckBuffer(frame);
            fixed (NativeFrames* native = &frame.Native)
            {
                var status = NativeMethods.emoface_sample(_handle, audioTime, native);
                frame.Count = status < 0 ? 0 : 1;
                return Failure.Check(status);
            }
        }

        /// <summary>What happened since Start() or Reset().</summary>
        public RealtimeStatistics Statistics()
        {
            var found = new NativeStatistics { StructSize = (uint)Marshal.SizeOf(typeof(NativeStatistics)) };
            Failure.Check(NativeMethods.emoface_get_statistics(_handle, ref found));
            return new RealtimeStatistics(found);
        }

        /// <summary>Stop and release. A Push() that is running ends first; later ones return Mode.</summary>
        public void Dispose()
        {
            CloseGate();
            _realtime = false;
            _handle.Dispose();
        }

        private NativeAnimatorInfo Info()
        {
            var info = new NativeAnimatorInfo { StructSize = (uint)Marshal.SizeOf(typeof(NativeAnimatorInfo)) };
            Failure.Check(NativeMethods.emoface_animator_get_info(_handle, ref info));
            return info;
        }

        private unsafe int Step(void* samples, int count, FrameBuffer frames)
        {
            CheckBuffer(frames);
            fixed (NativeFrames* native = &frames.Native)
            {
                var status = NativeMethods.emoface_step(_handle, samples, count, native, frames.Capacity, out var written);
                return Written(status, written, frames);
            }
        }

        private static int Written(int status, long written, FrameBuffer frames)
        {
            frames.Count = status < 0 ? 0 : (int)written;
            Failure.Check(status, written);
            return frames.Count;
        }

        private void CheckChunk(Array samples, int offset, int count, SampleFormat format)
        {
            if (format != _format)
                throw new AudioFormatException("got " + format + " samples; expected " + _format +
                                               ". Set AnimatorOptions.SampleFormat, or convert.");
            var length = samples == null ? 0 : samples.Length;
            if (offset < 0 || count < 0 || (long)count * Channels > length - offset)
                throw new UsageException("got offset " + offset + " and " + count + " samples of " + Channels +
                                         " channels in an array of " + length + "; expected a range within it.");
        }

        private void CheckVoice(VoiceCalibration calibration)
        {
            if (calibration != null && calibration.Package != _package)
                throw new ConditionException("got a calibration for the package " + calibration.Package + "; expected one for " +
                                             _package + ". Calibrate again with this package: its features are others.");
        }

        private static void CheckBuffer(FrameBuffer frames)
        {
            if (frames == null) throw new ArgumentNullException("frames");
            if (frames.Disposed) throw new ObjectDisposedException("FrameBuffer");
        }

        private void OpenGate()
        {
            if (_realtime) Interlocked.Exchange(ref _open, 1);
        }

        private void CloseGate()
        {
            Interlocked.Exchange(ref _open, 0);
            var wait = new SpinWait();
            while (Volatile.Read(ref _pushing) != 0) wait.SpinOnce();
        }
    }

    /// <summary>What happened in real time since Start() or Reset().</summary>
    public struct RealtimeStatistics
    {
        internal RealtimeStatistics(NativeStatistics found)
        {
            Failed = (Status)found.Failed;
            PushedSamples = found.PushedSamples;
            RejectedSamples = found.RejectedSamples;
            WaitingSamples = found.WaitingSamples;
            Frames = found.Frames;
            Sampled = found.Sampled;
            NoFrame = found.NoFrame;
            Late = found.Late;
            Early = found.Early;
            NewestTime = found.NewestTime;
            MeanBlockSeconds = found.MeanBlockSeconds;
            WorstBlockSeconds = found.WorstBlockSeconds;
        }

        /// <summary>The worker's failure; Ok where there is none.</summary>
        public readonly Status Failed;
        public readonly long PushedSamples;
        /// <summary>Not taken, because the queue was full.</summary>
        public readonly long RejectedSamples;
        public readonly long WaitingSamples;
        public readonly long Frames;
        public readonly long Sampled;
        public readonly long NoFrame;
        public readonly long Late;
        public readonly long Early;
        /// <summary>Audio time of the newest frame in seconds; -1 where there is none.</summary>
        public readonly double NewestTime;
        public readonly double MeanBlockSeconds;
        public readonly double WorstBlockSeconds;
    }
}
