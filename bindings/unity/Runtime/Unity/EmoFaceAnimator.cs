using System;
using UnityEngine;

namespace EmoFace
{
    /// <summary>Where the voice comes from.</summary>
    public enum AudioInput
    {
        /// <summary>Whatever the AudioSource beside this component plays: voice chat, a microphone, a speech engine.</summary>
        Filter,
        /// <summary>An AudioClip, by Speak(): it is known ahead, so face and sound are together without any delay.</summary>
        Clip,
    }

    /// <summary>What to do about the model's latency where the sound is not known ahead.</summary>
    public enum AudioSync
    {
        /// <summary>Play the sound later by as much: face and sound are together.</summary>
        DelayAudio,
        /// <summary>Play the sound at once: the face comes later by the latency.</summary>
        AcceptLag,
    }

    /// <summary>Makes a face speak: feeds the voice to EmoFace and shows the frames, in time with what is heard, on the
    /// package's own face or on the blendshapes of a character.</summary>
    [AddComponentMenu("EmoFace/EmoFace Animator")]
    [RequireComponent(typeof(AudioSource))]
    [DisallowMultipleComponent]
    public sealed class EmoFaceAnimator : MonoBehaviour
    {
        // Time for the worker thread to wake up and compute a block
        private const double Margin = 0.03;
        // From Speak() to the first sound: the first frames are computed in this time
        private const double Lead = 0.25;
        private const int HistoryMs = 4000;

        [Tooltip("An .emoface file as an asset (named .bytes), for example Packages/EmoFace/Models/default.bytes.")]
        [SerializeField] private TextAsset package;
        [Tooltip("Used where Package is empty: a path, absolute or relative to Assets/StreamingAssets.")]
        [SerializeField] private string packagePath = "";
        [Tooltip("Shows the package's own face. Used where Character is empty.")]
        [SerializeField] private MeshFilter face;
        [Tooltip("The head of your character: its blendshapes with ARKit names are driven.")]
        [SerializeField] private SkinnedMeshRenderer character;
        [SerializeField] private AudioInput audioInput = AudioInput.Filter;
        [SerializeField] private AudioSync audioSync = AudioSync.DelayAudio;
        [Tooltip("Speaks AudioSource.clip when the component is enabled (audio input Clip).")]
        [SerializeField] private bool speakOnEnable;
        [SerializeField] private string style = "";
        [SerializeField] private string emotion = "auto";
        [SerializeField] private string level = "normal";
        [SerializeField] private string person = "";
        [Tooltip("The eyes blink now and then. Taken when a voice begins.")]
        [SerializeField] private bool blinks = true;
        [Tooltip("When they blink, 0 or more: characters that are seen together need different numbers. Taken when a voice " +
                 "begins.")]
        [SerializeField] private int blinkSeed;
        [Tooltip("The eyes look at a listener and away, where the package's face can turn them; by the same number. Taken when " +
                 "a voice begins.")]
        [SerializeField] private bool gaze = true;
        [Tooltip("Size of the motion: 1 as the model gives it.")]
        [Range(0f, 2f)]
        [SerializeField] private float strength = 1f;
        [Tooltip("Factor on the motion of brows, forehead and eyes. Taken when a voice begins.")]
        [Range(0f, 3f)]
        [SerializeField] private float upperStrength = 1f;
        [Tooltip("Factor on the motion of the rest of the face. Taken when a voice begins.")]
        [Range(0f, 3f)]
        [SerializeField] private float lowerStrength = 1f;
        [Tooltip("Calms brows, forehead and eyes: time constant in seconds. Taken when a voice begins.")]
        [Range(0f, 1f)]
        [SerializeField] private float upperSmoothing;
        [Tooltip("Calms the rest of the face: time constant in seconds. Taken when a voice begins.")]
        [Range(0f, 1f)]
        [SerializeField] private float lowerSmoothing;
        [Tooltip("Moves the face against the sound in milliseconds; positive is later. For Bluetooth headphones: 150 or so.")]
        [Range(-200f, 500f)]
        [SerializeField] private float syncOffsetMs;
        [Tooltip("Seconds in which the face returns to neutral after a clip.")]
        [Range(0f, 3f)]
        [SerializeField] private float tailSeconds = 0.5f;
        [Tooltip("Compute normals for every picture: better light on the package's own face, some time of the processor.")]
        [SerializeField] private bool recalculateNormals = true;

