"""Full-size encoders: two wav2vec2-base (or -large) encoders, fusion and decoders, live, on one core.

    python benchmarks/full_size.py --work DIR [--seconds 20] [--only base,large] [--backend B] [--json]

The weights are random: time does not depend on them, the faces mean nothing. Packages are exported once into --work by
the normal exporter (minutes, gigabytes) and reused. Everything runs through `Animator.step` with 100 ms of audio.

Figures: `rtf_base_int8_100ms`, `rtf_base_fp32_100ms`, `rtf_base_windowed` (int8, a window of 2 s encoded again for
every 100 ms: any checkpoint, no fine-tuning), `rtf_large_int8_100ms`: CPU seconds per second of audio, median over
rounds that take turns; `base_step_p50_ms`, `base_step_p95_ms`, `base_step_p99_ms`: wall time of one call of base int8;
`cpu_per_wall`: above 1.05 more than one core was used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

import emoface
import measure  # sets one thread before numpy loads
from emoface.backends import available_backends

BLOCK = 5  # features of 20 ms
LEFT, LOOK_AHEAD = 100, 6
WINDOW = 100
SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"
# variant -> (encoder, mode, precision, figure)
VARIANTS = {
    "base": ("base", "band", "int8", "rtf_base_int8_100ms"),
    "base-fp32": ("base", "band", "fp32", "rtf_base_fp32_100ms"),
    "base-windowed": ("base", "window", "int8", "rtf_base_windowed"),
    "large": ("large", "band", "int8", "rtf_large_int8_100ms"),
}


def encoder_config(size: str, mode: str):  # type: ignore[no-untyped-def]
    """wav2vec2-base (group norm, post-norm) or wav2vec2-large-lv60 (layer norm, pre-norm)."""
    from emoface_training.config import EncoderConfig
    from emoface_training.encoders.distill import spread

    sizes = {
        "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
        "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
    }
    large = size == "large"
    window = mode == "window"
    layers = sizes[size]["num_hidden_layers"]
    return EncoderConfig(
        **sizes[size],
        conv_dim=(512,) * 7,
        conv_bias=large,
        feat_extract_norm="layer" if large else "group",
        do_stable_layer_norm=large,
        num_conv_pos_embeddings=128,
        left=None if window else LEFT,
        right=None if window else spread(LOOK_AHEAD, layers),
        position_right=None if window else 0,
        group_norm_statistics="utterance" if large or window else "fixed",
        window=WINDOW if window else None,
        window_right=LOOK_AHEAD if window else 0,
        window_block=BLOCK,
    )


def build(path: Path, size: str, mode: str, precisions: tuple[str, ...]) -> None:
    """Export a model with random weights on the bundled head."""
    import torch

    from emoface_export.export import ExportOptions, export_package
    from emoface_export.face_file import find_face
    from emoface_export.package_manifest import PackageFacts
    from emoface_training.config import EmoFaceConfig
    from emoface_training.nn.emoface import EmoFace
    from emoface_training.nn.spiral import build_spirals

    torch.set_num_threads(1)
    torch.manual_seed(0)
    encoder = encoder_config(size, mode)
    face = emoface.Package.load("default").face
    config = EmoFaceConfig(vertices=len(face.template), content_encoder=encoder, emotion_encoder=encoder)
    mesh = config.mesh_attention
    spiral = torch.from_numpy(build_spirals(face.template, face.faces, mesh.kernel, mesh.dilation))
    model = EmoFace(config, spiral)
    for branch in model.decoder.branches:
        # Mostly constant motion: random decoders would magnify the encoders' rounding to millimetres
        torch.nn.init.normal_(branch.motion_head.weight, std=0.0003)
        torch.nn.init.normal_(branch.motion_head.bias, std=0.005)
    facts = PackageFacts(name=f"wav2vec2-{size}, {mode}, random weights", block_features=BLOCK)
    options = ExportOptions(facts, precisions, folder=True, seconds=1.0, provenance={"weights": "random"})
    export_package(model, find_face(path, model, None), path, options, lambda text: print(f"  {text}", flush=True))


def package(work: Path, size: str, mode: str) -> emoface.Package:
    """The exported package, from `work` if it is there."""
    path = work / f"{size}-{mode}.emoface"
    if not path.exists():
        print(f"building {path} (once; weights are random)", flush=True)
        build(path, size, mode, ("fp32", "int8") if (size, mode) == ("base", "band") else ("int8",))
    return emoface.Package.load(path)


def chunks(seconds: float) -> Iterator[np.ndarray]:
    """Endless bundled speech in pieces of 100 ms."""
    speech, rate = soundfile.read(SPEECH, dtype="float32")
    assert rate == 16000
    size = rate * BLOCK // 50
    looped = np.concatenate([speech, speech[:size]])
    for index in range(int(seconds * 50 / BLOCK)):
        start = index * size % len(speech)
        yield looped[start : start + size]


def run(animator: emoface.Animator, seconds: float) -> measure.Timing:
    timing = measure.Timing()
    for chunk in chunks(seconds):
        timing.add(lambda chunk=chunk: animator.step(chunk))
    return timing


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--work", type=Path, required=True, help="folder for the exported packages")
    arguments.add_argument("--seconds", type=float, default=20.0, help="audio per variant, in ten rounds")
    arguments.add_argument("--only", default=",".join(VARIANTS), help="variants, separated by commas")
    arguments.add_argument("--backend", default=None, help="default: ort-cpu-native where it is built, else ort-cpu")
    choices = arguments.parse_args()
    wanted = choices.only.split(",")
    if not set(wanted) <= set(VARIANTS):
        arguments.error(f"--only {choices.only}: expected some of {', '.join(VARIANTS)}")
    backend = choices.backend or ("ort-cpu-native" if "ort-cpu-native" in available_backends() else "ort-cpu")
    choices.work.mkdir(parents=True, exist_ok=True)
    if hasattr(os, "sched_setaffinity"):  # one core, whatever a library may start
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    animators = {}
    for name in wanted:
        size, mode, precision, _ = VARIANTS[name]
        loaded = package(choices.work, size, mode)
        animators[name] = loaded.animator(backend=backend, precision=precision)
    for animator in animators.values():
        run(animator, 1.0)  # warm up: allocations, kernel selection
    rounds = {name: [] for name in animators}
    for _ in range(10):
        for name, animator in animators.items():
            rounds[name].append(run(animator, choices.seconds / 10))
    figures = {}
    for name, timings in rounds.items():
        per_second = [sum(t.cpu) / (len(t.cpu) * BLOCK / 50) for t in timings]
        figures[VARIANTS[name][3]] = float(np.median(per_second))
        walls = [1e3 * wall for t in timings for wall in t.wall]
        p50, p95, p99 = np.percentile(walls, [50, 95, 99])
        print(f"{name:14s} step p50 {p50:7.1f} ms  p95 {p95:7.1f}  p99 {p99:7.1f}  max {max(walls):7.1f}", flush=True)
        if name == "base":
            figures |= {"base_step_p50_ms": p50, "base_step_p95_ms": p95, "base_step_p99_ms": p99}
    figures["cpu_per_wall"] = measure.cpu_per_wall([t for timings in rounds.values() for t in timings])
    print(f"backend {backend}, one core, 100 ms blocks, {LEFT} + {LOOK_AHEAD} features of context, random weights")
    measure.finish("full_size", figures, choices.json)


if __name__ == "__main__":
    main()
