"""Emotion keys and how they are blended: the table of cases of the Python and the C++ runtime."""

BLENDING = {
    "plain": {},
    "strong contrast": {"contrast": 2.0, "strength": 0.7},
    "one at a time": {"max_emotions": 1, "transition_s": 0.25, "rest": "auto"},
    "at once, and back": {"transition_s": 0.0, "neutral_after": 0.3},
    "slow, and back": {"transition_s": 0.9, "neutral_after": 0.4},
}
"""Arguments of `emoface.rig.EmotionBlending` by name."""
KEYS = ((0.1, {"happy": 0.5, "sad": 0.3}), (0.35, "sad"), (0.4, {}), (0.9, {"happy": 1.0, "sad": 1.0, "auto": 0.2}))