        private AudioSource _source;
        private FacePackage _package;
        private FaceAnimator _animator;
        private FrameBuffer _frame;
        private IFaceTarget _target;
        private ClipFeeder _feeder;
        private AudioClip _clip;
        private AudioClock _clock;
        private double _clipStart;
        private double _pausedAt = double.NaN;
        private double _hold;
        private string _style, _emotion, _level, _person;
        // Written by the main thread, read by the audio thread
        private volatile AudioTap _tap;

        public TextAsset Package { get { return package; } set { package = value; Restart(); } }
        public string PackagePath { get { return packagePath; } set { packagePath = value; Restart(); } }
        public MeshFilter Face { get { return face; } set { face = value; Restart(); } }
        public SkinnedMeshRenderer Character { get { return character; } set { character = value; Restart(); } }
        public AudioInput Input { get { return audioInput; } set { audioInput = value; Restart(); } }
        public AudioSync Sync { get { return audioSync; } set { audioSync = value; Restart(); } }
        /// <summary>A name of the package; "" is the mean of its styles. Taken with the next picture.</summary>
        public string Style { get { return style; } set { style = value; } }
        /// <summary>A name of the package, or "auto" to follow the voice. Taken with the next picture.</summary>
        public string Emotion { get { return emotion; } set { emotion = value; } }
        /// <summary>"normal" or "strong". Taken with the next picture.</summary>
        public string Level { get { return level; } set { level = value; } }
        /// <summary>A name of a package with persons; "" is its default. Taken with the next picture.</summary>
        public string Person { get { return person; } set { person = value; } }
        /// <summary>This and the next are taken by the next Speak(), or when the component is enabled.</summary>
        public bool Blinks { get { return blinks; } set { blinks = value; } }
        /// <summary>0 or more.</summary>
        public int BlinkSeed { get { return blinkSeed; } set { blinkSeed = value; } }
        /// <summary>Eyes that look at a listener and away; taken by the next Speak(), or when the component is
        /// enabled.</summary>
        public bool Gaze { get { return gaze; } set { gaze = value; } }
        /// <summary>The voice, as Calibrate() found it, for this and all its coming streams; null = none.</summary>
        public VoiceCalibration Calibration { get; private set; }
        public float Strength { get { return strength; } set { strength = value; } }
        /// <summary>0 to 3. This and the next three are taken by the next Speak(), or when the component is enabled.</summary>
        public float UpperStrength { get { return upperStrength; } set { upperStrength = value; } }
        /// <summary>0 to 3.</summary>
        public float LowerStrength { get { return lowerStrength; } set { lowerStrength = value; } }
        /// <summary>Seconds, 0 to 1.</summary>
        public float UpperSmoothing { get { return upperSmoothing; } set { upperSmoothing = value; } }
        /// <summary>Seconds, 0 to 1.</summary>
        public float LowerSmoothing { get { return lowerSmoothing; } set { lowerSmoothing = value; } }
        public float SyncOffsetMs { get { return syncOffsetMs; } set { syncOffsetMs = value; } }
        /// <summary>The loaded package, with its names; null while the component is disabled or has failed.</summary>
        public FacePackage Loaded => _package;
        /// <summary>The stream; null while the component is disabled or has failed.</summary>
        public FaceAnimator Stream => _animator;
        /// <summary>Why the component disabled itself; null where it did not.</summary>
        public EmoFaceException Problem { get; private set; }
        /// <summary>Seconds by which the sound is played later.</summary>
        public double AudioDelay { get; private set; }
        /// <summary>Seconds by which the face comes after the sound.</summary>
        public double FaceLag { get; private set; }
        /// <summary>Audio time of the face that is shown, in seconds.</summary>
        public double FaceTime { get; private set; }
        /// <summary>True from Speak() until the clip is over and the face is back to neutral.</summary>
        public bool IsSpeaking { get; private set; }

