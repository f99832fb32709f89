"""Which emotion a model hears, with and without calibration on the voice.

Definitions, fixed before any model was measured:

- emotion accuracy: share of clips whose class, out of eight, the model's classifier names from the mean of its emotion
  features over the whole clip; a model with `emotion_heard` is asked what it hears at the clip's end. A package is
  asked through the SDK: the emotion probabilities of its last frame.
  Clips without speech (silence and noise alone, which a corpus labels neutral) are no question and left out: a later
  change, since they were right answers for nothing.
- calibrated: the mean emotion feature of the same voice's neutral speech, as `Animator.calibrate` takes it (features of
  audible speech alone), is subtracted before the classifier and the decoder. That speech is neutral clips of the same
  speaker and split with speech in them, normal level first, up to a number of seconds in all; they are left out of the
  test.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from emoface.options import BARE
from emoface.stream.calibrate import LEAST_SPEECH_S, LONGEST_S, speech
from emoface.timing import Clock
from emoface_training.clips.store import StoredClip, heard
from emoface_training.errors import OptionsError
from emoface_training.evaluation.measured_models import EvaluatedModel
from emoface_training.nn.interpolation import FEATURE_RATE
from emoface_training.nn.wav2vec2 import HOP, OVERLAP
from emoface_training.vocabulary import EMOTIONS, NEUTRAL, SAMPLE_RATE


class Listener(Protocol):
    """What a model hears of the emotion; `width` is that of its emotion features."""

    width: int

    def voice(self, sound: np.ndarray) -> np.ndarray | None:
        """`speaker_mean` float32 [width] of neutral speech float32 [N] at 16 kHz; None with too little speech."""
        ...

    def names(self, clips: Sequence[StoredClip], voices: Sequence[np.ndarray] | None = None) -> Iterator[int]:
        """The class that is heard in each clip; voices: each clip's `speaker_mean`."""
        ...


def listener(model: EvaluatedModel) -> Listener | None:
    """The listener in a model; None for a family that hears no emotion."""
    network = getattr(model, "network", None)
    if network is not None:
        return CheckpointListener(network) if hasattr(network, "emotion_encoder") else None
    package = getattr(model, "package", None)
    if package is not None and "speaker_mean" in package.manifest.conditions:
        return PackageListener(model)
    return None


