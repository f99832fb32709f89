"""`emoface data ravdess`: RAVDESS' videos and EMOCA's codes to 3D-RAVDESS (P1, section 4.1).

Step 1 (videos): every speech video to 30 fps and its sound to 16 kHz mono, by ffmpeg. EMOCA then runs on the videos of
`video_30fps/` (it is a project of its own, with its own licence). Step 2 (codes): EMOCA's folders of `shape.npy`,
`exp.npy` and `pose.npy` per frame are smoothed and posed by FLAME.

"Fix the last three of the pose parameters" read literally would freeze the jaw: EMOCA's pose is global rotation (3)
and jaw (3). The global three are zeroed (a frontal view) and the jaw is kept. One shape per actor, the mean over all
their frames, so that the neutral face does not change within or between takes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emoface.errors import RuntimeFailure
from emoface_training.errors import DatasetError

from .flame import SHAPE_COMPONENTS, Flame
from .ravdess import Ravdess3D, parse_name
from .smoothing import EXPRESSION_NOISE, JAW_NOISE, Noise, smooth

FPS = Ravdess3D.fps
VIDEO, SOUND, MOTION = "video_30fps", "wav", "vertices_npy"
# More frames without a face than this share, and a take is left out
MISSING_SHARE = 0.2
POSE = 6  # global rotation 3, jaw 3

Progress = Callable[[Iterable], Iterable]


def convert_videos(videos: Path, out: Path, progress: Progress = lambda items: items) -> int:
    """Write `out/video_30fps/{take}.mp4` and `out/wav/{take}.wav`; returns the number of takes.

    Takes that are already there are kept, so an interrupted run continues. Raises RuntimeFailure without ffmpeg,
    DatasetError without videos, and when ffmpeg fails on one, naming it.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise RuntimeFailure("no ffmpeg on the path", "it", "Install it: apt install ffmpeg")
    found = _speech_videos(videos)
    if not found:
        raise DatasetError(
            f"{videos} without speech videos",
            "RAVDESS' Actor_*/01-01-*.mp4 (sound and video)",
            "Unpack its Video_Speech archives there.",
        )
    for folder in (VIDEO, SOUND):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for path in progress(found):
        _ffmpeg(program, path, out / VIDEO / f"{path.stem}.mp4", ["-an", "-vf", f"fps={FPS}"])
        _ffmpeg(program, path, out / SOUND / f"{path.stem}.wav", ["-vn", "-ac", "1", "-ar", "16000"])
    return len(found)


def _speech_videos(videos: Path) -> list[Path]:
    found = []
    for path in sorted(videos.rglob("01-*.mp4")):
        try:
            parse_name(path.stem)
        except DatasetError:  # song
            continue
        found.append(path)
    return found


