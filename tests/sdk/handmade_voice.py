"""The handmade package with eyes that can blink, and with emotion features that a voice can be calibrated on."""

from __future__ import annotations

import io
import json

import handmade
import numpy as np
import onnx
from onnx import helper

LIDS = {"eyeBlinkLeft": ((0, 1), (2, 3)), "eyeBlinkRight": ((4, 5), (6, 7))}
"""Shape -> pairs of an upper and a lower vertex."""
GAPS = (0.02, 0.017)


def blinking_face() -> dict[str, np.ndarray]:
    """The strip with four pairs of lids and four shapes: the lids meet to a tenth of their distance."""
    arrays = handmade.face_arrays()
    template = arrays["template"]
    shapes = {
        name: np.zeros_like(template) for name in ("browInnerUp", "eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "odd")
    }
    for side, (name, pairs) in zip((-1, 1), LIDS.items(), strict=True):
        for place, (upper, lower) in enumerate(pairs):
            gap, x = np.float32(GAPS[place]), side * (0.03 + 0.01 * place)
            template[lower] = (x, 0.01, 0.05)
            template[upper] = (x, 0.01 + gap, 0.05)
            shapes[name][upper] = (0, -0.8 * gap, 0.002)
            shapes[name][lower] = (0, 0.1 * gap, 0.002)
    shapes["browInnerUp"][8:10, 1] = 0.01
    shapes["jawOpen"][10:, 1] = -0.03
    shapes["odd"][:] = np.random.default_rng(7).normal(0, 0.005, template.shape)
    arrays["blendshape_names"] = np.array(list(shapes))
    arrays["blendshapes"] = np.stack(list(shapes.values())).astype(np.float32)
    arrays["mask_eyeballs"] = np.array([11], np.int32)
    return arrays


def with_lids(files: dict[str, bytes], **changes: np.ndarray) -> dict[str, bytes]:
    """The package with that face; arrays of `face.npz` may be replaced."""
    return handmade.with_file(files, "face.npz", handmade.npz(**{**blinking_face(), **changes}))


def without_shapes(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same face, its blendshapes taken away."""
    with np.load(io.BytesIO(files["face.npz"])) as face:
        arrays = {name: face[name] for name in face.files if not name.startswith("blendshape")}
    return handmade.with_file(files, "face.npz", handmade.npz(**arrays))


def with_emotion(files: dict[str, bytes]) -> dict[str, bytes]:
    """The stage `mood` gives its features (n, D), the speaker's mean removed, too."""
    model = onnx.load_from_string(files["mood.onnx"])
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name == "c":
                    names[place] = "emotion"
    outputs = [helper.make_tensor_value_info("emotion", handmade.F, ["B", "n", handmade.D]), *model.graph.output]
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    onnx.checker.check_model(model)
    manifest = json.loads(files["manifest.json"])
    manifest["stages"][1]["outputs"].insert(0, {"name": "emotion", "shape": ["B", "n", handmade.D], "dtype": "float32"})
    changed = {**files, "manifest.json": json.dumps(manifest).encode()}
    return handmade.with_file(changed, "mood.onnx", model.SerializeToString())


def neutral_speech(seconds: float = 3.0, rate: int = 16000, seed: int = 3) -> np.ndarray:
    """Float32 bursts of 0.4 s of noise with pauses of 0.1 s."""
    random = np.random.default_rng(seed)
    audio = (0.1 * random.standard_normal(round(seconds * rate))).astype(np.float32)
    audio[np.arange(len(audio)) % (rate // 2) >= rate * 2 // 5] = 0
    return audio
