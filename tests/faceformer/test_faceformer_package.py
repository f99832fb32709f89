"""From a published checkpoint to packages: offline equal to the original, streaming under any cut, clear errors."""

import json

import layouts
import numpy as np
import original
import pytest
import soundfile
import torch
import yaml

import emoface
import tiny
from emoface.audio.offset import without_offset
from emoface.cli.main import main
from emoface.errors import BackendError, ManifestError, UsageError
from emoface.manifest import Manifest
from emoface.package import Package
from emoface_export.export import ExportOptions, export_package
from emoface_export.face_file import find_face
from emoface_export.package_manifest import PackageFacts
from emoface_export.wiring import allowed_blocks
from emoface_training.models import checkpoint

DATA = {"vocaset": layouts.write_vocaset, "biwi": layouts.write_biwi}
# Streaming packages are trained for an epoch on their dataset before they are exported
CASES = {
    "offline": ("vocaset", ["--mode", "offline"]),
    "window": ("biwi", ["--window", "40", "--look-ahead", "10", "--block", "10"]),
    "band": ("vocaset", ["--mode", "band", "--left", "30", "--right", "3", "--calibrate", "{sound}"]),
}


@pytest.fixture(scope="session")
def package(published, tiny_folder, tmp_path_factory):
    """package(mode) -> path of a package: imported by the command line, trained if it streams, exported once."""
    place, made = tmp_path_factory.mktemp("packages"), {}
    sound = place / "speech.wav"
    soundfile.write(sound, original.speech(2.0).numpy(), 16000, subtype="FLOAT")

    def get(mode):
        if mode in made:
            return made[mode]
        variant, arguments = CASES[mode]
        folder, data = place / f"{mode}-checkpoint", DATA[variant](place / f"{mode}-data")
        given = [argument.format(sound=sound) for argument in arguments]
        command = ["faceformer", "import", str(published(variant)[0]), "--out", str(folder), "--encoder-heads", "2"]
        assert main([*command, *given, "--data", str(data)]) == 0
        if mode != "offline":
            folder = trained(place / f"{mode}-run", folder, data)
        loaded, _ = checkpoint.load(folder)
        facts = PackageFacts("face", unit_in_metres=0.1875 if variant == "biwi" else 1.0)
        options = ExportOptions(facts, seconds=2.0, provenance=tiny.PROVENANCE)
        out = place / f"{mode}.emoface"
        exporter = tiny.RememberingExporter(tiny_folder)
        export_package(loaded, find_face(folder, loaded, None), out, options, exporter=exporter)
        made[mode] = out
        return out

    return get


def trained(run, folder, data):
    """An epoch of the paper's own scheme on the frozen encoder of an imported checkpoint."""
    section = json.loads((folder / "config.json").read_text())
    model = {name: section[name] for name in ("family", "content_encoder", "resampling", "decoder")}
    stage = {"max_epochs": 1, "batch_size": 4, "max_frames": 10, "scheme": "autoregressive", "learning_rate": 1e-3}
    stage |= {"freeze_encoders_for": 1.0, "validation_clips": 1, "style_dropped": 0.0, "log_every_steps": 1}
    config = run.with_suffix(".yaml")
    config.write_text(yaml.safe_dump({"seed": 1, "model": model, "stage_b": stage}))
    command = ["train", str(config), "--data", str(data), "--out", str(run), "--model", str(folder)]
    assert main(command) == 0
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    losses = [row for row in rows if row["kind"] == "train"]
    assert losses and all(row["ground_truth"] == 0.0 for row in losses)
    # The loss is FaceFormer's mean square of a coordinate, nothing else, times the weight of L_self
    assert all(np.isclose(row["loss"], 1000 * 1e-6 * row["self_fused_mm2"], rtol=1e-5) for row in losses)
    before, after = (checkpoint.load_weights(place)[0] for place in (folder, run / "stage_b"))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and not any(name.startswith("content_encoder.") for name in moved)
    return run / "stage_b"


