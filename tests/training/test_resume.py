"""Killed, interrupted, out of disk: what was saved stays, and a resumed run goes on as if nothing had happened."""

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import run, tiny_options
from train_once import chosen

from emoface.cli.main import main
from emoface_training import options
from emoface_training.data import corpus as corpus_module
from emoface_training.data.synthetic import rig as rig_module
from emoface_training.errors import CheckpointError, DivergedError, RunExistsError, SaveError, TrainingInterrupted
from emoface_training.loop.log import RunLog
from emoface_training.models import checkpoint
from emoface_training.runs import training_run

TIMED = ("seconds", "steps_per_second", "loading_share")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def rows(out: Path) -> list[dict]:
    """The training rows of the log, less what depends on the clock."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in TIMED} for line in lines if line["kind"] == "train"]


def same_weights(one: Path, two: Path) -> bool:
    ours, theirs = (checkpoint.load_weights(place)[0] for place in (one, two))
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_a_run_killed_in_mid_epoch_resumes_to_the_same_bits(tmp_path: Path) -> None:
    # An epoch has three steps here; the checkpoint is that of step 4, a row of the log the mean of three steps
    changed = {"batch_size": 2, "log_every_steps": 3, "checkpoint_every_steps": 4, "length_buckets": 2}
    data = {"stage": "b", "steps": 9, "stage_b": changed}
    command = [
        sys.executable,
        str(Path(__file__).with_name("train_once.py")),
        str(tmp_path / "cut"),
        json.dumps(data),
        "6",
    ]
    killed = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [row["step"] for row in rows(tmp_path / "cut")] == [3, 6]
    assert checkpoint.load_state(tmp_path / "cut" / "stage_b")["step"] == 4
    run(tmp_path / "whole", chosen(data), stage="b")
    run(tmp_path / "cut", chosen(data), stage="b", resume=True)
    cut, whole = rows(tmp_path / "cut"), rows(tmp_path / "whole")
    # Step 6 was logged before the kill, and is trained again
    assert cut[:2] == whole[:2] and cut[2:] == whole[1:]
    assert same_weights(tmp_path / "cut" / "stage_b", tmp_path / "whole" / "stage_b")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_save_and_say_how_to_go_on(
    tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, write = tiny_options(5), RunLog.write

    def signalled(self: RunLog, kind: str, step: int, *rest: object) -> None:
        write(self, kind, step, *rest)
        if step == 2:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "write", signalled)
        with pytest.raises(TrainingInterrupted, match=r"after step 3 of stage_b.*--resume") as caught:
            run(tmp_path / "run", options, stage="b")
    assert caught.value.exit_code == 128 + number and signal.getsignal(number) is before
    run(tmp_path / "run", options, stage="b", resume=True)
    assert [row["step"] for row in rows(tmp_path / "run")] == [1, 2, 3, 4, 5]


def test_a_second_signal_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(RunLog, "write", impatient)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", tiny_options(3), stage="b")
    assert not (tmp_path / "run" / "stage_b").exists()


def test_a_signal_in_the_last_validation_of_a_stage_stops_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options, write = tiny_options(2), RunLog.write

    def signalled(self: RunLog, kind: str, *rest: object) -> None:
        write(self, kind, *rest)
        if kind == "validation":
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "write", signalled)
        with pytest.raises(TrainingInterrupted, match=r"after the end of stage_a.*--resume") as stopped:
            run(tmp_path / "run", options)
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert not (tmp_path / "run" / "stage_b").exists()
    assert run(tmp_path / "run", options, resume=True).keys() >= {"stage_a", "stage_b"}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "training_state.pt"])
def test_a_full_disk_is_named_and_leaves_the_previous_checkpoint(tmp_path: Path, name: str) -> None:
    """A limit on the size of files stands for the disk: the system refuses the write, whoever makes it."""
    options = dataclasses.replace(tiny_options(2), stage_a=None)
    run(tmp_path / "run", options, stage="b")
    place = tmp_path / "run" / "stage_b"
    before = {file.name: file.read_bytes() for file in place.iterdir()}
    model = training_run.new_model(
        options, ("a", "b"), TinyRig(), training_run.ClipStore.load(ToneCorpus().clips("train"), 30, 2)
    )
    # Just too little for the named file, enough for those before it
    sizes = {"config.json": 16, "model.safetensors": len(before["config.json"]) + 64, "training_state.pt": 0}
    state = {"step": 9, "used": 0.0, "padding": torch.zeros(10**6)}
    limit = sizes[name] or len(before["model.safetensors"]) + 4096
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(SaveError, match=rf"{name}.*--resume.*previous checkpoint in .*stage_b is intact"):
            checkpoint.save(place, model, state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {file.name: file.read_bytes() for file in place.iterdir()} == before
    assert [p.name for p in place.parent.iterdir() if p.name.startswith("stage_b")] == ["stage_b"]


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(SaveError, match=r"No space left on device.*log\.jsonl.*--resume"):
        RunLog(tmp_path, "stage_b").write("train", 1, 0.1, 1.0, {"loss": 1.0})


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A config file for the command; corpus and rig are the tests' own."""
    monkeypatch.setattr(corpus_module.Corpus, "open", lambda _: ToneCorpus(3))
    monkeypatch.setattr(rig_module.Rig, "load", lambda: TinyRig())
    path = tmp_path / "tiny.yaml"
    options = dataclasses.replace(tiny_options(2), stage_a=None)
    path.write_text(yaml.safe_dump(json.loads(json.dumps(options.to_dict()))))
    return path


