"""Stream a public FaceFormer checkpoint: import, see what streaming changes in mm, export, feed sound in chunks.

    python examples/import_faceformer.py vocaset.pth --data VOCASET --audio speech.wav [--out faceformer.emoface]

Without a checkpoint it makes a small one of random weights under the published names, so that it runs anywhere; its
face only trembles. The command line does the same: `emoface faceformer import`, `emoface faceformer deviation`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import emoface
from emoface_export.export import ExportOptions, export_package
from emoface_export.face_file import FaceArrays
from emoface_export.package_manifest import PackageFacts
from emoface_training.clips.unlabelled_speech import read_clip
from emoface_training.data.opening import open_for_training
from emoface_training.faceformer.deviation import deviations, table
from emoface_training.faceformer.published_file import FaceFormerFile, Mode

SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"
CHUNK = 800  # samples: 50 ms at 16 kHz
D, C, STYLES, PERIOD = 16, 64, 8, 30


def stand_in(path: Path, vertices: int) -> None:
    """Random weights in the layout of FaceFormer's vocaset.pth, small."""
    torch.manual_seed(0)
    shapes = {"audio_feature_map": (D, C), "vertice_map": (D, 3 * vertices), "vertice_map_r": (3 * vertices, D)}
    layer = "transformer_decoder.layers.0."
    shapes |= {f"{layer}linear1": (2 * D, D), f"{layer}linear2": (D, 2 * D)}
    tensors = {"obj_vector.weight": torch.randn(D, STYLES)}
    for part in ("self_attn", "multihead_attn"):
        shapes[f"{layer}{part}.out_proj"] = (D, D)
        tensors[f"{layer}{part}.in_proj_weight"] = torch.randn(3 * D, D) / D**0.5
        tensors[f"{layer}{part}.in_proj_bias"] = torch.zeros(3 * D)
    norms = [(f"{layer}norm{i}", D) for i in (1, 2, 3)]
    audio = "audio_encoder."
    kernels = (10, 3, 3, 3, 3, 2, 2)
    for i, kernel in enumerate(kernels):
        name = f"{audio}feature_extractor.conv_layers.{i}.conv.weight"
        tensors[name] = torch.randn(C, 1 if i == 0 else C, kernel) / (kernel * (C if i else 1)) ** 0.5
    norms += [(f"{audio}feature_extractor.conv_layers.0.layer_norm", C), (f"{audio}feature_projection.layer_norm", C)]
    shapes[f"{audio}feature_projection.projection"] = (C, C)
    position = f"{audio}encoder.pos_conv_embed.conv."
    tensors |= {f"{position}weight_g": torch.ones(1, 1, 16), f"{position}weight_v": torch.randn(C, C // 16, 16)}
    tensors[f"{position}bias"] = torch.zeros(C)
    first = f"{audio}encoder.layers.0."
    norms += [(f"{audio}encoder.layer_norm", C), (f"{first}layer_norm", C), (f"{first}final_layer_norm", C)]
    shapes |= {f"{first}attention.{part}": (C, C) for part in ("q_proj", "k_proj", "v_proj", "out_proj")}
    shapes[f"{first}feed_forward.intermediate_dense"] = (2 * C, C)
    shapes[f"{first}feed_forward.output_dense"] = (C, 2 * C)
    for name, (rows, columns) in shapes.items():
        tensors[f"{name}.weight"] = torch.randn(rows, columns) / columns**0.5
        tensors[f"{name}.bias"] = torch.zeros(rows)
    for name, width in norms:
        tensors |= {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}
    tensors["vertice_map_r.weight"] *= 0.001
    angle = torch.arange(PERIOD)[:, None] / 10000 ** (torch.arange(0, D, 2) / D)
    tensors["PPE.pe"] = torch.stack([angle.sin(), angle.cos()], -1).flatten(1).repeat(21, 1)[None]
    torch.save(tensors, path)


def face_of(data: Path | None) -> FaceArrays:
    """The dataset's face, or the bundled one for the stand-in."""
    if data is None:
        face = emoface.Package.load("default").face
        return FaceArrays(face.template, face.faces, face.colours, dict(face.masks))
    face = open_for_training(data)[1]
    grey = np.full_like(face.template, 0.6)
    masks = {name: np.asarray(indices, np.int32) for name, indices in face.masks.items()}
    return FaceArrays(face.template, face.faces, grey, masks)


def main(argv: list[str] | None = None) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("checkpoint", type=Path, nargs="?", help="vocaset.pth or biwi.pth")
    arguments.add_argument("--data", type=Path, help="the dataset, for its face")
    arguments.add_argument("--audio", type=Path, default=SPEECH)
    arguments.add_argument("--windows", type=int, nargs="+", default=[50, 100], help="in features of 20 ms")
    arguments.add_argument("--out", type=Path, default=Path("faceformer.emoface"))
    choices = arguments.parse_args(argv)
    if choices.checkpoint and not choices.data:
        arguments.error("a checkpoint needs --data: its face is not in the file")

    face = face_of(choices.data)
    checkpoint = choices.checkpoint
    if checkpoint is None:
        checkpoint = choices.out.with_suffix(".pth")
        stand_in(checkpoint, len(face.template))
    file = FaceFormerFile(checkpoint)
    clip = torch.from_numpy(read_clip(choices.audio))
    modes = [Mode("window", length, look_ahead=10, block=10) for length in choices.windows]
    print(table(list(deviations(file, modes, [clip]))))

    facts = PackageFacts(choices.out.stem, licence="LicenseRef-FaceFormer", unit_in_metres=file.variant.unit_in_metres)
    report = export_package(file.model(modes[-1]), face, choices.out, ExportOptions(facts, seconds=2.0, force=True))
    print(f"{report.size / 1e6:.1f} MB  {choices.out}")

    frames = 0
    with emoface.Package.load(choices.out).animator(style=file.variant.subjects[0]) as animator:
        for begin in range(0, len(clip), CHUNK):
            frames += len(animator.step(clip[begin : begin + CHUNK].numpy()))
        frames += len(animator.flush())
        print(f"{frames} frames at {animator.fps} fps, {animator.latency.ms:.0f} ms behind the sound")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
