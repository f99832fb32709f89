"""The examples that deploy: profiling in CI, and a model of one's own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import emoface
from emoface.verification import verify_cuts, verify_golden

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(command: list[object], **environment: str) -> subprocess.CompletedProcess[str]:
    given = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=900, env=given, check=False)


def test_profile_and_compare_finds_equal_runs_and_writes_everything(workplace: Path, tiny_package: Path) -> None:
    # A limit that a busy machine does not reach: what is tested is the way, not the speed.
    command = ["bash", EXAMPLES / "profile_and_compare.sh", tiny_package, tiny_package, "out"]
    environment = {"EMOFACE": str(Path(sys.executable).parent / "emoface"), "SECONDS_OF_AUDIO": "1", "LIMIT": "100000%"}
    done = run(command, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "regressions above 100000 %: none" in done.stdout
    names = {path.name for path in Path("out").iterdir()}
    assert names == {"before.json", "after.json", "after.trace.json", "after.png", "diff.json"}
    assert json.loads(Path("out/diff.json").read_text())["regressions"] == []
    # The same script fails where the second run is worse.
    worse = json.loads(Path("out/before.json").read_text())
    worse["steps"]["total_ms"]["p50"] += 1000
    Path("out/worse.json").write_text(json.dumps(worse))
    diff = [environment["EMOFACE"], "profile", "--diff", "out/before.json", "out/worse.json", "--fail-above", "10%"]
    assert run(diff).returncode == 1


def test_custom_step_model_is_a_package_like_any_other(workplace: Path, tiny_package: Path) -> None:
    done = run([sys.executable, EXAMPLES / "custom_step_model.py", "--audio", "speech.wav", "--face", tiny_package])
    assert done.returncode == 0, done.stdout + done.stderr
    normal, strong = (float(value) for value in re.findall(r"up to ([\d.]+) mm", done.stdout))
    assert 0 < normal < strong
    package = emoface.Package.load("jaw.emoface")
    assert [stage.name for stage in package.manifest.stages] == ["hearing", "jaw"]
    assert all(check.passed for check in (*verify_golden(package), *verify_cuts(package)))
    audio = (0.3 * np.random.default_rng(0).standard_normal(8000)).astype(np.float32)
    with package.pool(3) as pool, package.animator() as animator:
        alone = animator.step(audio)
        for batch in pool.step_all([audio] * 3):
            assert batch.vertices.tobytes() == alone.vertices.tobytes()
