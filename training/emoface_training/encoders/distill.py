"""`emoface distill`: teach a full-context encoder to work in a band, by regression on its own features.

The teacher is the folder's encoder as it was trained: unlimited attention, all positional taps, group norm and input
normaliser over the whole utterance. The student has the same weights, a band, fixed statistics, and learns to give the
teacher's last hidden state (mean squared error over the teacher's variance per channel). Its convolutions stay fixed.
Ours; in the manner of streaming distillation as published for speech recognition, without labels.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emoface_training.clips.unlabelled_speech import SpeechClips
from emoface_training.encoders import pretrained
from emoface_training.errors import BandError, DistillError
from emoface_training.loop.learning_rate import one_cycle
from emoface_training.nn.wav2vec2 import HOP, OVERLAP

STATE, REPORT = "distill_state.pt", "distill.json"
_HELD_OUT_CLIPS, _CALIBRATION_CLIPS = 24, 64


@dataclass(frozen=True)
class DistillOptions:
    """left, look_ahead: the band in features of 20 ms; position_right: the part of look_ahead that the taps get.

    The work ends when `steps` or `max_minutes` (of wall time) are used up; steps=0 converts and calibrates only.
    """

    left: int
    look_ahead: int
    position_right: int = 0
    steps: int | None = 2000
    max_minutes: float | None = None
    batch_size: int = 4
    crop_seconds: float = 6.0
    learning_rate: float = 3e-4
    checkpoint_every_minutes: float = 2.0
    seed: int = 0


def spread(look_ahead: int, layers: int) -> tuple[int, ...]:
    """`look_ahead` features over the layers as evenly as they go, the first layers first."""
    return tuple(look_ahead // layers + (1 if i < look_ahead % layers else 0) for i in range(layers))


def parse_band(text: str) -> tuple[int, int]:
    """ "L,R" -> (L, R)."""
    try:
        left, look_ahead = (int(part) for part in text.split(","))
    except ValueError:
        raise BandError(
            f"--band {text}", "L,R such as 100,6, in features of 20 ms", "Give two whole numbers."
        ) from None
    return left, look_ahead


class Distillation:
    """Teacher, student and their audio; `run` is the command."""

    def __init__(self, folder: Path, clips: SpeechClips, options: DistillOptions) -> None:
        if options.position_right > options.look_ahead:
            raise BandError(
                f"position_right {options.position_right} of a look-ahead of {options.look_ahead}",
                "at most the look-ahead",
                "Lower it, or widen the band.",
            )
        self.options, self.clips = options, clips
        self.original = pretrained.read_json(folder)
        self.normalise = pretrained.normalises_input(folder)
        if pretrained.SECTION in self.original:
            raise DistillError(
                f"{folder}, which is distilled already", "an original encoder", "Give the original's folder."
            )
        self.teacher = pretrained.load_pretrained(folder).eval().requires_grad_(False)
        layers = self.teacher.config.num_hidden_layers
        student = pretrained.load_pretrained(
            folder,
            left=options.left,
            right=spread(options.look_ahead - options.position_right, layers),
            position_right=options.position_right,
        )
        calibration = [torch.from_numpy(clip) for clip in clips.spread("train", _CALIBRATION_CLIPS)]
        self.student = pretrained.calibrated(student, calibration, self.normalise)
        self.student.feature_extractor.requires_grad_(False)
        self.held_out = [torch.from_numpy(clip)[None] for clip in clips.spread("held out", _HELD_OUT_CLIPS)]

    def target(self, audio: Tensor) -> Tensor:
        """The teacher's features [B, T, D] of audio [B, 320 T + 80], each row an utterance."""
        with torch.no_grad():
            if self.normalise:
                audio = (audio - audio.mean(1, keepdim=True)) / (
                    audio.var(1, keepdim=True, unbiased=False) + 1e-7
                ).sqrt()
            return self.teacher(audio)

    @torch.no_grad()
    def measure(self) -> dict[str, float]:
        """Feature error on held-out clips.

        `error`: RMS of student - teacher over the teacher's RMS about its mean per channel (1 = no better than that
        mean); `cosine`: mean cosine between features after that mean is taken off.
        """
        self.student.eval()
        pairs = []
        for clip in self.held_out:
            audio = clip[:, : (clip.shape[1] - OVERLAP) // HOP * HOP + OVERLAP]
            pairs.append((self.student.whole(audio)[0], self.target(audio)[0]))
        got, wanted = (torch.cat(part) for part in zip(*pairs, strict=True))
        mean = wanted.mean(0)
        error = ((got - wanted).square().sum() / (wanted - mean).square().sum().clamp(min=1e-12)).sqrt()
        cosine = nn.functional.cosine_similarity(got - mean, wanted - mean, dim=-1).mean()
        return {"error": float(error), "cosine": float(cosine)}

    def loss(self, step: int) -> Tensor:
        """Squared error of one seeded batch over the teacher's variance in it."""
        random = np.random.default_rng([self.options.seed, step])
        size = int(self.options.crop_seconds * 50) * HOP + OVERLAP
        audio = torch.from_numpy(np.stack([self.clips.crop(random, size) for _ in range(self.options.batch_size)]))
        wanted = self.target(audio)
        variance = wanted.var((0, 1), unbiased=False).mean().clamp(min=1e-12)
        # The last look-ahead of a crop is silence to the student, but speech in the clip: not its fault
        valid = wanted.shape[1] - self.options.look_ahead
        return (self.student.whole(audio) - wanted)[:, :valid].square().mean() / variance


def run(
    folder: Path, clips: SpeechClips, options: DistillOptions, out: Path, resume: bool, say: Callable[[str], None]
) -> dict[str, Any]:
    """Distil and write the folder `out`; returns the report that is written to distill.json.

    Raises EncoderError. An interrupted run keeps its last checkpoint and continues with resume=True.
    """
    out = Path(out)
    _claim(out, resume)
    work = Distillation(Path(folder), clips, options)
    parameters = [p for p in work.student.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=options.learning_rate, weight_decay=0.01)
    step, used, losses = 0, 0.0, []
    if resume:
        step, used, before = _restore(out, work, optimiser)
    else:
        before = work.measure()
    say(f"before: error {before['error']:.3f}, cosine {before['cosine']:.3f} (held out)")
    began = saved = time.monotonic()

    def share() -> float:
        shares = [0.0] if options.steps or options.max_minutes else [1.0]
        shares += [step / options.steps] if options.steps else []
        shares += [(used + time.monotonic() - began) / (60 * options.max_minutes)] if options.max_minutes else []
        return 1.0 if options.steps == 0 else min(1.0, max(shares))

    def save(report: dict[str, Any]) -> None:
        state = {"step": step, "used": used + time.monotonic() - began, "before": before, "options": asdict(options)}
        state |= {"student": work.student.state_dict(), "optimiser": optimiser.state_dict()}
        _write(out, work, state, report)

    facts = {"from": Path(folder).name, "audio": clips.description, "options": asdict(options), "before": before}
    while (progress := share()) < 1.0:
        work.student.train()
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(progress, options.learning_rate)
        loss = work.loss(step)
        if not torch.isfinite(loss):
            raise DistillError(f"a loss of {float(loss)} at step {step}", "a finite one", "Lower --learning-rate.")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        losses.append(float(loss.detach()))
        if step % 20 == 0:
            say(f"{100 * progress:5.1f}% step {step} loss {sum(losses[-20:]) / 20:.4f}")
        if time.monotonic() - saved > 60 * options.checkpoint_every_minutes:
            save(facts | {"steps": step, "complete": False})
            saved = time.monotonic()
    after = work.measure()
    say(f"after:  error {after['error']:.3f}, cosine {after['cosine']:.3f} (held out)")
    report = facts | {"steps": step, "after": after, "complete": True}
    save(report)
    return report


def _claim(out: Path, resume: bool) -> None:
    begun = (out / STATE).is_file()
    if resume and not begun:
        raise DistillError(f"{out} without {STATE}", "the folder of an interrupted run", "Leave out --resume.")
    if not resume and out.exists() and any(out.iterdir()):
        raise DistillError(f"{out}, which is not empty", "a new folder", "Add --resume, or choose another --out.")
    out.mkdir(parents=True, exist_ok=True)


def _write(out: Path, work: Distillation, state: dict[str, Any], report: dict[str, Any]) -> None:
    """The folder as `pretrained` reads it, and what resuming needs; every file appears whole or not at all."""
    fresh = out / ".new"
    fresh.mkdir(exist_ok=True)
    pretrained.save_encoder(fresh, work.student, work.original)
    torch.save(state, fresh / STATE)
    (fresh / REPORT).write_text(json.dumps(report, indent=1) + "\n")
    for file in sorted(fresh.iterdir()):
        os.replace(file, out / file.name)
    fresh.rmdir()


def _restore(out: Path, work: Distillation, optimiser: torch.optim.Optimizer) -> tuple[int, float, dict[str, float]]:
    state = torch.load(out / STATE, map_location="cpu", weights_only=True)
    same = ("left", "look_ahead", "position_right", "seed", "batch_size", "crop_seconds")
    differing = [name for name in same if state["options"][name] != getattr(work.options, name)]
    try:
        if differing:
            raise RuntimeError(f"{differing[0]} was {state['options'][differing[0]]}")
        work.student.load_state_dict(state["student"], strict=True)
        optimiser.load_state_dict(state["optimiser"])
    except (RuntimeError, ValueError) as error:
        raise DistillError(
            f"a run in {out} that does not fit ({str(error).splitlines()[0]})",
            "the same encoder and options",
            "Resume with what the run was started with.",
        ) from None
    return state["step"], state["used"], state["before"]
