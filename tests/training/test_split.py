"""However a step's rows are split, its loss, its gradients and its draws are those of the whole batch."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import run, tiny_options
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from emoface_training.clips.length_buckets import LengthBuckets
from emoface_training.clips.store import ClipStore
from emoface_training.errors import OptionsError
from emoface_training.loop import stage_loop
from emoface_training.loop.loading import Loader
from emoface_training.loop.processes import Processes
from emoface_training.loop.split import BatchRows, RowDropout, Split
from emoface_training.loop.stage_run import StageRun
from emoface_training.models.checkpoint import load_state
from emoface_training.runs import training_run
from emoface_training.stages.stage_a import StageA
from emoface_training.stages.stage_b import StageB

# Sums in another order, in float32
TOLERANCE = 2e-5


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def unequal_store() -> ClipStore:
    """Six clips of 0.5 to 1.75 s with pairs, whose means over frames differ from means over clips."""
    long = ToneCorpus(seconds=1.75).clips("train")
    clips = ClipStore.load(long, 30, 2).clips
    cut = [
        dataclasses.replace(c, audio=c.audio[: -(-16000 * n // 30)], parameters=c.parameters[:n])
        for c, n in zip(clips, (15, 22, 30, 37, 45, 52), strict=True)
    ]
    return ClipStore([dataclasses.replace(c, speaker=c.actor) for c in cut], 30, 2)


def task(stage: str, **changes: object) -> StageA | StageB:
    """Either stage with six clips per step; calibration, sampled vertices, cross rows, mixtures and dropout are on."""
    plain = {"batch_size": 6, "calibrated": 0.5, "loss_vertices": 18, "frame_gains": {"lips_close": 2.0}}
    chosen = tiny_options(5, **(plain | changes))
    store = unequal_store()
    model = training_run.new_model(chosen, ("a", "b"), TinyRig(), store)
    if stage == "b":
        return StageB(model, store, store, TinyRig(), chosen.stage_b, 3)
    options = dataclasses.replace(chosen.stage_a, batch_size=6, clips_per_speaker=3)
    return StageA(model, store, store, options, 3)


def gradients(stage: StageA | StageB, parts: list[range | None]) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Figures and gradients of step 5 at 0.4 of the stage, added up over the parts."""
    stage.set_train(True)
    figures: dict[str, float] = {}
    stage.model.zero_grad()
    for rows in parts:
        loss, terms = stage.loss(5, 0.4, stage.load(5, rows), rows)
        loss.backward()
        for name, value in (terms | {"loss": loss}).items():
            before = figures.get(name, 0.0) if isinstance(value, torch.Tensor) else 0.0
            figures[name] = before + (value.item() if isinstance(value, torch.Tensor) else value)
    return figures, {n: p.grad.clone() for n, p in stage.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("stage", ["a", "b"])
@pytest.mark.parametrize("parts", [(2, 1), (1, 3), (2, 2)])
def test_parts_add_up_to_the_whole_batch(stage: str, parts: tuple[int, int]) -> None:
    processes, accumulate = parts
    priced = {"loss_closure": 300.0} if stage == "b" else {}
    whole, expected = gradients(task(stage, **priced), [None])
    rows = [r for rank in range(processes) for r in Split(6, processes, rank, accumulate).micro]
    figures, found = gradients(task(stage, **priced), rows)
    assert figures.keys() == whole.keys() and expected.keys() == found.keys()
    assert figures == pytest.approx(whole, rel=TOLERANCE, abs=1e-7)
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=1e-3, atol=TOLERANCE * float(value.abs().max() + 1e-3)), name


def curve(out: Path) -> list[float]:
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if row["kind"] == "train"]


def test_accumulation_has_the_loss_curve_of_one_large_batch(tmp_path: Path) -> None:
    for accumulate in (1, 3):
        run(tmp_path / str(accumulate), tiny_options(6, batch_size=6, accumulate=accumulate), stage="b")
    assert curve(tmp_path / "3") == pytest.approx(curve(tmp_path / "1"), rel=1e-4)


def test_a_part_without_clips_is_refused() -> None:
    assert [list(rows) for rows in Split(7, 2, 1, 2).micro] == [[3, 4], [5, 6]]
    assert list(Split(7, 2, 0, 2).own) == [0, 1, 2]
    with pytest.raises(OptionsError, match="batch_size 3 for 2 processes with accumulate 2"):
        Split(3, 2, 0, 2)


def test_dropout_of_some_rows_is_that_of_the_whole_batch() -> None:
    x, index = torch.randn(5, 4, 8), torch.tensor([1, 4])
    torch.manual_seed(7)
    whole = nn.functional.dropout(x, 0.5)
    torch.manual_seed(7)
    assert torch.equal(RowDropout(0.5, BatchRows(index, 5))(x[index]), whole[index])


