"""What the fuzzers start from: valid inputs of each kind, and every row of the tests' tables of refused ones.

python csrc/fuzz/make_seeds.py FOLDER   FOLDER/package.emoface, its files in FOLDER/files, FOLDER/voiced.emoface, and
                                        FOLDER/corpus/TARGET/
python csrc/fuzz/make_seeds.py --tiny   writes csrc/fuzz/seeds/tiny.emoface again
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("sdk", "runtime", "format")]

import graph_building  # noqa: E402
import graph_cases  # noqa: E402  (the tests' tables and their handmade package)
import handmade  # noqa: E402
import handmade_basis  # noqa: E402
import handmade_face  # noqa: E402
import handmade_head  # noqa: E402
import handmade_voice  # noqa: E402
import package_changes  # noqa: E402
import snapshot_cases  # noqa: E402
from snapshot_drafts import Draft  # noqa: E402

from emoface import Package  # noqa: E402
from emoface.graphs.bounds import check_operators  # noqa: E402
from emoface.graphs.check import stage_bounds  # noqa: E402
from emoface.graphs.model import OWN, GraphError, read_model  # noqa: E402
from emoface.graphs.operators import OPERATORS  # noqa: E402
from emoface.manifest import Manifest  # noqa: E402
from emoface.rig import RigControls  # noqa: E402

TARGETS = ("archive", "manifest", "arrays", "graph", "snapshot", "step")
_LARGEST = 1 << 17  # larger seeds would be cut by the fuzzers


class Corpus:
    """The seeds of one target, each in a file named for its bytes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def add(self, data: bytes) -> None:
        if len(data) <= _LARGEST:
            (self._folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def package_files(folder: Path) -> dict[str, bytes]:
    """The handmade package with noise, a head, every asset, blendshapes that blink and short golden vectors."""
    files = handmade_head.package_files()
    with np.load(io.BytesIO(files["face.npz"])) as face:
        arrays = dict(face) | handmade_face.assets()
    shapes = np.random.default_rng(3).normal(0, 0.01, (4, len(arrays["template"]), 3))
    arrays["blendshape_names"] = np.array(["jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "größe"])
    arrays["blendshape_step"] = np.full(4, 1e-5, np.float32)
    arrays["blendshapes"] = np.round(shapes / 1e-5).astype(np.int16)
    files = handmade.with_file(files, "face.npz", handmade.npz(**arrays))
    for name, image in handmade_face.TEXTURES.items():
        files = handmade.with_file(files, f"{name}.png", image)
    files = handmade.with_manifest(files, textures={name: f"{name}.png" for name in handmade_face.TEXTURES})
    plain = handmade.write_zip(folder / "plain.emoface", files)
    files = handmade.with_golden(Package.load(plain), files, samples=3200, kept=(0, 3))
    plain.unlink()
    return files


def parts(npz: bytes) -> bytes:
    """An npz file as fuzz_arrays takes it: name and bytes of each member, with their lengths."""
    with zipfile.ZipFile(io.BytesIO(npz)) as archive:
        items = [item for info in archive.infolist() for item in (info.filename.encode(), archive.read(info))]
    return joined(items)


def joined(parts: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def add_folders(files: dict[str, bytes], corpus: Corpus) -> None:
    """What may lie in a folder, as fuzz_archive takes it: in the place of a file, of the manifest, and beside them."""
    kinds = [b"\0x", b"\1", b"\2", *(b"\3" + b"x" * target for target in range(5)), b"\5"]
    kinds += [b"\4" + struct.pack("<I", size) + more for size in (0, 1 << 10, 1 << 27) for more in (b"", b"x")]
    for kind in kinds:
        for name in (
            b"mix.onnx",
            b"manifest.json",
            b"beside",
            b".hidden",
            b"._",
            b"README.md",
            b"LICENSE.rst",
            b"__MACOSX",
        ):
            corpus.add(b"DIR" + joined([name, kind]))
    manifest = json.loads(files["manifest.json"])
    for size in (1 << 27) + 4, (1 << 27) + 8, 1 << 28:
        manifest["files"]["mix.onnx"]["bytes"] = size
        hole = b"\4" + struct.pack("<I", 1 << 27) + b"x" * (size % 16 // 8)
        corpus.add(b"DIR" + joined([b"manifest.json", b"\0" + json.dumps(manifest).encode(), b"mix.onnx", hole]))
    many = [item for index in range(30) for item in (b"more%d" % index, b"\0")]
    corpus.add(b"DIR" + joined(many))


def add_packages(files: dict[str, bytes], corpora: dict[str, Corpus], folder: Path) -> None:
    """The package, and every change of tests/format."""
    corpora["archive"].add((folder / "package.emoface").read_bytes())
    for table in sorted((ROOT / "tests" / "format").glob("format*.json")):
        content = json.loads(table.read_text(encoding="utf-8"))
        base = package_changes.base_files(content["base"])
        for _, changes, *_ in content["cases"]:
            if "zip" not in package_changes.forms(changes):
                continue
            changed = package_changes.changed_files(base, changes)
            if "manifest.json" in changed:
                corpora["manifest"].add(changed["manifest.json"])
            if package_changes.OF_ZIP & {change[0] for change in changes}:
                written = package_changes.write_zip(folder / "changed.emoface", changed, changes)
                corpora["archive"].add(written.read_bytes())
                written.unlink()
            for which, name in enumerate(("face.npz", "golden.npz")):
                if changed.get(name) not in (None, base.get(name)):
                    try:
                        corpora["arrays"].add(bytes([which]) + parts(changed[name]))
                    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
                        continue  # an archive that Python cannot read either has no parts
    corpora["manifest"].add(files["manifest.json"])
    corpora["arrays"].add(b"\0" + parts(files["face.npz"]))
    corpora["arrays"].add(b"\1" + parts(files["golden.npz"]))


def add_graphs(files: dict[str, bytes], corpus: Corpus) -> None:
    """The package's graphs, and every graph of tests/format in the place of "mix"."""
    graphs = sorted(name for name in files if name.endswith(".onnx"))
    for index, name in enumerate(graphs):
        corpus.add(bytes([index]) + files[name])
    for case in graph_cases.CASES:
        corpus.add(bytes([graphs.index("mix.onnx")]) + case.build())
    manifest = Manifest.from_json(files["manifest.json"])
    said = set()
    for data in arithmetic_graphs():
        corpus.add(bytes([graphs.index("mix.onnx")]) + data)
    for operator, given, data in operator_graphs():
        # A refusal in the same words is the same place of the reader; a graph that is taken is slow to run.
        verdict = (operator, refusal(manifest, data) or given)
        if verdict not in said:
            said.add(verdict)
            corpus.add(bytes([graphs.index("mix.onnx")]) + data)


def refusal(manifest: Manifest, data: bytes) -> str:
    """What a reader says against the graph of "mix"; empty where it takes it."""
    stage = next(stage for stage in manifest.stages if "mix.onnx" in stage.files.values())
    try:
        model = read_model(data, {})
        check_operators(model)
        stage_bounds(manifest, stage, model)
    except GraphError as error:
        return f"{error.got}, not {error.expected}"
    return ""


def operator_graphs() -> Iterator[tuple[str, str, bytes]]:
    """An operator of every rule, over inputs and attributes of several kinds, with both: many fit, others nearly."""
    ints = {"one": (1,), "two": (2,), "minus": (-1,), "three": (1, 2, 3), "places": (0, 2, 1, 0)}
    constants = [graph_building.ints(name, *values) for name, values in ints.items()]
    constants += [graph_building.scalar("single", 2)]
    floats = {"square": (6, 6), "taps": (6, 1, 3), "row": (6,), "image": (1, 6, 4, 5)}
    values = {name: np.full(shape, 0.5, np.float32) for name, shape in floats.items()}
    constants += [numpy_helper.from_array(value, name) for name, value in values.items()]
    inputs = ("content", "content content", "content one", "content single", "content square", "content square row")
    inputs += ("content one two", "content one two two", "content row row row row", "three", "one three", "single")
    inputs += ("single single single", "image", "image taps row", "content places", "content three", "taps one minus")
    attributes: tuple[dict[str, Any], ...] = ({}, {"axis": 1}, {"axis": -1, "keepdims": 0}, {"perm": [0, 2, 1]})
    attributes += ({"kernel_shape": [2, 2], "strides": [1, 2]}, {"to": 7}, {"axes": [1]}, {"start": 1, "end": 2})
    of_rule = {rule: operator for operator, rule in reversed(OPERATORS.items())}
    for domain, name in of_rule.values():
        for text in inputs:
            for given in attributes:
                node = helper.make_node(name, text.split(), ["made"], domain=domain, **given)
                build = graph_building.graph(node, constants=constants, domains=[domain] if domain else [])
                yield name, str(given), build()


def arithmetic_graphs() -> Iterator[bytes]:
    """Whole numbers that depend on n, fixed ones and unknown ones, through every operator that follows them."""
    node = helper.make_node
    fixed = {"three": (1, 2, 3), "large": (7, 40, 1 << 40), "minus": (-3, -1, -7), "one": (1,), "zero": (0, 0, 0)}
    constants = [graph_building.ints(name, *values) for name, values in fixed.items()]
    constants += [numpy_helper.from_array(np.float32([1.5, 2, -3]), "reals"), graph_building.scalar("single", 2)]
    constants += [graph_building.ints("ends", 0, 3), graph_building.ints("minus_one", -1)]
    shape = [node("Shape", ["content"], ["shape"]), node("ReduceMax", ["content"], ["peak"], keepdims=0)]
    # No reader knows what is in it.
    shape += [node("Cast", ["peak"], ["whole"], to=7), node("Mul", ["whole", "three"], ["unknown"])]
    operators = ["Add", "Sub", "Mul", "Max", "Min", "Sum", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]
    operators += ["Div", "Mod"]
    pairs = [("shape", other) for other in ("three", "large", "minus", "one", "single", "shape", "unknown", "zero")]
    pairs += [(right, left) for left, right in pairs] + [("minus", "three"), ("large", "three"), ("three", "minus")]
    for left, right in pairs:
        nodes = [node(name, [left, right], [f"of_{name}"]) for name in operators if (name, right) != ("Div", "zero")]
        nodes += [node("And", ["of_Less", "of_Equal"], ["both"]), node("Or", ["of_Less", "of_Equal"], ["either"])]
        nodes += [node("Not", ["both"], ["not"]), node("Where", ["either", left, right], ["chosen"])]
        nodes += [node("Cast", [of], [f"{of}_{to}"], to=to) for of in ("chosen", "either") for to in (1, 6, 7, 9, 10)]
        nodes += [node("CastLike", ["either", left], ["like"]), node("Mod", [left, "three"], ["rest"], fmod=1)]
        nodes += [node("Clip", [left, "single", "single"], ["between"]), node("Clip", [left, "", "single"], ["below"])]
        nodes += [node(name, ["of_Sub"], [f"a_{name}"]) for name in ("Neg", "Abs", "Identity")]
        kinds = ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin")
        nodes += [node(name, ["of_Sub"], [f"a_{name}"], keepdims=0) for name in kinds]
        yield graph_building.graph(*shape, *nodes, constants=constants)()
    moved = [
        node("Slice", ["shape", "one", "ends"], ["wrong"]),
        node("Slice", ["shape", "one", "minus_one"], ["middle"]),
        node("Slice", ["shape", "minus_one", "one", "", "minus_one"], ["back"]),
        node("Slice", ["shape", "minus_one", "unknown"], ["open"]),
        node("Split", ["shape", "ends"], ["none", "all"]),
        node("Gather", ["shape", "ends"], ["outside"]),
        node("Gather", ["shape", "minus_one"], ["last"]),
        node("Expand", ["one", "one"], ["same"]),
        node("Constant", [], ["given"], value_floats=[1.5, 2.0]),
        node("Constant", [], ["texts"], value_string=b"x"),
        node("ConstantOfShape", ["one"], ["ones"], value=numpy_helper.from_array(np.float32([2.5]))),
        node("ConstantOfShape", ["one"], ["many"], value=numpy_helper.from_array(np.ones((2, 2), np.float32))),
        node("Slice", ["content", "minus_one", "zero", "one", "minus_one"], ["reversed"]),
        node("Slice", ["content", "single", "one"], ["scalar"]),
        node("Tile", ["content", "unknown"], ["repeated"]),
        node("Reshape", ["content", "unknown"], ["somehow"]),
        node("Transpose", ["content"], ["twice"], perm=[0, 0, 1]),
        node("CastLike", ["reals", "three"], ["rounded"]),
    ]
    for one in moved:
        yield graph_building.graph(*shape, one, constants=constants)()
    # EmoFace's own operators: a function in the file, whose body any runtime can run.
    texts = ("content content content content", "content shape shape", "content taps content", "content")
    attributes: tuple[dict[str, Any], ...] = ({}, {"count": 2}, {"kernel": 2, "stride": 1}, {"kernel": 99, "stride": 0})
    constants.append(numpy_helper.from_array(np.full((6, 1, 3), 0.5, np.float32), "taps"))
    for name in (name for domain, name in OPERATORS if domain == OWN):
        for inputs in map(str.split, texts):
            for given in attributes:
                outputs = ("made", "more", "rest") if name in ("StreamAttention", "Delay") else ("made", "more")
                body = [node("Identity", ["x0"], [output]) for output in outputs]
                names = [f"x{index}" for index in range(len(inputs))]
                opsets = [helper.make_opsetid("", 17)]
                function = helper.make_function(OWN, name, names, outputs, body, opsets, list(given))
                own = node(name, inputs, outputs, domain=OWN, **given)
                yield graph_building.graph(*shape, own, constants=constants, functions=[function], domains=[OWN])()


def add_snapshots(package: Package, corpus: Corpus) -> None:
    """Streams at several places, and every row of the table."""
    audio = (0.1 * np.random.default_rng(0).standard_normal(5500)).astype(np.float32)
    made = {}
    plain = {"backend": "ort-cpu", "channels": 1, "blinks": False}
    shaped = {**plain, "blendshapes": True, "controls": RigControls(upper_smoothing=0.1, lower_smoothing=0.1)}
    for of in (snapshot_cases.START, snapshot_cases.MIDDLE, snapshot_cases.END, snapshot_cases.SHAPED):
        with package.animator(**(shaped if of == snapshot_cases.SHAPED else plain)) as animator:
            if of != snapshot_cases.START:
                animator.step(audio)
            if of == snapshot_cases.END:
                animator.flush()
            else:
                animator.set_emotion("sad", at=2.0)
            made[of] = animator.snapshot()
            corpus.add(made[of])
    for case in (case for case in snapshot_cases.CASES if case.of in made):
        draft = Draft(made[case.of])
        case.change(draft)
        corpus.add(draft.pack())


def add_steps(corpus: Corpus) -> None:
    """Options and calls, in the order in which fuzz_step takes them."""
    random = np.random.default_rng(0)
    for kind in (2, 3 | 2 << 4, 4 | 8, 1 | 4 << 4, 2 | 1 << 4, 2 | 3 << 4):
        width = (4, 8, 2, 4, 1)[kind >> 4 & 7] * (2 if kind & 8 else 1)
        samples = (0.1 * random.standard_normal(1000 * width // 4)).astype(np.float32).tobytes()
        calls = [struct.pack("<BH", 1, 1000) + samples, struct.pack("<BBh", 201, 1, 50), b"\xe0"]
        calls += [struct.pack("<Bh", 161, 500), b"\xfa", struct.pack("<BH", 236, 60000), struct.pack("<BH", 241, 3)]
        calls += [struct.pack("<Bh", 163, 500), struct.pack("<BH", 237, 60000), b"\xb4"]
        for options in (0, 1, 2, 4, 6, 8, 12, 16, 20, 35, 99, 128, 255):
            for block in (2, 10):  # with vertices and without
                head = bytes([kind]) + (b"" if kind & 8 else b"\1") + bytes([1, block, options])
                corpus.add(head + bytes(taken_by(options)) + b"\0" + b"".join(calls))
    head = bytes([2, 1, 1, 2])
    for call in calls:
        corpus.add(head + bytes([0, 0, 0, 0, 0, 0]) + call)
    for wrong in range(17):
        corpus.add(head + bytes([16, 0, 0, 0, 0, wrong]) + calls[0])
    for refused in range(20):
        corpus.add(head + bytes([0, 0, 0, 0, 0, 0]) + bytes([244, refused]))
        corpus.add(head + bytes([0, 0, 0, 0, 0, 0]) + bytes([244, 64 + refused, 160, 0, 0, 244, refused]))


def taken_by(options: int) -> int:
    """Bytes that these options take behind them."""
    return 4 + (3 if options & 2 else 0) + (1 if options & 64 else 0) + (5 if options & 128 else 0)


def main() -> None:
    if sys.argv[1] == "--tiny":
        handmade.write_zip(HERE / "seeds" / "tiny.emoface", handmade.package_files())
        return
    warnings.simplefilter("ignore")  # archives with a name twice are meant
    folder = Path(sys.argv[1])
    (folder / "files").mkdir(parents=True, exist_ok=True)
    corpora = {name: Corpus(folder / "corpus" / name) for name in TARGETS}
    files = package_files(folder)
    for name, data in files.items():
        (folder / "files" / name).write_bytes(data)
    path = handmade.write_zip(folder / "package.emoface", files)
    # One that can be calibrated on a voice, with its motion in a basis
    moved = handmade_basis.with_basis(handmade_voice.with_lids(handmade.package_files()))
    moved = handmade_head.with_head(moved)
    handmade.write_zip(folder / "voiced.emoface", handmade_voice.with_emotion(moved))
    add_packages(files, corpora, folder)
    add_folders(files, corpora["archive"])
    add_graphs(files, corpora["graph"])
    add_snapshots(Package.load(path), corpora["snapshot"])
    add_steps(corpora["step"])


if __name__ == "__main__":
    main()
