"""Every status of the C interface through the backend `native`: the class that stands for it, with all its parts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import c_interface as abi
import handmade
import numpy as np
import pytest

from emoface import Package, errors
from emoface.backends import available_backends
from emoface.backends.native import NativeEngine, _errors, _runtime
from emoface.backends.native_errors import STATUS_ERRORS

pytestmark = pytest.mark.skipif(
    "native" not in available_backends(), reason="emoface._runtime is not built: set ONNXRUNTIME_ROOT"
)

HEADER = (abi.ROOT / "csrc/include/emoface.h").read_text(encoding="utf-8")
STATUSES = {name: int(value) for name, value in re.findall(r"#define EMOFACE_ERROR_(\w+) \((-\d+)\)", HEADER)}
LIST_ALL = """
import json, os, sys
import numpy as np
from emoface import Package
from emoface.errors import EmoFaceError
animator = Package.load(sys.argv[1]).animator(backend="native")
found = {}
for status in sys.argv[2:]:
    os.environ["PLANTED_STATUS"] = status
    try:
        animator.step(np.zeros(100, np.float32))
    except EmoFaceError as error:
        found[status] = [type(error).__name__, *error.args]
    animator.reset()
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def raised(api, package_path, tmp_path_factory) -> dict[int, list[str]]:
    """What `Animator.step` raises for every status: class and arguments."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler: apt install gcc")
    planted = tmp_path_factory.mktemp("planted") / "planted.so"
    source = abi.ROOT / "tests/runtime/planted_status.c"
    command = [compiler, "-shared", "-fPIC", f"-I{abi.ROOT / 'csrc/include'}", source, "-o", planted]
    subprocess.run(command, check=True)
    done = subprocess.run(
        [sys.executable, "-c", LIST_ALL, package_path, *map(str, STATUSES.values()), "-99"],
        env={**os.environ, "LD_PRELOAD": str(planted)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return {int(status): said for status, said in json.loads(done.stdout).items()}


@pytest.mark.parametrize("name", STATUSES)
def test_every_status_is_its_class_with_its_parts(raised, name):
    expected = STATUS_ERRORS[STATUSES[name]].__name__
    parts = ["a value \ufffd", "another", "Change it."]
    if name == "MANIFEST":
        parts = ["manifest.json", "stages[0].name", *parts]
    assert raised[STATUSES[name]] == [expected, *parts]


def test_a_status_of_a_newer_library_is_a_failure_of_the_runtime(raised):
    assert raised[-99][0] == "RuntimeFailure"


def files_of(package: Package) -> dict[str, bytes]:
    return {"manifest.json": package.manifest.to_text().encode()} | {
        name: package.file(name) for name in package.manifest.files
    }


def open_files(files: dict[str, bytes]):
    runtime = _runtime()
    with _errors(runtime):
        return runtime.Package(files)


def step(package, samples, **options):
    runtime = _runtime()
    given = {"precision": "fp32", "threads": 1, "block_ms": 0, "rate": 16000, "conditions": [], "noise_seed": 0}
    given |= {"skip_vertices": False, "identity": ""}
    with _errors(runtime):
        animator = runtime.Animator(package, **given | options)
        animator.step(np.asarray(samples, np.float32))
        return animator


def test_refused_packages_say_which_class_file_and_field(api, python_package):
    files = files_of(python_package)
    with pytest.raises(errors.PackageFormatError, match="format = 7"):
        open_files(handmade.with_manifest(files, format=7))
    with pytest.raises(errors.PackageIntegrityError, match="SHA-256"):
        open_files({**files, "face.npz": b"\0" * len(files["face.npz"])})
    with pytest.raises(errors.PackageIntegrityError, match="no such file"):
        open_files({name: data for name, data in files.items() if name != "face.npz"})
    with pytest.raises(errors.ManifestError) as caught:
        open_files(handmade.with_manifest(files, fps=-3))
    assert (caught.value.file, caught.value.field) == ("manifest.json", "fps")
    assert caught.value.args[2] == "-3"
    assert caught.value.expected and caught.value.remedy
    # The same fault as Python's reader finds: one class, one file, one field.
    with pytest.raises(errors.ManifestError) as pythons:
        type(python_package.manifest).from_json(handmade.with_manifest(files, fps=-3)["manifest.json"])
    assert (pythons.value.file, pythons.value.field) == (caught.value.file, caught.value.field)


def test_what_a_stream_refuses(api, python_package, sound):
    package = open_files(files_of(python_package))
    for kind, match, options in (
        (errors.PackageError, "fp16", {"precision": "fp16"}),
        (errors.AudioFormatError, "sample_rate", {"rate": 100}),
        (errors.UsageError, "multiple of 20 ms", {"block_ms": 30}),
        (errors.ConditionError, "mood", {"conditions": [("mood", np.zeros(2, np.float32))]}),
        (errors.ConditionError, "values", {"conditions": [("style", np.zeros(99, np.float32))]}),
    ):
        with pytest.raises(errors.EmoFaceError, match=match) as caught:
            step(package, [], **options)
        assert type(caught.value) is kind
    with pytest.raises(errors.AudioError, match="unusable"):
        step(package, [np.nan])
    animator = step(package, sound(0.3))
    with pytest.raises(errors.SnapshotError), _errors(_runtime()):
        animator.restore(b"x" * 100)
    animator.flush(0.0)
    with pytest.raises(errors.StreamEndedError), _errors(_runtime()):
        animator.step(np.zeros(10, np.float32))
    with pytest.raises(errors.BackendError, match="one ONNX Runtime per process"), _errors(_runtime()):
        _runtime().load_onnxruntime("/no/other/libonnxruntime.so")


def test_stages_are_not_probed(python_package):
    engine = NativeEngine(python_package, "fp32")
    clock = python_package.manifest.clock(python_package.manifest.block_features)
    with pytest.raises(errors.BackendError, match="ort-cpu"):
        engine.open_driver(python_package.manifest, clock, 16000, None, lambda *said: None)
