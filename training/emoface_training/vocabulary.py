"""Words that all parts share: emotions, levels and the rate of every sound that a model hears."""

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
LEVELS = ("normal", "strong")
NEUTRAL = EMOTIONS.index("neutral")
UNKNOWN_EMOTION = len(EMOTIONS)  # the class of clips without a label, and of "auto"
EMOTION_NAMES = (*EMOTIONS, "unknown")
SAMPLE_RATE = 16000
