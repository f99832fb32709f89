"""Baselines on the tiny rig, and the whole evaluation of an untrained model."""

import json

import numpy as np
import pytest
import torch
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import tiny_options

from emoface_training.clips.store import ClipStore
from emoface_training.data.sample import DatasetFace
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.errors import OptionsError
from emoface_training.evaluation import on_dataset
from emoface_training.evaluation.baselines import EnergyBaseline, MeanBaseline
from emoface_training.evaluation.disturbances import DISTURBANCES
from emoface_training.evaluation.measured_models import CheckpointModel
from emoface_training.evaluation.on_dataset import Request
from emoface_training.evaluation.tables import table
from emoface_training.motion.basis import motion_basis
from emoface_training.motion.targets import RigTargets
from emoface_training.runs import training_run

RIG = TinyRig()


def test_baselines_know_the_mean_and_the_energy() -> None:
    train = ClipStore.load(ToneCorpus(12).clips("train"), 30, 2).clips
    mean = MeanBaseline(RIG, train)
    everything = np.concatenate([c.parameters for c in train]).astype(np.float32)
    np.testing.assert_allclose(mean.predict(train[0])[0], everything.mean(0), atol=1e-3)
    # the tone's loudness is its jaw: energy alone predicts it well
    energy = EnergyBaseline(RIG, train, 30)
    predicted = energy.predict(train[0])[:, 0]
    assert np.corrcoef(predicted, train[0].parameters[:, 0])[0, 1] > 0.9


def test_evaluation_reports_model_baselines_and_ground_truth() -> None:
    torch.set_num_threads(1)
    corpus = ToneCorpus(3)
    model = training_run.new_model(tiny_options(), ("a", "b"), RIG, ClipStore.load(corpus.clips("train"), 30, 2))
    report = on_dataset.evaluate([CheckpointModel(model.eval())], corpus, RIG, Request(clips=2))
    assert report["clips"] == 2
    assert set(report["rows"]) == {"model", "mean", "energy", "ground_truth"}
    assert report["rows"]["ground_truth"]["lve_m2"] == 0.0
    assert report["rows"]["ground_truth"]["jaw_correlation"] == pytest.approx(1.0)
    assert report["rows"]["model"]["lve_m2"] > 0.0
    truth = report["rows"]["ground_truth"]
    assert (truth["gap_correlation"], truth["aperture"], truth["lag_ms"]) == (
        pytest.approx(1.0),
        1.0,
        pytest.approx(0.0, abs=1e-9),
    )
    assert report["closed_below_mm"] <= 1.0 < report["tucked_below_mm"]
    assert report["classes"]["ground_truth"]["p b m"]["count"] == truth["bilabials"] == 2
    assert sum(map(sum, report["shown"]["model"])) == 2
    assert report["disturbed"] == report["told"] == {}
    text = table(report)
    closed = next(line.split() for line in text.splitlines() if line.strip().startswith("p b m closed"))
    assert closed[-4:] == [f"{row['closures']:.3f}" for row in report["rows"].values()]
    assert "LVE m2" in text and "model by class of phoneme" in text and "speech s" not in text
    small = TinyRig(20)
    with pytest.raises(OptionsError, match=r"20 vertices.*24"):
        on_dataset.evaluate([CheckpointModel(model)], corpus, small)


def test_evaluation_disturbs_the_sound_and_tells_every_class() -> None:
    torch.set_num_threads(1)
    corpus = ToneCorpus(3)
    store = ClipStore.load(corpus.clips("train"), 30, 2)
    models = [CheckpointModel(training_run.new_model(tiny_options(), ("a", "b"), RIG, store).eval())]
    report = on_dataset.evaluate(models, corpus, RIG, Request(clips=2, disturbed=2, told=1))
    assert list(report["disturbed"]["model"]) == list(DISTURBANCES)
    assert all(row["gap_correlation"] <= 1.0 for row in report["disturbed"]["model"].values())
    told = report["told"]["model"]
    assert told["clips"] == 1 and np.array(told["distances_mm"]).shape == (8, 8)
    text = table(report)
    assert "music 10 dB below: lip gap r" in text and "model told each class on 1 clips" in text
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize("name", ["disturbed", "told"])
def test_a_negative_number_of_clips_is_named(name: str) -> None:
    with pytest.raises(OptionsError, match=f"--{name} -1; expected a number of clips"):
        Request(**{name: -1})


def test_what_a_face_cannot_be_measured_by_is_named_before_the_work() -> None:
    corpus, face = ToneCorpus(1), TinyRig()
    model = CheckpointModel(
        training_run.new_model(tiny_options(), ("a", "b"), RIG, ClipStore.load(corpus.clips("train"), 30, 2))
    )
    del face.masks["eyes_forehead"]
    with pytest.raises(OptionsError, match="--told with a face without the mask eyes_forehead"):
        on_dataset.evaluate([model], corpus, face, Request(told=1))
    recorded = DatasetFace(RIG.template, RIG.faces, RIG.masks)
    with pytest.raises(OptionsError, match="--disturbed with a dataset without phonemes"):
        on_dataset.evaluate([model], corpus, recorded, Request(disturbed=1))


def test_basis_is_orthogonal_and_exact_in_half_precision() -> None:
    parameters = np.random.default_rng(1).random((200, len(RIG_PARAMETERS))).astype(np.float32)
    basis, lost_mm = motion_basis(RIG, parameters, len(RIG_PARAMETERS))
    assert lost_mm < 1e-3
    assert np.array_equal(basis, basis.astype(np.float16).astype(np.float32))
    filled = basis[np.linalg.norm(basis, axis=1) > 0]
    unit = filled / np.linalg.norm(filled, axis=1, keepdims=True)
    np.testing.assert_allclose(unit @ unit.T, np.eye(len(unit)), atol=2e-3)
    offsets = RIG.offsets(parameters[:5]).reshape(5, -1)
    again = offsets @ np.linalg.pinv(basis) @ basis
    np.testing.assert_allclose(again, offsets, atol=2e-5)
    rough, lost_mm = motion_basis(RIG, parameters, 3)
    assert rough.shape == (3, 72) and lost_mm > 0.1
    with pytest.raises(OptionsError, match="at most the rig's 24 fields"):
        motion_basis(RIG, parameters, len(RIG_PARAMETERS) + 1)


def test_targets_reproduce_the_rig() -> None:
    store = ClipStore.load(ToneCorpus(2).clips("train"), 30, 2)
    targets = RigTargets(RIG, store)
    exact = RIG.offsets(store.clips[1].parameters.astype(np.float32))
    np.testing.assert_allclose(targets.offsets(targets.coefficients[1]).numpy(), exact, atol=1e-7)
    some = torch.tensor([3, 0])
    np.testing.assert_allclose(targets.offsets(targets.coefficients[1], some).numpy(), exact[:, [3, 0]], atol=1e-7)
