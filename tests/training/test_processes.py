"""Two processes on the CPU (gloo), as `torchrun` and `accelerate launch` start them: one loss curve, one writer."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_run import run
from train_once import chosen

from emoface_training.errors import OptionsError
from emoface_training.loop.processes import Processes
from emoface_training.models import checkpoint

# Sums in another order, in float32, over five steps of each stage
TOLERANCE = 1e-4
OPTIONS = {
    "stage": "all",
    "steps": 5,
    "stage_a": {"batch_size": 4, "clips_per_speaker": 2, "accumulate": 2},
    "stage_b": {"batch_size": 4, "freeze_encoders_for": 0.4, "calibrated": 0.5},
}


def start(out: Path, rank: int, port: int) -> subprocess.Popen:
    environment = os.environ | {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, str(Path(__file__).with_name("train_once.py")), str(out), json.dumps(OPTIONS)]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parent
    )


def rows(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = [start(tmp_path / "two", rank, port) for rank in range(2)]
    torch.set_num_threads(1)
    run(tmp_path / "one", chosen(OPTIONS), stage="all")
    for rank, process in enumerate(both):
        out, log = process.communicate(timeout=120)
        assert process.returncode == 0, log
        assert f"process {rank} of 2" in out
        assert ("stage_b" in log) is (rank == 0)  # the main process alone shows and writes
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert len(two) == len(one) == 12  # five steps and a validation of each stage
    for ours, theirs in zip(two, one, strict=True):
        assert [ours[key] for key in ("stage", "kind", "step")] == [theirs[key] for key in ("stage", "kind", "step")]
        timed = {"seconds", "steps_per_second", "loading_share", "gradient", "stage", "kind"}
        tolerance = TOLERANCE if ours["kind"] == "train" else 100 * TOLERANCE
        for key in theirs.keys() - timed:
            assert ours[key] == pytest.approx(theirs[key], rel=tolerance, abs=1e-6), (key, ours["step"])
    weights = checkpoint.load_weights(tmp_path / "two" / "stage_b")[0]
    assert all(torch.isfinite(value).all() for value in weights.values())
    assert sorted(p.name for p in (tmp_path / "two").iterdir()) == sorted(p.name for p in (tmp_path / "one").iterdir())


def test_processes_that_do_not_find_each_other_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Alone:
        device, num_processes, process_index = torch.device("cpu"), 1, 0

        def __init__(self, **_: object) -> None: ...

    monkeypatch.setattr("accelerate.Accelerator", Alone)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert Processes.start().count == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(OptionsError, match="1 process of the 2"):
        Processes.start()
