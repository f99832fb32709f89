"""Encoder outputs of whole clips: computed anew for every step, or once while the encoders are frozen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoface_training.clips.store import ClipStore, heard_batch
from emoface_training.loop.precision import encoder_precision
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.options import StageBOptions
from emoface_training.stages.stage_b_batch import StageBBatch

ENCODE_BATCH = 8


@dataclass(frozen=True)
class Features:
    """Encoder outputs of one whole clip at frame rate [T, D]: content, and emotion where the model has that stream.

    Where the emotion is heard: heard [T, 8] and loudness [T, 1], see `EmoFace.encode_streams`.
    """

    content: Tensor
    emotion: Tensor | None = None
    heard: Tensor | None = None
    loudness: Tensor | None = None

    @property
    def voice(self) -> Tensor:
        """What calibration averages, [T, S]."""
        return self.emotion if self.loudness is None else torch.cat([self.emotion, self.loudness], -1)


class ClipFeatures:
    """Features of a split's clips by index.

    For the share `freeze_encoders_for` of the stage the encoders rest and their outputs are kept in memory (half
    precision); afterwards every step encodes what it needs.
    """

    def __init__(self, model: TalkingModel, store: ClipStore, options: StageBOptions) -> None:
        self.model, self.store, self.options = model, store, options
        self.kept: list[Features] | None = None
        self.frozen = False
        self._unfreeze()  # of what stage A may have left at rest
        if "heard" in model.streams:
            model.emotion_encoder.hearing.requires_grad_(False)
        if options.freeze_encoders_for > 0:
            self.frozen = True
            for encoder in model.encoders.values():
                encoder.requires_grad_(False)

    def _unfreeze(self) -> None:
        self.kept, self.frozen = None, False
        for encoder in self.model.encoders.values():
            encoder.requires_grad_(True)
            encoder.feature_extractor.requires_grad_(False)  # the paper keeps wav2vec2's CNN fixed

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def prepare(self) -> None:
        """Encode the split once, if the encoders are frozen at first."""
        if self.frozen:
            self.kept = self.encode_all()

    def of(self, clips: list[int], progress: float, batch: StageBBatch, seed: int = 0) -> dict[int, Features]:
        """Features of whole clips by index; progress: share of the stage that is done; seed: of the step's noise."""
        wanted = sorted(set(clips), key=lambda i: self.store.clips[i].frames)
        if progress < self.options.freeze_encoders_for:
            if self.kept is None:
                self.prepare()
            names = self.model.streams
            return {
                i: Features(**{name: getattr(self.kept[i], name).to(self.device).float() for name in names})
                for i in wanted
            }
        if self.frozen:
            self._unfreeze()
        for number, encoder in enumerate(self.model.encoders.values()):
            encoder.noise.begin(seed + number, wanted if encoder.config.window is None else [])
        return dict(zip(wanted, self._encode(wanted, batch.samples, batch.audio), strict=True))

    def _encode(self, clips: list[int], samples: int, loaded: dict[int, Tensor]) -> list[Features]:
        """Whole clips through the encoders; zero padding behind a clip is the silence a flush would feed.

        loaded: waveforms that are in memory already; samples: length that all are padded to.
        """
        stored = [self.store.clips[i] for i in clips]
        audio = heard_batch(stored, samples, [loaded.get(i) for i in clips])
        with encoder_precision(self.options, self.device):
            streams = self.model.encode_streams(audio.to(self.device), [len(clip.audio) for clip in stored])
        return [
            Features(**{name: rows[r, : clip.frames].float() for name, rows in streams.items()})
            for r, clip in enumerate(stored)
        ]

    def calibrated(self, features: Features, mean: Tensor) -> Features:
        """The same clip relative to a voice's mean [S], and heard so; the latter at frame rate, not at 50 Hz."""
        relative = features.voice - mean
        if features.heard is None:
            return Features(features.content, relative)
        encoder, fps = self.model.emotion_encoder, self.model.config.fps
        with torch.no_grad():
            heard = encoder.hear(features.voice[None], mean[None], fps)["heard"][0]
        return Features(features.content, relative[:, :-1], heard, relative[:, -1:])

    @torch.no_grad()
    def encode_all(self) -> list[Features]:
        """Features of every clip, float16 on the CPU."""
        training = self.model.training
        self.model.eval()
        clips = self.store.clips
        ends = np.cumsum([clip.frames for clip in clips])
        # One block for all clips: many small ones between large temporaries would fragment the heap by gigabytes
        memory = {
            name: torch.empty(int(ends[-1]), width, dtype=torch.float16)
            for name, width in self.model.stream_widths.items()
        }
        kept = [
            Features(**{name: rows[end - clip.frames : end] for name, rows in memory.items()})
            for clip, end in zip(clips, ends.tolist(), strict=True)
        ]
        order = sorted(range(len(kept)), key=lambda i: -clips[i].frames)
        for first in range(0, len(order), ENCODE_BATCH):
            rows = order[first : first + ENCODE_BATCH]
            longest = max(len(clips[i].audio) for i in rows)
            for i, features in zip(rows, self._encode(rows, longest, {}), strict=True):
                for name in memory:
                    getattr(kept[i], name).copy_(getattr(features, name))
        self.model.train(training)
        return kept
