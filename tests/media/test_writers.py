"""npz, mp4 and png, and what all writers share: dispatch, missing extras, no partial files."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
from media_shapes import clip
from PIL import Image

from emoface.errors import OutputError, UsageError
from emoface.frames import Animation
from emoface.package import Face
from emoface.writers import SUFFIXES, check, progress_line, write, write_mp4
from emoface.writers.mouth import even_frames, mouth_opening, widest_frames


def test_npz_holds_the_documented_arrays(tmp_path: Path, animation: Animation) -> None:
    write(tmp_path / "x.npz", animation)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert set(file.files) == {
            *("vertices", "time", "faces", "template", "fps", "emotion", "emotion_weight", "metadata")
        }
        assert np.array_equal(file["vertices"], animation.vertices) and file["vertices"].dtype == np.float32
        assert np.array_equal(file["time"], animation.time) and int(file["fps"]) == 30
        metadata = json.loads(str(file["metadata"]))
    assert metadata["synthetic"] is True and metadata["unit_in_metres"] == 1.0


def test_npz_has_the_same_bytes_again(tmp_path: Path, animation: Animation) -> None:
    for name in "ab":
        write(tmp_path / f"{name}.npz", animation)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_npz_without_frames_is_valid(tmp_path: Path, face: Face) -> None:
    write(tmp_path / "x.npz", clip(face, 0))
    assert np.load(tmp_path / "x.npz")["vertices"].shape == (0, len(face.template), 3)


@pytest.mark.parametrize("rate", [16000, 44100, 11000])
def test_mp4_has_all_frames_and_the_sound_in_step(tmp_path: Path, face: Face, rate: int) -> None:
    """11000 Hz is no AAC rate and is converted."""
    animation = clip(face, 30, rate)
    write_mp4(tmp_path / "x.mp4", animation, size=(64, 48))
    with av.open(str(tmp_path / "x.mp4")) as file:
        video, sound = file.streams.video[0], file.streams.audio[0]
        assert (video.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height, video.pix_fmt) == (64, 48, "yuv420p")
        times = [float(frame.pts * frame.time_base) for frame in file.decode(video)]
    assert np.allclose(times, animation.time, atol=1e-3)
    with av.open(str(tmp_path / "x.mp4")) as file:
        stream = file.streams.audio[0]
        heard = [(float(frame.pts * frame.time_base), frame.to_ndarray()[0]) for frame in file.decode(stream)]
        out_rate = stream.rate
    start = heard[0][0]
    samples = np.concatenate([part for _, part in heard])
    assert start == pytest.approx(0, abs=0.03)
    assert len(samples) / out_rate == pytest.approx(1.0, abs=0.1)
    # The tone swells over the clip: the loudness of the decoded sound must rise at the same times.
    heard_rms = [np.sqrt(np.mean(samples[int(t * out_rate) : int((t + 0.2) * out_rate)] ** 2)) for t in (0.2, 0.7)]
    made_rms = [np.sqrt(np.mean(animation.audio[int(t * rate) : int((t + 0.2) * rate)] ** 2)) for t in (0.2, 0.7)]
    assert np.allclose(heard_rms, made_rms, rtol=0.15)


def test_mp4_shows_the_motion(tmp_path: Path, face: Face) -> None:
    still, moving = clip(face, 4), clip(face, 4)
    still.vertices[:] = face.template
    moving.vertices[:] = face.template
    moving.vertices[3, :, 0] += 0.03
    pictures = []
    for animation in (still, moving):
        write_mp4(tmp_path / "x.mp4", animation, size=(64, 64))
        with av.open(str(tmp_path / "x.mp4")) as file:
            pictures.append([frame.to_ndarray(format="rgb24").astype(int) for frame in file.decode(video=0)])
    assert np.abs(pictures[0][0] - pictures[1][0]).mean() < 3
    assert np.abs(pictures[0][3] - pictures[1][3]).mean() > 8


def test_mp4_without_sound_is_silent_video(tmp_path: Path, face: Face) -> None:
    animation = clip(face, 3)
    write_mp4(tmp_path / "x.mp4", Animation(**{**vars(animation), "audio": np.zeros(0, np.float32)}), size=(32, 32))
    with av.open(str(tmp_path / "x.mp4")) as file:
        assert not file.streams.audio and len(list(file.decode(video=0))) == 3


def test_mp4_odd_size(tmp_path: Path, animation: Animation) -> None:
    with pytest.raises(OutputError, match="even numbers"):
        write_mp4(tmp_path / "x.mp4", animation, size=(33, 32))


def test_png_is_a_sheet_of_two_rows(tmp_path: Path, animation: Animation) -> None:
    write(tmp_path / "x.png", animation)
    with Image.open(tmp_path / "x.png") as sheet:
        assert sheet.mode == "RGB" and sheet.width == 6 * 216 + 8 and sheet.height > 2 * 248
        assert len(sheet.getcolors(1 << 24)) > 500


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_png_of_a_short_clip(tmp_path: Path, face: Face, frames: int) -> None:
    write(tmp_path / "x.png", clip(face, frames))
    assert (tmp_path / "x.png").stat().st_size > 1000


@pytest.mark.parametrize("suffix", [".mp4", ".png"])
def test_pictures_of_no_frames_are_an_error(tmp_path: Path, face: Face, suffix: str) -> None:
    with pytest.raises(OutputError, match="0 frames"):
        write(tmp_path / f"x{suffix}", clip(face, 0))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("call", [check, lambda path: write(path, None)])  # type: ignore[arg-type]
def test_unknown_suffix_lists_the_known_ones(tmp_path: Path, call: object) -> None:
    with pytest.raises(UsageError) as caught:
        call(tmp_path / "x.fbx")  # type: ignore[operator]
    assert all(suffix in str(caught.value) for suffix in SUFFIXES)


@pytest.mark.parametrize(("suffix", "module"), [(".glb", "pygltflib"), (".mp4", "av"), (".png", "PIL")])
def test_missing_extra_says_how_to_install(
    tmp_path: Path, animation: Animation, monkeypatch: pytest.MonkeyPatch, suffix: str, module: str
) -> None:
    find, load = importlib.util.find_spec, importlib.import_module

    def absent(name: str, *rest: object) -> object:
        if name.split(".")[0] == module:
            raise ModuleNotFoundError(name)
        return load(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else find(name))
    for call in (lambda: check(tmp_path / f"x{suffix}"), lambda: write(tmp_path / f"x{suffix}", animation)):
        with pytest.raises(OutputError, match=r'pip install "emoface\[view\]"'):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_folder(tmp_path: Path, shaped: Animation, suffix: str) -> None:
    path = tmp_path / "none" / f"x{suffix}"
    for call in (lambda: check(path), lambda: write(path, shaped)):
        with pytest.raises(OutputError, match="mkdir -p"):
            call()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, shaped: Animation, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(path, shaped)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"


class Interrupting:
    """A renderer during whose third frame the user presses Ctrl-C."""

    width = height = 32

    def __init__(self) -> None:
        self.frames = 0

    def frame(self, vertices: np.ndarray) -> np.ndarray:
        self.frames += 1
        if self.frames == 3:
            raise KeyboardInterrupt
        return np.zeros((self.height, self.width, 3), np.uint8)


def test_a_failing_frame_leaves_no_file(tmp_path: Path, animation: Animation) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_mp4(tmp_path / "x.mp4", animation, renderer=Interrupting())  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_old_file_is_replaced(tmp_path: Path, shaped: Animation, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"old")
    write(path, shaped)
    assert path.stat().st_size > 500 and len(list(tmp_path.iterdir())) == 1


def test_progress_line_only_on_a_terminal() -> None:
    assert progress_line("video", io.StringIO()) is None
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    line = progress_line("video", terminal)
    assert line is not None
    line(1, 2)
    line(2, 2)
    assert terminal.getvalue() == "video 1/2\rvideo 2/2\n"


def test_mouth_opening_uses_the_inner_lips(face: Face) -> None:
    animation = clip(face, 6)
    animation.vertices[:] = face.template
    rings = {"upper_lip_inner": np.array([5, 6, 7]), "lower_lip_inner": np.array([21, 22, 23])}
    paired = Face(face.template, face.faces, face.colours, {**face.masks, **rings}, 1.0)
    animation.vertices[4, 21:24, 1] -= 0.05
    opening = mouth_opening(paired, animation.vertices)
    assert opening.argmax() == 4 and opening.shape == (6,)
    animation.vertices[2, face.masks["lips"][0], 1] -= 0.2
    assert mouth_opening(face, animation.vertices).argmax() == 2
    assert mouth_opening(Face(*face_without_masks(face)), animation.vertices).shape == (6,)


def face_without_masks(face: Face) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray], float]:
    return face.template, face.faces, face.colours, {}, 1.0


def test_choice_of_frames() -> None:
    assert even_frames(60, 6) == [5, 15, 25, 35, 45, 55]
    assert even_frames(2, 6) == [0, 1]
    opening = np.zeros(100, np.float32)
    opening[[10, 11, 40, 90]] = [3, 2.9, 2, 1]
    assert widest_frames(opening, 3) == [10, 40, 90]
