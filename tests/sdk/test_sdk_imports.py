"""Who may import whom, and how fast `import emoface` is."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import emoface

ROOT = Path(emoface.__file__).parent
ALLOWED = {
    "numpy",
    "onnxruntime",
    "soundfile",
    "emoface",
    "pygltflib",
    "av",
    "PIL",
    "cuda",
    "sounddevice",
    "websockets",
    "grpc",
    "grpc_health",
    "google",
}
# The optional libraries of writers, renderer, the plot of a profile and the GPU backends stay inside them.
ONLY_IN = {
    "pygltflib": ("writers",),
    "av": ("writers",),
    "PIL": ("writers", "render", "profile"),
    "cuda": ("backends",),
    "sounddevice": ("audio",),
    "websockets": ("live",),
    "grpc": ("live",),
    "grpc_health": ("live",),
    "google": ("live",),
}
LAZY = {"onnxruntime", "soundfile", "pygltflib", "av", "PIL", "cuda", "sounddevice"}


def _run(code: str) -> dict:
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def test_import_brings_nothing_heavy():
    modules = _run("import json, sys, emoface; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))")
    for heavy in ("torch", "onnxruntime", "numpy", "soundfile", "emoface_training", "emoface_export"):
        assert heavy not in modules


def test_all_public_names_load_without_torch_and_onnxruntime():
    code = (
        "import json, sys, emoface; [getattr(emoface, n) for n in emoface.__all__];"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    modules = _run(code)
    assert "numpy" in modules
    for heavy in ("torch", "onnxruntime", "soundfile", "emoface_training", "emoface_export", "PIL", "av"):
        assert heavy not in modules


def test_animating_imports_no_torch(package_path):
    code = (
        "import json, sys, numpy, emoface;"
        f"a = emoface.Animator.load({str(package_path)!r}); n = len(a.step(numpy.zeros(16000, 'f')));"
        "print(json.dumps({'frames': n, 'modules': sorted({m.split('.')[0] for m in sys.modules})}))"
    )
    result = _run(code)
    assert result["frames"] > 20
    for name in ("torch", "emoface_training", "emoface_export"):
        assert name not in result["modules"]


def _imports(path: Path) -> list[tuple[str, bool]]:
    """(top-level module, whether it is imported when the file is) of every import statement."""
    tree = ast.parse(path.read_text())
    inner = {
        id(node)
        for scope in ast.walk(tree)
        if isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef))
        or (isinstance(scope, ast.If) and "TYPE_CHECKING" in ast.unparse(scope.test))
        for node in ast.walk(scope)
    }
    found = []
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        found += [(name.split(".")[0], id(node) not in inner) for name in names]
    return found


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_sdk_file_imports_only_what_it_may(path):
    for module, at_import in _imports(path):
        if module in sys.stdlib_module_names:
            continue
        assert module in ALLOWED, f"{path} imports {module}"
        assert not (module in LAZY and at_import), f"{path} imports {module} at module level"
        if module in ONLY_IN:
            assert path.relative_to(ROOT).parts[0] in ONLY_IN[module]


def test_sdk_files_are_short():
    long = {str(path): n for path in ROOT.rglob("*.py") if (n := len(path.read_text().splitlines())) >= 400}
    assert not long


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Animater"):
        _ = emoface.Animater
    assert "Animator" in dir(emoface)