        /// <summary>Say a clip, face and sound together. Audio input must be Clip.</summary>
        /// <exception cref="ModeException">The component is disabled, or takes its audio from elsewhere.</exception>
        public void Speak(AudioClip clip)
        {
            if (clip == null) throw new ArgumentNullException("clip");
            if (_package == null || audioInput != AudioInput.Clip)
                throw new ModeException("got Speak() on a component that is disabled or listens to its AudioSource; expected " +
                                        "it enabled, with the audio input 'Clip'. Set both.");
            StopSpeaking();
            MakeAnimator(clip.frequency, clip.channels);
            _clip = clip;
            _feeder = new ClipFeeder(clip, _animator, tailSeconds);
            _clipStart = AudioSettings.dspTime + Lead;
            _feeder.Feed(-Lead);
            _source.clip = clip;
            _source.loop = false;
            _source.PlayScheduled(_clipStart);
            IsSpeaking = true;
        }

        /// <summary>Learn a voice that the model was not trained on, from about 10 s of its calm speech; null forgets it. The
        /// game waits meanwhile, for a few percent of the clip's length. Holds for the coming streams, too.</summary>
        /// <exception cref="AudioException">Less than 2 s of audible speech, or samples that cannot be read.</exception>
        /// <exception cref="ModeException">The component is disabled, or (audio input Clip) has not spoken yet.</exception>
        public void Calibrate(AudioClip neutralSpeech)
        {
            if (_animator == null)
                throw new ModeException("got Calibrate() without a stream; expected the component enabled, and with the audio " +
                                        "input 'Clip' after the first Speak(). Call it then.");
            if (neutralSpeech == null)
            {
                _animator.SetCalibration(null);
                Calibration = null;
                return;
            }
            var samples = new float[neutralSpeech.samples * neutralSpeech.channels];
            if (!neutralSpeech.GetData(samples, 0))
                throw new AudioFormatException("got AudioClip '" + neutralSpeech.name + "' whose samples cannot be read; " +
                                               "expected a clip with Load Type 'Decompress On Load'. Set it in the clip's " +
                                               "import settings.");
            var mono = new float[neutralSpeech.samples];
            for (var i = 0; i < samples.Length; ++i) mono[i / neutralSpeech.channels] += samples[i] / neutralSpeech.channels;
            Calibration = _animator.Calibrate(mono, neutralSpeech.frequency);
        }

        /// <summary>Hold sound and face. (AudioListener.pause does the same for the whole game.)</summary>
        public void Pause()
        {
            if (!IsSpeaking || !double.IsNaN(_pausedAt)) return;
            _pausedAt = AudioSettings.dspTime;
            _source.Pause();
        }

        /// <summary>Go on after Pause().</summary>
        public void Resume()
        {
            if (double.IsNaN(_pausedAt)) return;
            _clipStart += AudioSettings.dspTime - _pausedAt;
            _pausedAt = double.NaN;
            _source.UnPause();
        }

        /// <summary>End a clip at once; the face stays as it is until the next one.</summary>
        public void StopSpeaking()
        {
            if (IsSpeaking) _source.Stop();
            IsSpeaking = false;
            _feeder = null;
            _clip = null;
            _pausedAt = double.NaN;
        }

        private void OnEnable()
        {
            Problem = null;
            _source = GetComponent<AudioSource>();
            AudioSettings.OnAudioConfigurationChanged += OnAudioChanged;
            try
            {
                _package = SharedPackages.Take(package, packagePath);
                if (_package.HasHeadPose)
                    throw new UsageException("got a package that moves the head as a whole; expected one that moves the face " +
                                             "alone, as this component shows it. Take another package, or drive the head " +
                                             "from a FrameBuffer with Outputs.HeadPose.");
                if (character != null) _target = new BlendshapeTarget(_package, character);
                else if (face != null) _target = new MeshTarget(_package, face, recalculateNormals);
                else
                    throw new UsageException("got neither Face nor Character; expected one. Drag the MeshFilter that shall " +
                                             "show the package's face, or your character's SkinnedMeshRenderer, to its field.");
                _frame = new FrameBuffer(_package, 1, _target.Needs);
                _clock = new AudioClock();
                if (audioInput == AudioInput.Filter) Listen();
                else if (speakOnEnable && _source.clip != null) Speak(_source.clip);
            }
            catch (EmoFaceException error)
            {
                Fail(error);
            }
        }

        private void OnDisable()
        {
            AudioSettings.OnAudioConfigurationChanged -= OnAudioChanged;
            StopSpeaking();
            _tap = null;
            if (_animator != null) _animator.Dispose();
            if (_target != null) _target.Dispose();
            if (_frame != null) _frame.Dispose();
            if (_package != null) SharedPackages.Release(_package);
            _animator = null;
            _target = null;
            _frame = null;
            _package = null;
        }

