"""How much of the synthetic jaw's motion follows from phonemes alone: what no model can know of a voice, and timing.

    python benchmarks/jaw_ceiling.py CORPUS [--split validation] [--clips 100] [--json]

The motion of each clip is made once more from its own phonemes by the corpus' rules, with one part left out or moved,
and the drop of its lower teeth is correlated with the stored motion's, all frames together. Figures: `r_everything`
(loudness from the recorded sound), `r_mean_style` (a style between all for the actor's), `r_neutral` (articulation and
expression of the neutral emotion), `r_even_loudness` (every syllable as loud as the mean), `r_phonemes_alone` (none of
the three known), `r_boundaries_<n>ms` (phoneme boundaries off by a normal error of so many ms), `r_late_frame` (the
stored motion one frame late).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import numpy as np

import measure
from emoface_training.data.corpus import FPS, Corpus
from emoface_training.data.synthetic import expression
from emoface_training.data.synthetic.phonemes import Segment
from emoface_training.data.synthetic.rig import Rig
from emoface_training.measures.tracks import correlation
from emoface_training.vocabulary import EMOTIONS

BETWEEN_ALL = expression.Style(*[1.0] * len(expression.Style._fields))
BOUNDARY_ERRORS_MS = (10, 20, 30, 40)


class Jaw:
    """Drop [T] in metres of the lower teeth, from rig parameters [T, P], without the other vertices."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        teeth = rig.masks["teeth_lower"]
        self.fields = -rig.fields.reshape(len(rig.fields), -1, 3)[:, teeth, 1].astype(np.float64).mean(1)

    def __call__(self, parameters: np.ndarray) -> np.ndarray:
        return self.rig.coefficients(parameters).astype(np.float64) @ self.fields


def misplaced(segments: Sequence[Segment], seconds: float, generator: np.random.Generator) -> list[Segment]:
    """The segments with inner boundaries off by a normal error of that standard deviation, in order."""
    inner = np.array([segment.start for segment in segments[1:]])
    inner = np.maximum.accumulate(inner + generator.normal(0.0, seconds, len(inner)))
    edges = [segments[0].start, *np.clip(inner, segments[0].start, segments[-1].end), segments[-1].end]
    moved = [Segment(s.phoneme, a, b) for s, a, b in zip(segments, edges[:-1], edges[1:], strict=True)]
    return [segment for segment in moved if segment.end - segment.start > 1e-3]


def ceilings(clips: Sequence[tuple[Any, Any]], rig: Rig) -> dict[str, float]:
    """Figures of (reference, clip) pairs."""
    jaw = Jaw(rig)
    energies = [expression.energy_envelope(clip.audio, len(clip.parameters)) for _, clip in clips]
    even = float(np.mean(np.concatenate(energies)))
    truth = [jaw(clip.parameters) for _, clip in clips]

    def made(style: bool = True, emotion: bool = True, loudness: bool = True, error_ms: float = 0.0) -> float:
        errors, manner = np.random.default_rng(0), np.random.default_rng(0)
        tracks = []
        for (reference, clip), energy in zip(clips, energies, strict=True):
            segments = misplaced(clip.phonemes, error_ms / 1000, errors) if error_ms else clip.phonemes
            parameters = expression.motion(
                segments,
                energy if loudness else np.full_like(energy, even),
                EMOTIONS[reference.emotion] if emotion else "neutral",
                reference.level if emotion else 0,
                expression.actor_style(reference.actor) if style else BETWEEN_ALL,
                manner,
            )
            tracks.append(jaw(parameters))
        return correlation(np.concatenate(tracks), np.concatenate(truth))

    late = np.concatenate([np.concatenate([track[:1], track[:-1]]) for track in truth])
    return {
        "r_everything": made(),
        "r_mean_style": made(style=False),
        "r_neutral": made(emotion=False),
        "r_even_loudness": made(loudness=False),
        "r_phonemes_alone": made(style=False, emotion=False, loudness=False),
        **{f"r_boundaries_{error}ms": made(error_ms=error) for error in BOUNDARY_ERRORS_MS},
        "r_late_frame": correlation(late, np.concatenate(truth)),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", metavar="CORPUS")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    references = Corpus.open(arguments.corpus).clips(arguments.split)
    places = np.linspace(0, len(references) - 1, min(arguments.clips, len(references))).round().astype(int)
    figures = ceilings([(references[i], references[i].load()) for i in places], Rig.load())
    if not arguments.json:
        print(f"{len(places)} clips of {arguments.split}; one frame is {1000 / FPS:.1f} ms")
    measure.finish("jaw_ceiling", figures, arguments.json)


if __name__ == "__main__":
    main()