class CheckpointListener:
    """A network with an emotion encoder."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.width = int(network.config.voice_width)

    def voice(self, sound: np.ndarray) -> np.ndarray | None:
        features = self._features(sound)
        clock = Clock(self.network.config.fps, SAMPLE_RATE, FEATURE_RATE, HOP, OVERLAP, 1, 0)
        counted = speech(clock, sound, len(features))
        if len(counted) < LEAST_SPEECH_S * FEATURE_RATE:
            return None
        return features[counted].mean(0).numpy()

    @torch.no_grad()
    def names(self, clips: Sequence[StoredClip], voices: Sequence[np.ndarray] | None = None) -> Iterator[int]:
        for index, clip in enumerate(clips):
            features = self._features(clip.waveform())
            mean = None if voices is None else torch.from_numpy(voices[index])
            if self.network.config.emotion_heard:
                heard = self.network.emotion_encoder.hear(features[None], None if mean is None else mean[None])
                yield int(heard["logits"][0, -1].argmax())
                continue
            pooled = features.mean(0)
            yield int(self.network.emotion_encoder.classifier(pooled if mean is None else pooled - mean).argmax())

    @torch.no_grad()
    def _features(self, sound: np.ndarray) -> torch.Tensor:
        """Emotion features [N // 320, width] of float32 [N]."""
        padded, _ = self.network.pad_audio(torch.from_numpy(heard(sound))[None])
        encoder = self.network.emotion_encoder
        voice = encoder.voice(padded) if self.network.config.emotion_heard else encoder.encoder.whole(padded)
        return voice[0, : len(sound) // HOP]


class PackageListener:
    """A package with an emotion stage, through the SDK."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.width = int(model.package.manifest.conditions["speaker_mean"].shape[0])

    def voice(self, sound: np.ndarray) -> np.ndarray | None:
        from emoface.errors import AudioError

        model = self.model
        with model.package.animator(backend=model.backend, precision=model.precision, **BARE) as animator:
            try:
                return np.array(animator.calibrate(sound, SAMPLE_RATE).speaker_mean)
            except AudioError:
                return None

    def names(self, clips: Sequence[StoredClip], voices: Sequence[np.ndarray] | None = None) -> Iterator[int]:
        for index, clip in enumerate(clips):
            moved = self.model.play(clip, None if voices is None else voices[index])
            yield int(moved.emotion[-1].argmax())


def speaker_of(clip: StoredClip) -> str:
    """Whose voice it is; where a corpus does not say, the actor's."""
    return clip.speaker or clip.actor


def calibration(clips: Sequence[StoredClip], seconds: float) -> tuple[dict[str, np.ndarray], list[StoredClip]]:
    """Neutral speech of each speaker, float32 [N] at 16 kHz and at most `seconds` long, and the clips that are left.

    With 0 seconds nothing is taken and every clip is left. Raises OptionsError for seconds that nothing can be
    calibrated on.
    """
    if seconds != 0 and not LEAST_SPEECH_S <= seconds <= LONGEST_S:
        raise OptionsError(
            f"{seconds:g} s of speech to calibrate on",
            f"0 (none) or {LEAST_SPEECH_S:g} to {LONGEST_S}",
            "10 are enough.",
        )
    takes: dict[str, list[int]] = defaultdict(list)
    taken: dict[str, float] = defaultdict(float)
    for index in sorted(range(len(clips)), key=lambda i: (clips[i].level, i)):
        clip = clips[index]
        speaker = speaker_of(clip)
        if clip.emotion == NEUTRAL and clip.spoken and taken[speaker] < seconds:
            takes[speaker].append(index)
            taken[speaker] += len(clip.audio) / SAMPLE_RATE
    limit = round(seconds * SAMPLE_RATE)
    sounds = {
        speaker: np.concatenate([clips[index].waveform() for index in indices])[:limit]
        for speaker, indices in takes.items()
    }
    used = {index for indices in takes.values() for index in indices}
    return sounds, [clip for index, clip in enumerate(clips) if index not in used]


def learn_voices(heard: Listener, clips: Sequence[StoredClip], sounds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Each clip's `speaker_mean`: its speaker's, or zeros where the speaker has no neutral speech."""
    means = {speaker: heard.voice(sound) for speaker, sound in sounds.items()}
    none = np.zeros(heard.width, np.float32)
    found = [means.get(speaker_of(clip)) for clip in clips]
    return [none if mean is None else mean for mean in found]


def recognition(heard: Listener, clips: Sequence[StoredClip], voices: Sequence[np.ndarray] | None) -> dict[str, Any]:
    """Emotion accuracy over clips with speech and a known class and, with voices, of calibrated ones before and after.

    Keys: clips, emotion_accuracy; calibrated_clips, emotion_accuracy_before, emotion_accuracy_calibrated; confusion
    [8][8] counts (row: the clip's class, column: what is heard), with voices after calibration.
    """
    kept = [i for i, clip in enumerate(clips) if clip.emotion < len(EMOTIONS) and clip.spoken]
    some = [clips[i] for i in kept]
    truth = np.array([clip.emotion for clip in some], int)
    plain = np.array(list(heard.names(some)), int)
    figures: dict[str, Any] = {"clips": len(some), "emotion_accuracy": _share(plain == truth)}
    final = plain
    if voices is not None:
        given = [voices[i] for i in kept]
        known = np.array([bool(voice.any()) for voice in given], bool)
        final = np.array(list(heard.names(some, given)), int)
        figures |= {
            "calibrated_clips": int(known.sum()),
            "emotion_accuracy_before": _share((plain == truth)[known]),
            "emotion_accuracy_calibrated": _share((final == truth)[known]),
        }
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), int)
    np.add.at(confusion, (truth, final), 1)
    return figures | {"confusion": confusion.tolist()}


def _share(hits: np.ndarray) -> float:
    return float(hits.mean()) if len(hits) else 0.0
