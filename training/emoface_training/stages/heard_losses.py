"""How stage A teaches the emotion encoder to hear (`nn.hearing`): at every moment of voices that change their emotion.

A row that shares its voice with a neutral row is heard in three pieces, neutral first or emotional from second 0 (one
chance in two each): the baseline learns to begin with a prior, and what is heard to change and to come back. The pieces
are joined behind the encoder, where a voice's features are laid one behind the other at no cost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from emoface_training.affect import affect_table
from emoface_training.clips.crops import CropBatch
from emoface_training.clips.phoneme_labels import IGNORED
from emoface_training.clips.store import StoredClip, heard_batch, neutral_takes_among
from emoface_training.data.synthetic.phonemes import PHONEME_INDEX, SIL
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.hearing import HearingEmotionEncoder
from emoface_training.nn.interpolation import FEATURE_RATE
from emoface_training.nn.wav2vec2 import HOP

SETTLED_S = 1.5  # into a piece, before which a moment counts less
LEAST_WEIGHT = 0.1
# Of the parts beside the class' cross-entropy
AFFECT, CONFIDENCE, PAUSES = 1.0, 1.0, 0.2


def hearing_losses(
    encoder: HearingEmotionEncoder,
    voice: Tensor,
    batch: CropBatch,
    fps: int,
    calibrated: Tensor,
    neutral_first: Tensor,
    clips: int,
) -> dict[str, Tensor]:
    """Terms of the first `count` rows of a batch, as means over the `clips` of the whole one.

    Args:
        encoder: what is trained.
        voice: [B, T, S] of all rows at 50 Hz, as `HearingEmotionEncoder.voice` gives it.
        batch: its labels.
        fps: of the labels' frames.
        calibrated, neutral_first: bool [count], rows that are heard relative to the mean of their neutral row, and
            those whose neutral row is heard before them.
        clips: of the whole batch.

    Returns:
        emotion (cross-entropy), affect (squares of arousal's and valence's errors), confidence (Brier), pauses
        (cross-entropy of the gate; where phonemes are known), each a scalar.
    """
    count = len(neutral_first)
    rows = torch.arange(count, device=voice.device)
    neutral = batch.neutral[:count]
    paired = neutral >= 0
    other = torch.where(paired, neutral, rows)
    begin, middle = torch.where(neutral_first, other, rows), torch.where(neutral_first, rows, other)
    pieces = torch.stack([begin, middle, begin], 1)  # [count, 3] rows

    frame = (torch.arange(voice.shape[1], device=voice.device) * fps // FEATURE_RATE).clamp(max=batch.mask.shape[1] - 1)
    mask = batch.mask[:, frame].to(voice.dtype)  # [B, T]
    settled = torch.arange(1, voice.shape[1] + 1, device=voice.device) / (SETTLED_S * FEATURE_RATE)
    heard_alone = torch.stack([torch.ones_like(paired), paired, paired], 1)
    weight = (mask * settled.clamp(LEAST_WEIGHT, 1.0))[pieces] * heard_alone[..., None]
    weight = weight.flatten(1)
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1) / clips

    means = (voice * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    speaker = torch.where((calibrated & paired)[:, None], means[other], torch.zeros_like(means[:count]))
    heard = encoder.hear(voice[pieces].flatten(1, 2), speaker)

    labels = batch.emotion[pieces].repeat_interleave(voice.shape[1], 1)
    level = batch.conditions.level.argmax(-1)[pieces].repeat_interleave(voice.shape[1], 1)
    target = affect_table().to(voice)[labels, level]
    felt = torch.cat([heard["arousal"], heard["valence"]], -1)
    right = (heard["logits"].argmax(-1) == labels).to(voice.dtype)
    named = F.cross_entropy(heard["logits"].flatten(0, 1), labels.flatten(), reduction="none").view_as(weight)
    phonemes = batch.phonemes[:, frame][pieces].flatten(1)
    known = weight * (phonemes != IGNORED)
    speech = (phonemes != PHONEME_INDEX[SIL]).to(voice.dtype)
    gates = F.binary_cross_entropy_with_logits(heard["gate"][..., 0], speech, reduction="none")
    return {
        "emotion": (named * weight).sum(),
        "affect": ((felt - target).square().sum(-1) * weight).sum(),
        "confidence": ((heard["confidence"][..., 0] - right).square() * weight).sum(),
        "pauses": (gates * known).sum(),
    }


def heard_total(parts: dict[str, Tensor]) -> Tensor:
    """The terms of `hearing_losses` as one."""
    return parts["emotion"] + AFFECT * parts["affect"] + CONFIDENCE * parts["confidence"] + PAUSES * parts["pauses"]


@torch.no_grad()
def heard_figures(model: EmoFace, clips: list[StoredClip]) -> dict[str, float]:
    """Shares of clips whose emotion, and the sign of whose arousal, is heard at their end; calibrated too.

    Calibrated: by the other neutral clips of the same speaker, where there are any. Clips without speech are left out.
    """
    clips = [clip for clip in clips if clip.spoken]
    encoder, voices = model.emotion_encoder, []
    for clip in clips:
        audio, _ = model.pad_audio(heard_batch([clip]).to(model.spiral.device))
        voices.append(encoder.voice(audio)[:, : max(1, len(clip.audio) // HOP)])
    means = [
        torch.cat([voices[i][0] for i in takes]).mean(0)[None] if takes else None
        for takes in neutral_takes_among(clips)
    ]
    figures = _figures(encoder, clips, voices, [None] * len(clips))
    known = [i for i, mean in enumerate(means) if mean is not None]
    if known:
        some = _figures(encoder, *([every[i] for i in known] for every in (clips, voices, means)))
        figures |= {f"{name}_calibrated": value for name, value in some.items()}
    return figures


def _figures(
    encoder: HearingEmotionEncoder, clips: list[StoredClip], voices: list[Tensor], means: Sequence[Tensor | None]
) -> dict[str, float]:
    table, named, felt = affect_table(), [], []
    for clip, voice, mean in zip(clips, voices, means, strict=True):
        heard = encoder.hear(voice, mean)
        named.append(int(heard["logits"][0, -1].argmax()) == clip.emotion)
        arousal = float(table[clip.emotion, clip.level, 0])
        if arousal:
            felt.append(float(heard["arousal"][0, -1]) * arousal > 0)
    return {"emotion_accuracy": float(np.mean(named))} | ({"arousal_sign": float(np.mean(felt))} if felt else {})
