"""Several voices: one AnimatorPool beside as many animators, one core, 40 ms of every voice per round.

    python benchmarks/pool.py [--package default] [--precision int8] [--voices 1 4 16] [--seconds 4] [--json]

Figures, per number of voices N: `pool_rtf_N` and `animators_rtf_N` (CPU seconds per second of audio of all voices
together: below 1 they run in real time on one core), `speedup_N` (animators over pool). `bits_differ` counts vertices'
coordinates in which a voice of a pool differs from the voice alone: 0. `cpu_per_wall`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import soundfile

import emoface
import measure

BLOCK_MS = 40
SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"


def step_pool(pool: emoface.AnimatorPool, chunks: list[np.ndarray], out: list[emoface.FrameBatch]) -> None:
    out.extend(pool.step_all(chunks))


def step_animators(animators: list[emoface.Animator], chunks: list[np.ndarray], out: list[emoface.FrameBatch]) -> None:
    out.extend(animator.step(chunk) for animator, chunk in zip(animators, chunks, strict=True))


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--precision", default=None, help="int8, fp32 or fp16 (default: the package's)")
    arguments.add_argument("--backend", default="ort-cpu")
    arguments.add_argument("--voices", type=int, nargs="+", default=[1, 4, 16])
    arguments.add_argument("--seconds", type=float, default=4.0, help="audio per voice")
    choices = arguments.parse_args()
    package = emoface.Package.load(choices.package)
    speech, rate = soundfile.read(SPEECH, dtype="float32")
    options = {"sample_rate": rate, "block_ms": BLOCK_MS}
    chosen = {"backend": choices.backend, "precision": choices.precision}
    size = rate * BLOCK_MS // 1000
    rounds = max(10, int(choices.seconds * 1000 / BLOCK_MS))
    figures: dict[str, float] = {}
    timings: list[measure.Timing] = []
    differ = 0
    for count in choices.voices:
        pool = package.pool(count, **options, **chosen)
        animators = [package.animator(**options, **chosen) for _ in range(count)]
        sounds = [np.roll(speech, -voice * len(speech) // count) for voice in range(count)]
        together, alone = measure.Timing(), measure.Timing()
        for index in range(rounds):  # in turns, so that a busy machine hits both alike
            chunks = [np.take(sound, range(index * size, (index + 1) * size), mode="wrap") for sound in sounds]
            batches: list[emoface.FrameBatch] = []
            singles: list[emoface.FrameBatch] = []
            together.add(partial(step_pool, pool, chunks, batches))
            alone.add(partial(step_animators, animators, chunks, singles))
            differ += sum(int((a.vertices != b.vertices).sum()) for a, b in zip(batches, singles, strict=True))
        seconds = rounds * BLOCK_MS / 1000
        # The median: a round that a busy machine interrupts costs several times as much.
        pool_rtf, animators_rtf = (rounds * t.median_ms / 1000 / seconds for t in (together, alone))
        figures |= {
            f"pool_rtf_{count}": pool_rtf,
            f"animators_rtf_{count}": animators_rtf,
            f"speedup_{count}": animators_rtf / pool_rtf,
        }
        timings += [together, alone]
        pool.close()
    figures |= {"bits_differ": float(differ), "cpu_per_wall": measure.cpu_per_wall(timings)}
    print(f"{package.manifest.name}, {choices.precision or package.manifest.default_precision}, {choices.backend}")
    measure.finish("pool", figures, choices.json)


if __name__ == "__main__":
    main()