def _ffmpeg(program: str, source: Path, target: Path, options: list[str]) -> None:
    if target.is_file():
        return
    fresh = target.with_name(f".{target.name}.part{target.suffix}")
    command = [program, "-nostdin", "-v", "error", "-y", "-i", str(source), *options, str(fresh)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        fresh.unlink(missing_ok=True)
        raise DatasetError(
            f"{source}, on which ffmpeg failed ({done.stderr.strip()[:300]})", "a video", "Copy it again."
        )
    os.replace(fresh, target)


class Codes(NamedTuple):
    """Of one take, rows of NaN where no face was found: expression [T, E], pose [T, 6]; mean shape [S]."""

    expression: np.ndarray
    pose: np.ndarray
    shape: np.ndarray

    @property
    def missing(self) -> float:
        return float(np.isnan(self.expression).any(1).mean())


def read_codes(folder: Path) -> Codes:
    """EMOCA's per-frame folders (`000001_000/exp.npy`, ...) anywhere below `folder`; further faces are ignored.

    Raises DatasetError naming the file for missing or odd codes.
    """
    frames: dict[int, Path] = {}
    for path in sorted(folder.rglob("exp.npy")):
        found = re.match(r"(\d+)(_0+)?$", path.parent.name)
        if found:
            frames[int(found.group(1))] = path.parent
    if not frames:
        raise DatasetError(
            f"{folder} without 000001_000/exp.npy and so on", "EMOCA's codes", "Run EMOCA with --save_codes."
        )
    first = min(1, min(frames))
    rows: dict[str, dict[int, np.ndarray]] = {"exp": {}, "pose": {}, "shape": {}}
    for number, place in frames.items():
        for name, values in rows.items():
            values[number - first] = _vector(place / f"{name}.npy")
    count = max(frames) - first + 1
    expression, pose = _table(rows["exp"], count, folder), _table(rows["pose"], count, folder)
    if pose.shape[1] != POSE:
        raise DatasetError(
            f"{folder} with poses of {pose.shape[1]} numbers", f"EMOCA's {POSE}", "Run EMOCA on this take again."
        )
    return Codes(expression, pose, np.nanmean(_table(rows["shape"], count, folder), 0))


def _vector(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False).astype(np.float64).ravel()
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(
            f"{path}, which cannot be read ({error})", "an array of codes", "Run EMOCA on this take again."
        ) from None
    if not len(values) or not np.isfinite(values).all():
        raise DatasetError(f"{path} with no or NaN values", "finite codes", "Run EMOCA on this take again.")
    return values


def _table(rows: dict[int, np.ndarray], count: int, folder: Path) -> np.ndarray:
    widths = {len(row) for row in rows.values()}
    if len(widths) != 1:
        raise DatasetError(f"{folder} with codes of lengths {sorted(widths)}", "one", "Do not mix models.")
    table = np.full((count, widths.pop()), np.nan)
    for number, row in rows.items():
        table[number] = row
    return table


def build(
    codes: Path,
    flame: Path,
    out: Path,
    expression_noise: Noise = EXPRESSION_NOISE,
    jaw_noise: Noise = JAW_NOISE,
    progress: Progress = lambda items: items,
) -> dict[str, object]:
    """Write `vertices_npy/`, `templates.npz`, `face.npz` and `ravdess.json` into `out`; returns what the last holds.

    codes: a folder with one folder per take, named like its video, anywhere below. Raises DatasetError when there are
    none, and for a FLAME file or codes that cannot be used.
    """
    model = Flame.load(flame)
    folders = _take_folders(codes)
    if not folders:
        raise DatasetError(
            f"{codes} without folders named like RAVDESS' takes",
            f"EMOCA's output on {VIDEO}/",
            "Run EMOCA on it, and give its output folder with --codes.",
        )
    read: dict[str, Codes] = {}
    left_out: dict[str, str] = {}
    for stem, folder in progress(sorted(folders.items())):
        take = read_codes(folder)
        if take.missing > MISSING_SHARE:
            left_out[stem] = f"no face in {take.missing:.0%} of its frames"
        else:
            read[stem] = take
    shapes = _mean_shapes(read)
    (out / MOTION).mkdir(parents=True, exist_ok=True)
    for stem, take in progress(sorted(read.items())):
        expression = smooth(take.expression, FPS, expression_noise)
        jaw = smooth(take.pose[:, 3:], FPS, jaw_noise)  # the first three, the global rotation, are left at zero
        vertices = model.vertices(shapes[parse_name(stem).subject], expression, jaw)
        _save(out / MOTION / f"{stem}.npy", vertices.reshape(len(vertices), -1))
    nothing = np.zeros((1, 1)), np.zeros((1, 3))
    templates = {actor: model.vertices(shape, *nothing)[0] for actor, shape in shapes.items()}
    np.savez(out / "templates.npz", **templates)
    np.savez(out / "face.npz", template=model.template, faces=model.faces)
    facts: dict[str, object] = {
        "fps": FPS,
        "takes": len(read),
        "left_out": left_out,
        "filled_frames": int(sum(np.isnan(take.expression).any(1).sum() for take in read.values())),
        "expression_noise": asdict(expression_noise),
        "jaw_noise": asdict(jaw_noise),
        "pose": "global rotation zeroed, jaw kept",
        "shape": "mean over all frames of an actor",
    }
    (out / "ravdess.json").write_text(json.dumps(facts, indent=1) + "\n")
    return facts


def _take_folders(codes: Path) -> dict[str, Path]:
    found = {}
    for path in sorted(codes.rglob("01-*")):
        try:
            parse_name(path.name)
        except DatasetError:
            continue
        if path.is_dir():
            found.setdefault(path.name, path)
    return found


def _mean_shapes(read: dict[str, Codes]) -> dict[str, np.ndarray]:
    by_actor: dict[str, list[tuple[np.ndarray, int]]] = defaultdict(list)
    for stem, take in read.items():
        by_actor[parse_name(stem).subject].append((take.shape, len(take.expression)))
    means = {}
    for actor, parts in by_actor.items():
        shapes, weights = np.stack([shape for shape, _ in parts]), [count for _, count in parts]
        means[actor] = np.average(shapes, 0, weights)[:SHAPE_COMPONENTS]
    return means


def _save(path: Path, rows: np.ndarray) -> None:
    fresh = path.with_name(f".{path.name}.part")
    with fresh.open("wb") as stream:
        np.save(stream, rows.astype(np.float32))
    os.replace(fresh, path)