def test_an_offline_package_is_the_original_end_to_end(package, published, tmp_path):
    path, theirs = package("offline"), published("vocaset")[1]
    loaded = Package.load(path)
    audio = original.speech(1.3)
    names = loaded.manifest.styles
    assert names[0] == "FaceTalk_170728_03272_TA" and len(names) == 8
    with torch.no_grad():
        heard = torch.from_numpy(without_offset(audio.numpy(), 320, 80))  # as the runtime's front end gives it
        expected = theirs(heard[None], torch.eye(8)[2:3])[0].unflatten(-1, (-1, 3)).numpy()
    shown = emoface.animate(audio.numpy(), 16000, loaded, style=names[2])
    offsets = shown.vertices - loaded.face.template
    assert len(shown) == int(1.3 * 30) and 0 <= len(shown) - len(expected) <= 2
    assert np.abs(offsets[: len(expected)] - expected).max() <= 1e-4 * np.abs(expected).max()
    # The command line animates whole clips too, and says that there is no latency to state
    soundfile.write(tmp_path / "x.wav", audio.numpy(), 16000, subtype="FLOAT")
    assert main(["animate", str(tmp_path / "x.wav"), "-o", str(tmp_path / "x.npz"), "--package", str(path)]) == 0
    with np.load(tmp_path / "x.npz") as arrays:
        assert arrays["vertices"].shape == (39, 42, 3)
    assert main(["verify", str(path)]) == 0


def test_an_offline_package_refuses_to_stream(package, capsys):
    loaded = Package.load(package("offline"))
    assert not loaded.manifest.streams
    with loaded.animator() as animator:
        for call in (lambda: animator.step(np.zeros(1600, np.float32)), animator.flush):
            with pytest.raises(UsageError, match=r"whole.*emoface\.animate"):
                call()
        assert len(animator.whole(np.zeros(16000, np.float32), tail_s=0.5)) == 45
        animator.reset()
        assert len(animator.whole(np.zeros(500, np.float32))) == 0
    with pytest.raises(UsageError, match="pool"):
        loaded.pool(2)
    with pytest.raises(BackendError, match="ort-cpu"):
        loaded.animator(backend="native" if "native" in emoface.backends.available_backends() else "ort-cuda")
    assert main(["inspect", str(package("offline"))]) == 0
    assert "hears clips as a whole" in capsys.readouterr().out


@pytest.mark.parametrize("mode", ["window", "band"])
def test_a_streaming_package_gives_the_same_bits_under_any_cut(package, mode):
    loaded = Package.load(package(mode))
    manifest = loaded.manifest
    block = {"window": 10, "band": 5}[mode]
    assert manifest.streams and manifest.allowed_block_features == (block, block)
    assert manifest.delay_features == {"window": 10, "band": 5}[mode]
    assert manifest.family == "faceformer" and manifest.emotions == () and set(manifest.conditions) == {"style"}
    assert main(["verify", str(package(mode))]) == 0  # golden vectors and random cuts at four rates
    shown = emoface.animate(original.speech(1.0).numpy(), 16000, loaded)
    assert len(shown) == manifest.fps and np.ptp(shown.vertices, axis=0).max() > 0


def test_blocks_hold_whole_frames(published):
    from emoface_export.errors import ExportError
    from emoface_training.faceformer.published_file import FaceFormerFile, Mode

    file = FaceFormerFile(published("vocaset")[0], encoder_heads=2)
    config = file.model(Mode("band", left=30, right=3), calibration=[original.speech(2.0)]).config
    assert allowed_blocks(config, 10) == (10, 10)
    with pytest.raises(ExportError, match="100 ms"):
        allowed_blocks(config, 2)


def test_a_manifest_with_clips_and_blocks_is_refused(package):
    data = json.loads(Package.load(package("offline")).manifest.to_text())
    for field, value, word in (("latency_samples", 100, "latency_samples"), ("block_features", 2, "block_features")):
        with pytest.raises(ManifestError, match=word):
            Manifest.from_json(data | {field: value} | {"allowed_block_features": [1, 2]})
    data["stages"][0]["inputs"][0]["shape"] = ["B", "320*n+80"]
    with pytest.raises(ManifestError, match="shape"):
        Manifest.from_json(data)