def test_buckets_draw_similar_lengths_and_every_clip_as_often_as_without() -> None:
    frames = [30, 31, 33, 60, 62, 65, 120, 125]
    buckets = LengthBuckets(frames, 3)
    assert sorted(i for members in buckets.members for i in members) == list(range(8))
    generator, counts = np.random.default_rng(0), np.zeros(8)
    for _ in range(4000):
        drawn = buckets.draw(generator, 4)
        lengths = [frames[i] for i in drawn]
        assert max(lengths) <= 1.3 * min(lengths) or any(set(drawn) <= set(m) for m in buckets.members)
        counts += np.bincount(drawn, minlength=8)
    assert counts / counts.sum() == pytest.approx(np.array(frames) / sum(frames), abs=0.012)


def test_buckets_save_padding_and_depend_on_the_step_alone() -> None:
    chosen, store = tiny_options(4, batch_size=3, length_buckets=3), unequal_store()
    model = training_run.new_model(chosen, ("a", "b"), TinyRig(), store)
    plain = dataclasses.replace(chosen.stage_b, length_buckets=1)
    padding = {}
    for name, options in (("buckets", chosen.stage_b), ("plain", plain)):
        stage = StageB(model, store, store, TinyRig(), dataclasses.replace(options, max_frames=60), 3)
        masks = [stage.load(step).mask for step in range(30)]
        padding[name] = 1 - np.mean([float(mask.float().mean()) for mask in masks])
        assert stage.load(4).draw.clips == stage.load(4).draw.clips != stage.load(5).draw.clips
    assert padding["buckets"] < 0.7 * padding["plain"]


@pytest.mark.parametrize("ahead", [0, 2])
def test_batches_come_in_order_however_far_they_are_read_ahead(ahead: int) -> None:
    read = []

    def load(step: int) -> int:
        read.append(step)
        if step == 6:
            raise ValueError("no such batch")
        return 10 * step

    with Loader(load, ahead) as loader:
        assert [loader.get(step) for step in range(3, 6)] == [30, 40, 50]
        with pytest.raises(ValueError, match="no such batch"):
            loader.get(6)
        assert loader.waited > 0.0
    assert read[:4] == [3, 4, 5, 6] and len(read) <= 4 + ahead


def test_scaled_losses_learn_and_resume(tmp_path: Path) -> None:
    """float16 with its loss scaling, which runs on a CPU too, though no one would train there."""
    curves = {}
    for name, options in (("half", {"float16": True}), ("whole", {})):
        stage = task("b", checkpoint_every_steps=2, log_every_steps=1, learning_rate=1e-3, **options)
        stage_loop.run(stage, tmp_path / name)
        curves[name] = curve(tmp_path / name)
    assert curves["half"] != curves["whole"]
    assert curves["half"] == pytest.approx(curves["whole"], rel=0.02)
    assert load_state(tmp_path / "half" / "stage_b")["scaler"]["scale"] == 65536.0


def test_a_step_whose_scaled_gradients_overflow_is_left_out(tmp_path: Path) -> None:
    run = StageRun(task("b", float16=True), tmp_path, 1, Processes())
    run.begin()
    before = {name: value.clone() for name, value in run.task.model.state_dict().items()}
    run.scaler.load_state_dict(run.scaler.state_dict() | {"scale": 2.0**120})
    run.advance(0.3, run.task.load(0), 0)
    assert run.scaler.get_scale() == 2.0**119
    assert all(torch.equal(before[name], value) for name, value in run.task.model.state_dict().items())
    run.log.close()


class OneDevice(TorchDispatchMode):
    """Refuses what a GPU refuses: operations on tensors of two devices, but for copies, scalars and indices."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if function not in (torch.ops.aten.copy_.default, torch.ops.aten.index.Tensor):
            leaves = tree_leaves((args, kwargs or {}))
            devices = {leaf.device.type for leaf in leaves if isinstance(leaf, torch.Tensor) and leaf.dim()}
            assert len(devices) < 2, f"{function} mixes {devices}"
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("stage", "rank"), [("a", 8), ("b", 8), ("b", None)])
def test_every_tensor_of_a_step_lies_on_the_models_device(stage: str, rank: int | None) -> None:
    """On PyTorch's `meta` device, which stands for a GPU; no GPU is needed."""
    some_regions = {"batch_size": 4, "loss_regions": {"lips": 1.0}, "decoder": {"motion_rank": rank}}
    chosen, store = tiny_options(8, **some_regions), unequal_store()
    model = training_run.new_model(chosen, ("a", "b"), TinyRig(), store).to("meta")
    options = dataclasses.replace(chosen.stage_a, batch_size=4, clips_per_speaker=2)
    made = (
        StageB(model, store, store, TinyRig(), chosen.stage_b, 3)
        if stage == "b"
        else StageA(model, store, store, options, 3)
    )
    for rows in (None, range(2, 4)):
        with OneDevice():
            loss, figures = made.loss(3, 0.4, rows=rows)
        tensors = [loss, *(v for v in figures.values() if isinstance(v, torch.Tensor))]
        assert {tensor.device.type for tensor in tensors} == {"meta"}
