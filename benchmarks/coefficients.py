"""What a stream costs with vertices and without, at the bundled model's size, one core.

    python benchmarks/coefficients.py --work DIR [--seconds 20] [--json]

Three packages with random weights (time does not depend on them, the faces mean nothing) on the bundled head, with a
motion basis of 32 shapes and int8 encoders; they are exported once into --work by the normal exporter, and reused:

    emoface         offsets beside coefficients; the decoder makes vertices for its own feedback
    emoface_bare    coefficients alone; vertices, where asked for, are made by the runtime; the feedback as before
    faceformer_bare the same of a model of one branch, which is fed with its coefficients: no vertex anywhere

Each is fed 100 ms of audio per call, with `vertices=True` and `vertices=False` in turns, on ONNX Runtime alone and with
EmoFace's kernels (`_native`). Blinks, gaze and head sway are off in both. Figures, of CPU time: `<package>_ms`,
`<package>_without_ms` (median of a call) and `<package>_ratio` (without / with); `cpu_per_wall`: above 1.05 more than
one core was used.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import emoface
import measure  # sets one thread before numpy loads
from emoface.backends import available_backends
from emoface.options import BARE

BLOCK = 5  # features of 20 ms
RANK = 32
SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"
CONFIG = Path(__file__).parents[1] / "configs" / "default.yaml"
# package -> family, whether the graphs give offsets
PACKAGES = {"emoface": ("emoface", True), "emoface_bare": ("emoface", False), "faceformer_bare": ("faceformer", False)}
BACKENDS = {"ort-cpu": "", "ort-cpu-native": "_native"}


def model_of(family: str, face: Any) -> Any:
    """A model of the bundled size with random weights."""
    import torch
    import yaml
    from torch import nn

    from emoface_training.config import EmoFaceConfig, FaceFormerConfig
    from emoface_training.nn.emoface import EmoFace
    from emoface_training.nn.faceformer import FaceFormer
    from emoface_training.nn.spiral import build_spirals

    torch.manual_seed(0)
    chosen = yaml.safe_load(CONFIG.read_text())["model"]
    chosen |= {"vertices": len(face.template), "styles": [f"style_{index}" for index in range(16)]}
    # Of the size of motion: centimetres at coefficients of 1
    basis = 0.01 * torch.randn(RANK, 3 * len(face.template)) / RANK**0.5
    if family == "emoface":
        config = EmoFaceConfig.from_dict(chosen)
        mesh = config.mesh_attention
        spiral = torch.from_numpy(build_spirals(face.template, face.faces, mesh.kernel, mesh.dilation))
        model = EmoFace(config, spiral, basis)
    else:
        decoder = {key: value for key, value in chosen.pop("decoder").items() if key != "emotional_content"}
        del chosen["emotion_encoder"]
        model = FaceFormer(FaceFormerConfig.from_dict(chosen | {"decoder": decoder}), basis)
    for branch in model.motion.branches:
        # Mostly constant motion: random decoders would magnify the encoders' rounding to millimetres
        nn.init.normal_(branch.motion_head.weight, std=0.003)
        nn.init.normal_(branch.motion_head.bias, std=0.3)
    return model.eval()


def build(work: Path) -> None:
    """Export what is not there yet; stages that packages share are traced once."""
    import onnx
    import torch

    from emoface_export.export import ExportOptions, export_package
    from emoface_export.face_file import FaceArrays
    from emoface_export.onnx_export import ExportedStage, export_stage
    from emoface_export.package_manifest import PackageFacts

    torch.set_num_threads(1)
    traced: dict[tuple[str, str, tuple[str, ...]], tuple[ExportedStage, bytes]] = {}
    face = emoface.Package.load("default").face
    arrays = FaceArrays(face.template, face.faces, face.colours, dict(face.masks))
    for name, (family, vertices) in PACKAGES.items():
        path = work / f"{name}.emoface"
        if path.exists():
            continue
        print(f"building {path} (once; weights are random)", flush=True)
        model = model_of(family, face)

        def exporter(stage_name: str, stage: Any, shapes: Any, family: str = family) -> ExportedStage:
            key = family, stage_name, stage.output_names
            if key not in traced:
                made = export_stage(stage_name, stage, shapes)
                traced[key] = made, made.model.SerializeToString()
            made, data = traced[key]
            return ExportedStage(made.name, made.cadence, made.signature, onnx.load_from_string(data))

        facts = PackageFacts(name=f"{name}, random weights", block_features=BLOCK)
        options = ExportOptions(
            facts,
            ("int8",),
            folder=True,
            seconds=1.0,
            provenance={"weights": "random"},
            coefficients=True,
            vertices=vertices,
        )
        export_package(model, arrays, path, options, exporter=exporter)


def chunks() -> Iterator[np.ndarray]:
    """Endless bundled speech in pieces of 100 ms."""
    speech, rate = soundfile.read(SPEECH, dtype="float32")
    assert rate == 16000
    size = rate * BLOCK // 50
    while True:
        yield from (speech[start : start + size] for start in range(0, len(speech) - size, size))


def step(animator: emoface.Animator, audio: Iterator[np.ndarray]) -> None:
    animator.step(next(audio))


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--work", type=Path, required=True, help="folder for the exported packages")
    arguments.add_argument("--seconds", type=float, default=20.0, help="audio per alternative")
    choices = arguments.parse_args()
    choices.work.mkdir(parents=True, exist_ok=True)
    build(choices.work)
    calls = {}
    for name in PACKAGES:
        package = emoface.Package.load(choices.work / f"{name}.emoface")
        for backend, suffix in BACKENDS.items():
            if backend in available_backends():
                for vertices in (True, False):
                    animator = package.animator(backend=backend, vertices=vertices, **BARE)
                    calls[name + suffix, vertices] = partial(step, animator, chunks())
    timings = measure.interleave(calls, int(choices.seconds * 50 / BLOCK), warm_up=20)
    figures = {}
    for name in dict.fromkeys(name for name, _ in calls):
        whole, bare = (timings[name, vertices].median_ms for vertices in (True, False))
        figures |= {f"{name}_ms": whole, f"{name}_without_ms": bare, f"{name}_ratio": bare / whole}
    figures["cpu_per_wall"] = measure.cpu_per_wall(list(timings.values()))
    measure.finish("coefficients", figures, choices.json)


if __name__ == "__main__":
    main()