def test_resuming_something_else_is_refused(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    arguments = ["train", str(tiny), "--data", "corpus", "--out", str(out), "--cpu"]
    assert main(arguments) == 0
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}

    def refused(changes: dict, words: str, *more: str) -> None:
        data = yaml.safe_load(tiny.read_text())
        other = tmp_path / "other.yaml"
        other.write_text(yaml.safe_dump(data | changes | {"stage_b": data["stage_b"] | changes.get("stage_b", {})}))
        capsys.readouterr()
        assert main([arguments[0], str(other), *arguments[2:], "--resume", *more]) == 2
        assert words in capsys.readouterr().err
        assert all(p.read_bytes() == content for p, content in before.items())

    refused({"seed": 4}, "got seed = 4 where", "--max-steps", "3")
    refused({"stage_b": {"learning_rate": 0.5}}, "stage_b.learning_rate")
    refused({"model": {**yaml.safe_load(tiny.read_text())["model"], "decoder": {"width": 32}}}, "got model =")
    with monkeypatch.context() as patch:
        patch.setattr(corpus_module.Corpus, "open", lambda _: ToneCorpus(4))
        refused({}, "trained on {'clips': 3, 'frames': 135}, this is {'clips': 4, 'frames': 180}")
    capsys.readouterr()
    assert main([*arguments, "--resume", "--max-steps", "3"]) == 0
    assert yaml.safe_load((out / "config.1.yaml").read_text())["stage_b"]["max_steps"] == 2


def test_a_run_killed_before_its_first_checkpoint_is_a_run_too(tmp_path: Path) -> None:
    (tmp_path / "run" / "tensorboard" / "stage_b").mkdir(parents=True)
    with pytest.raises(RunExistsError, match=r"run, where a run of stage_b ended before its first.*--resume"):
        run(tmp_path / "run", tiny_options(1), stage="b")
    with pytest.raises(CheckpointError, match=r"stage_b, which is not there.*before the first checkpoint.*--resume"):
        checkpoint.load(tmp_path / "run" / "stage_b")
    # Resuming is beginning, and from then on there is a stage to name
    run(tmp_path / "run", tiny_options(1), stage="b", resume=True)
    with pytest.raises(RunExistsError, match=r"which already holds stage_b.*--resume"):
        run(tmp_path / "run", tiny_options(1), stage="b")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunExistsError, match="which is a file"):
        run(tmp_path / "file", tiny_options(1), stage="b")
    assert (tmp_path / "file").read_text() == "mine"


def test_divergence_is_named_and_nothing_is_saved(tmp_path: Path) -> None:
    options = dataclasses.replace(tiny_options(4, loss_self=float("inf")), stage_a=None)
    with pytest.raises(DivergedError, match=r"step 0 of stage_b.*learning_rate"):
        run(tmp_path / "run", options)
    assert not (tmp_path / "run" / "stage_b").exists()


def test_float16_needs_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(training_run.OptionsError, match=r"stage_b\.float16 on a CPU"):
        run(tmp_path / "run", tiny_options(1, float16=True), stage="b")
    assert not (tmp_path / "run").exists()
    with pytest.raises(training_run.OptionsError, match="bfloat16 and float16"):
        tiny_options(1, float16=True, bfloat16=True)


def test_a_checkpoint_of_another_config_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "run", tiny_options(1), stage="b")
    wider = tiny_options(1, decoder={"width": 32})
    with pytest.raises(CheckpointError, match=r"run/stage_b.*decoder\.width 16 instead of 32"):
        run(tmp_path / "new", wider, stage="b", model_from=tmp_path / "run" / "stage_b")


def faceformer(steps: int, **stage_b: object) -> options.TrainingOptions:
    """The tiny model of the other family."""
    plain = tiny_options(steps, pairs=False, classification=False, **stage_b)
    model = {name: part for name, part in plain.model.items() if name not in ("emotion_encoder", "mesh_attention")}
    model = model | {"family": "faceformer", "resampling": "after-transformer"}
    return dataclasses.replace(plain, model=model, stage_a=None)


def test_a_checkpoint_of_another_family_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "ours", tiny_options(1), stage="b")
    run(tmp_path / "theirs", faceformer(1), stage="b")
    with pytest.raises(CheckpointError, match=r"ours/stage_b, a checkpoint of family 'emoface'.*'faceformer'"):
        run(tmp_path / "new", faceformer(1), stage="b", model_from=tmp_path / "ours" / "stage_b")
    with pytest.raises(CheckpointError, match=r"theirs/stage_b, a checkpoint of family 'faceformer'.*'emoface'"):
        run(tmp_path / "new", tiny_options(1), stage="b", resume=True, model_from=tmp_path / "theirs" / "stage_b")
    with pytest.raises(CheckpointError, match=r"theirs/stage_b.*emotion_encoder"):
        run(tmp_path / "more", tiny_options(1), stage="b", start_from=tmp_path / "theirs" / "stage_b")
    with pytest.raises(CheckpointError, match="got model ="):
        run(tmp_path / "theirs", tiny_options(1), stage="b", resume=True)
    # However its rows are split, the other family has one curve too
    for accumulate in (1, 2):
        run(tmp_path / f"a{accumulate}", faceformer(3, batch_size=4, accumulate=accumulate), stage="b")
    losses = [[row["loss"] for row in rows(tmp_path / f"a{accumulate}")] for accumulate in (1, 2)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
