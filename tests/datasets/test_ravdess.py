"""RAVDESS' videos and EMOCA's codes to 3D-RAVDESS: ffmpeg, smoothing, FLAME, and the folder they leave."""

import json
from pathlib import Path

import flame_files
import layouts
import numpy as np
import pytest
import soundfile
from needs import lacking

from emoface.cli.main import main
from emoface_training.data import ravdess_build
from emoface_training.data.flame import Flame
from emoface_training.data.ravdess import Ravdess3D
from emoface_training.data.smoothing import EXPRESSION_NOISE, JAW_NOISE, Noise, smooth
from emoface_training.errors import DatasetError


def rotation(vector: np.ndarray) -> np.ndarray:
    """Rodrigues' formula."""
    angle = np.linalg.norm(vector)
    x, y, z = vector / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def test_flame_forward_is_linear_blend_skinning_by_hand(tmp_path: Path) -> None:
    arrays = flame_files.flame_arrays()
    model = Flame.load(flame_files.write_flame(tmp_path / "generic_model.pkl"))
    generator = np.random.default_rng(1)
    shape, expression, jaw = generator.standard_normal(100), generator.standard_normal((2, 50)), [[0.2, 0, 0.05]] * 2
    got = model.vertices(shape, expression, np.array(jaw))
    for frame in range(2):
        coefficients = np.zeros(400)
        coefficients[:100], coefficients[300:350] = shape, expression[frame]
        shaped = arrays["v_template"] + arrays["shapedirs"] @ coefficients
        joint = arrays["J_regressor"][2] @ shaped
        turned = rotation(np.array(jaw[frame]))
        features = np.zeros(36)
        features[9:18] = (turned - np.eye(3)).ravel()  # the neck's nine zeros, then the jaw's
        posed = shaped + arrays["posedirs"] @ features
        share = arrays["weights"][:, 2:3]
        expected = (1 - share) * posed + share * ((posed - joint) @ turned.T + joint)
        np.testing.assert_allclose(got[frame], expected, atol=1e-6)


def test_a_flame_file_without_its_fields_is_named(tmp_path: Path) -> None:
    layouts.write_pickle(tmp_path / "flame.pkl", {"v_template": np.zeros((3, 3))})
    with pytest.raises(DatasetError, match=r"flame\.pkl without f, shapedirs"):
        Flame.load(tmp_path / "flame.pkl")


def test_smoothing_is_the_least_squares_of_its_model() -> None:
    """The RTS smoother's mean minimises the model's quadratic form: solved here as one linear system."""
    fps, noise, frames = 30, Noise(525.0, 2.5e-3), 24
    generator = np.random.default_rng(0)
    values = generator.standard_normal((frames, 1))
    values[[5, 6]] = np.nan
    dt = 1 / fps
    process = noise.process * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    weight = np.linalg.inv(process)
    transition = np.array([[1, dt], [0, 1]])
    system, known = np.zeros((2 * frames, 2 * frames)), np.zeros(2 * frames)
    start = np.diag([1 / noise.measurement, 1 / (noise.process * dt + noise.measurement / dt**2)])
    system[:2, :2] += start
    known[:2] += start @ [values[0, 0], 0.0]
    for t in range(frames):
        if np.isfinite(values[t, 0]):
            system[2 * t, 2 * t] += 1 / noise.measurement
            known[2 * t] += values[t, 0] / noise.measurement
        if t + 1 < frames:
            here, then = slice(2 * t, 2 * t + 2), slice(2 * t + 2, 2 * t + 4)
            system[here, here] += transition.T @ weight @ transition
            system[then, then] += weight
            system[here, then] -= transition.T @ weight
            system[then, here] -= weight @ transition
    expected = np.linalg.solve(system, known)[::2]
    np.testing.assert_allclose(smooth(values, fps, noise)[:, 0], expected, atol=1e-8)


@pytest.mark.parametrize("noise", [EXPRESSION_NOISE, JAW_NOISE])
def test_smoothing_keeps_syllables_halves_8_hz_and_drops_jitter(noise: Noise) -> None:
    time = np.arange(120) / 30
    kept = {}
    for hertz in (2, 4, 8, 14):
        wave = np.sin(2 * np.pi * hertz * time + 0.4)[:, None]
        inner = slice(15, -15)
        kept[hertz] = float((smooth(wave, 30, noise)[inner] * wave[inner]).sum() / (wave[inner] ** 2).sum())
    assert kept[2] > 0.98 and kept[4] > 0.9
    assert kept[8] == pytest.approx(0.5, abs=0.12)
    assert kept[14] < 0.2


def test_smoothing_fills_frames_without_a_face() -> None:
    line = np.linspace(0.0, 1.0, 30)[:, None]
    gap = line.copy()
    gap[10:14] = np.nan
    np.testing.assert_allclose(smooth(gap, 30, JAW_NOISE), line, atol=0.01)
    with pytest.raises(DatasetError, match="no frame"):
        smooth(np.full((3, 1), np.nan), 30, EXPRESSION_NOISE)


