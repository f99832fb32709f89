"""Clips written while they are made: the same files as from memory, whatever is known in advance, and the bounds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import handmade
import numpy as np
import pytest
import soundfile
from media_shapes import clip

from emoface import Package
from emoface.animation import animate_file, stream_file
from emoface.errors import OutputError, StreamEndedError, UsageError
from emoface.frames import Animation, Piece
from emoface.package import Face
from emoface.rig import RigControls
from emoface.writers import SUFFIXES, glb, write, write_all
from emoface.writers.spool import Spool


class Unforeseen:
    """An animation whose number of frames is not known before its end, or was foretold wrongly."""

    def __init__(self, animation: Animation, expected: int | None = None) -> None:
        self._animation, self.expected = animation, expected
        for name in ("face", "fps", "audio_rate", "blendshapes", "metadata", "has_vertices"):
            setattr(self, name, getattr(animation, name))

    def pieces(self) -> Iterator[Piece]:
        return self._animation.pieces()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return Package.load(handmade.write_zip(tmp_path_factory.mktemp("p") / "h.emoface", handmade.package_files()))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "in.wav"
    soundfile.write(path, 0.2 * np.random.default_rng(0).standard_normal((100_000, 2)), 44100)
    return path


@pytest.mark.parametrize(
    ("suffix", "expected"), [*((suffix, None) for suffix in SUFFIXES), (".npz", 3), (".npz", 10_000), (".glb", 10_000)]
)
def test_a_wrong_or_missing_count_changes_nothing(
    tmp_path: Path, shaped: Animation, suffix: str, expected: int | None
) -> None:
    short = clip(shaped.face, 5) if suffix in (".mp4", ".png") else shaped
    write(tmp_path / f"a{suffix}", short)
    unforeseen: Any = Unforeseen(short, expected)
    write(tmp_path / f"b{suffix}", unforeseen)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    if suffix == ".npz":
        with np.load(tmp_path / "b.npz") as data:  # compares the checksum
            assert np.array_equal(data["vertices"], shaped.vertices)


@pytest.mark.parametrize("offset", [0.0, 0.21, -0.37])
def test_a_stream_gives_the_frames_of_an_animation(
    tmp_path: Path, package: Package, sound: Path, offset: float
) -> None:
    options: dict[str, Any] = {"emotion": "happy", "tail_s": 0.3, "controls": RigControls(sync_offset=offset)}
    whole = animate_file(sound, package, **options)
    with stream_file(sound, package, **options) as stream:
        write_all([tmp_path / "x.npz"], stream)
        assert (stream.frames, stream.samples) == (len(whole), len(whole.audio)) == (stream.expected, 100_000)
        with pytest.raises(StreamEndedError, match="second time"):
            next(stream.pieces())
    with np.load(tmp_path / "x.npz") as data:
        for name in ("vertices", "time", "emotion", "emotion_weight"):
            assert data[name].tobytes() == getattr(whole, name).tobytes(), name


def test_a_tail_that_is_none_is_told_before_the_work(package: Package, sound: Path) -> None:
    for tail in (-1, float("nan"), 1e30, "1"):
        with pytest.raises(UsageError, match="tail_s="), stream_file(sound, package, tail_s=tail):  # type: ignore[arg-type]
            pass


def test_memory_does_not_grow_with_the_clip(tmp_path: Path, face: Face) -> None:
    """Python's own memory, over clips of 1 and 8 MB, to the files that need not grow."""

    def peak(frames: int) -> int:
        one = clip(face, 64)

        class Long(Unforeseen):
            def pieces(self) -> Iterator[Piece]:
                for _ in range(frames // 64):
                    yield from one.pieces()

        long: Any = Long(one)
        tracemalloc.start()
        write_all([tmp_path / "x.npz", tmp_path / "y.npz"], long)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(64)
    assert peak(64 * 64) < 1.2 * peak(8 * 64) + 50_000


def test_several_files_appear_together_or_not_at_all(tmp_path: Path, shaped: Animation, face: Face) -> None:
    paths = [tmp_path / f"x{suffix}" for suffix in SUFFIXES if suffix != ".mp4"]
    write_all(paths, shaped)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in paths}
    before = {path: path.read_bytes() for path in paths}
    plain = replace(shaped, blendshapes=None)  # refused by .csv alone
    with pytest.raises(OutputError, match="without blendshape weights"):
        write_all(reversed(paths), plain)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(OutputError, match="0 frames"):
        write_all(reversed(paths), clip(face, 0))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("expected", [None, 21])
def test_glb_states_its_bound(
    tmp_path: Path, animation: Animation, monkeypatch: pytest.MonkeyPatch, expected: int | None
) -> None:
    """Before the work where the number of frames is known, else when the bound is met."""
    monkeypatch.setattr(glb, "MAX_FRAMES", 19)
    taken = []

    class Counting(Unforeseen):
        def pieces(self) -> Iterator[Piece]:
            taken.append(True)
            return super().pieces()

    unforeseen: Any = Counting(animation, expected)
    with pytest.raises(OutputError, match=r"2[01] frames for a .glb file; expected at most 19 frames.*Cut the sound"):
        write(tmp_path / "x.glb", unforeseen)
    assert bool(taken) == (expected is None) and not list(tmp_path.iterdir())


def test_spool_is_an_array_on_disk(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3000, 40, 3)).astype(np.float32)
    spool = Spool(tmp_path)
    for start in range(0, 3000, 700):
        spool.append(rows[start : start + 700])
    assert spool.shape == rows.shape and len(spool) == 3000
    assert np.array_equal(np.concatenate(list(spool.blocks())), rows)
    assert np.array_equal(spool[2990:4000], rows[2990:])
    assert np.array_equal(spool[np.array([5, 0, 2999])], rows[[5, 0, 2999]])
    assert spool[np.array([], np.int64)].shape == (0, 40, 3)
    assert not list(tmp_path.iterdir())
    spool.close()