        // After Update, so that an Animator's clip does not write over the blendshapes
        private void LateUpdate()
        {
            if (_animator == null) return;
            var now = _clock.Update(AudioSettings.dspTime, Time.realtimeSinceStartupAsDouble);
            try
            {
                ApplyChanges();
                if (_feeder != null)
                {
                    if (!double.IsNaN(_pausedAt)) return;
                    var heard = now - _clipStart - AudioOutput.Latency();
                    _feeder.Feed(heard);
                    FaceTime = heard;
                    IsSpeaking = heard < (double)_clip.samples / _clip.frequency + tailSeconds;
                }
                else
                {
                    var tap = _tap;
                    if (tap == null || double.IsNaN(tap.Start)) return;
                    FaceTime = now - tap.Start - _hold;
                }
                FaceTime -= 0.001 * syncOffsetMs;
                _animator.Sample(FaceTime, _frame);
                _target.Show(_frame, strength);
            }
            catch (EmoFaceException error)
            {
                Fail(error);
            }
        }

        // On the audio thread
        private void OnAudioFilterRead(float[] data, int channels)
        {
            var tap = _tap;
            if (tap != null) tap.Process(data, channels, AudioSettings.dspTime);
        }

        private void Listen()
        {
            MakeAnimator(AudioSettings.outputSampleRate, 1);
            // The mixer is ahead of the ear anyway; only what is missing to the latency costs anything.
            var output = AudioOutput.Latency();
            _hold = Math.Max(output, _animator.LatencySeconds + Margin);
            AudioDelay = audioSync == AudioSync.DelayAudio ? _hold - output : 0.0;
            FaceLag = audioSync == AudioSync.AcceptLag ? _hold - output : 0.0;
            _tap = new AudioTap(_animator, _animator.SampleRate, AudioDelay);
        }

        private void MakeAnimator(int rate, int channels)
        {
            if (_animator != null) _animator.Dispose();
            _style = style;
            _emotion = emotion;
            _level = level;
            _person = person;
            _animator = new FaceAnimator(_package, new AnimatorOptions
            {
                SampleRate = rate,
                Channels = channels,
                OnBadAudio = BadAudio.Silence,
                SolveBlendshapes = (_target.Needs & Outputs.Blendshapes) != 0,
                Style = NullIfEmpty(style),
                Emotion = NullIfEmpty(emotion),
                Level = NullIfEmpty(level),
                Person = NullIfEmpty(person),
                Blinks = blinks ? LayerMode.Automatic : LayerMode.Off,
                BlinkSeed = (uint)Math.Max(0, blinkSeed),
                Gaze = gaze ? LayerMode.Automatic : LayerMode.Off,
                // The component shows the face alone.
                HeadSway = LayerMode.Off,
                Calibration = Calibration != null && Calibration.Package == _package.Digest ? Calibration : null,
                Controls = new MotionControls
                {
                    UpperStrength = upperStrength,
                    LowerStrength = lowerStrength,
                    UpperSmoothing = upperSmoothing,
                    LowerSmoothing = lowerSmoothing,
                },
            });
            _animator.Start(0, HistoryMs);
        }

        // An unknown name is the user's slip, not the end of the stream: say so and keep what was.
        private void ApplyChanges()
        {
            try
            {
                if (style != _style) _animator.SetStyle(NullIfEmpty(style));
                _style = style;
                if (emotion != _emotion) _animator.SetEmotion(NullIfEmpty(emotion));
                _emotion = emotion;
                if (level != _level) _animator.SetLevel(NullIfEmpty(level));
                _level = level;
                if (person != _person) _animator.SetPerson(NullIfEmpty(person));
                _person = person;
            }
            catch (ConditionException error)
            {
                Debug.LogError("EmoFace: " + error.Message, this);
                style = _style;
                emotion = _emotion;
                level = _level;
                person = _person;
            }
        }

        private void OnAudioChanged(bool deviceWasChanged) { Restart(); }

        private void Restart()
        {
            if (_package == null) return;
            OnDisable();
            OnEnable();
        }

        private void Fail(EmoFaceException error)
        {
            Problem = error;
            Debug.LogError("EmoFace: " + error.Message, this);
            enabled = false;
        }

        private static string NullIfEmpty(string text) { return string.IsNullOrEmpty(text) ? null : text; }
    }
}