def test_codes_become_the_dataset(tmp_path: Path) -> None:
    codes, out = tmp_path / "codes", tmp_path / "out"
    stems = ["01-01-01-01-01-01-01", "01-01-05-02-01-01-01", "01-01-03-01-02-01-24"]
    for seed, stem in enumerate(stems):
        flame_files.write_codes(codes, stem, seed, 12, missing=(4,) if seed == 1 else ())
    flame_files.write_codes(codes, "01-01-08-01-01-01-02", 9, 12, missing=tuple(range(3, 12, 2)))
    (codes / "01-02-05-02-01-01-01").mkdir()  # song
    flame = flame_files.write_flame(tmp_path / "flame.pkl")
    assert main(["data", "ravdess", "--out", str(out), "--codes", str(codes), "--flame", str(flame)]) == 0
    facts = json.loads((out / "ravdess.json").read_text())
    assert facts["takes"] == 3 and facts["filled_frames"] == 1
    assert list(facts["left_out"]) == ["01-01-08-01-01-01-02"]
    assert sorted(path.stem for path in (out / "vertices_npy").iterdir()) == sorted(stems)
    with np.load(out / "templates.npz") as templates:
        assert set(templates.files) == {"Actor_01", "Actor_24"}
        neutral = templates["Actor_01"]
    model = Flame.load(flame)
    both = np.concatenate([flame_files.codes(seed, 12)["shape"].astype(np.float32) for seed in (0, 1)])
    both = np.delete(both, 12 + 4, axis=0)
    # one shape per actor, over all their frames: a weighted mean of the takes' means
    shape = (both[:12].mean(0) * 12 + both[12:].mean(0) * 12) / 24
    np.testing.assert_allclose(neutral, model.vertices(shape, np.zeros((1, 1)), np.zeros((1, 3)))[0], atol=1e-6)
    vertices = np.load(out / "vertices_npy" / f"{stems[0]}.npy")
    assert vertices.shape == (12, 126) and vertices.dtype == np.float32
    take = flame_files.codes(0, 12)
    expected = model.vertices(
        shape,
        smooth(take["exp"].astype(np.float32), 30, EXPRESSION_NOISE),
        smooth(take["pose"][:, 3:].astype(np.float32), 30, JAW_NOISE),
    )
    # the global rotation of the codes is nowhere in the mesh
    np.testing.assert_allclose(vertices.reshape(12, 42, 3), expected, atol=1e-6)


@pytest.mark.skipif(bool(lacking("ffmpeg")), reason=lacking("ffmpeg"))
def test_videos_become_30_fps_and_16_khz(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stem = "01-01-03-01-01-01-05"
    flame_files.write_video(tmp_path / "videos" / "Actor_05" / f"{stem}.mp4", 1.0)
    flame_files.write_video(tmp_path / "videos" / "Actor_05" / "01-02-03-01-01-01-05.mp4", 0.2)  # song
    out = tmp_path / "out"
    arguments = ["data", "ravdess", "--out", str(out), "--videos", str(tmp_path / "videos")]
    assert main(arguments) == 0
    assert "1 takes" in capsys.readouterr().out
    info = soundfile.info(str(out / "wav" / f"{stem}.wav"))
    assert info.samplerate == 16000 and info.channels == 1 and abs(info.frames - 16000) < 800
    assert sorted(path.name for path in (out / "video_30fps").iterdir()) == [f"{stem}.mp4"]
    import av

    with av.open(str(out / "video_30fps" / f"{stem}.mp4")) as video:
        assert video.streams.video[0].average_rate == 30
        assert abs(sum(1 for _ in video.decode(video=0)) - 30) <= 1
    before = (out / "wav" / f"{stem}.wav").stat().st_mtime_ns
    assert main(arguments) == 0  # an interrupted run continues: what is there is kept
    assert (out / "wav" / f"{stem}.wav").stat().st_mtime_ns == before
    flame_files.write_codes(tmp_path / "codes", stem, 1, 30)
    ravdess_build.build(tmp_path / "codes", flame_files.write_flame(tmp_path / "f.pkl"), out)
    dataset = Ravdess3D.survey(out)
    assert [take.name for take in dataset.takes] == [stem]
    assert all(problem.scope in ("subject", "dataset") for problem in dataset.problems)


@pytest.mark.skipif(bool(lacking("ffmpeg")), reason=lacking("ffmpeg"))
def test_a_damaged_video_is_named_and_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "videos" / "01-01-03-01-01-01-05.mp4"
    path.parent.mkdir()
    path.write_bytes(b"no video")
    out = tmp_path / "out"
    assert main(["data", "ravdess", "--out", str(out), "--videos", str(path.parent)]) == 3
    assert path.name in capsys.readouterr().err
    assert not any((out / "video_30fps").iterdir())


def test_mistakes_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "ravdess", "--out", str(tmp_path)]) == 2
    (tmp_path / "empty").mkdir()
    flame = str(flame_files.write_flame(tmp_path / "flame.pkl"))
    assert main(["data", "ravdess", "--out", str(tmp_path / "out"), "--videos", str(tmp_path / "empty")]) in (3, 5)
    assert ("ffmpeg" if lacking("ffmpeg") else "Actor_") in capsys.readouterr().err
    for arguments, word in (
        (["--codes", str(tmp_path / "empty"), "--flame", flame], "EMOCA"),
        (["--codes", str(tmp_path / "empty"), "--flame", str(tmp_path / "none.pkl")], "none.pkl"),
    ):
        assert main(["data", "ravdess", "--out", str(tmp_path / "out"), *arguments]) == 3
        assert word in capsys.readouterr().err
    folder = flame_files.write_codes(tmp_path / "codes", "01-01-03-01-01-01-05", 1, 2)
    bad = folder / "EMOCA_v2_lr_mse_20" / "000002_000" / "exp.npy"
    np.save(bad, np.full(50, np.nan, np.float32))
    with pytest.raises(DatasetError, match=r"000002_000/exp\.npy"):
        ravdess_build.read_codes(folder)
