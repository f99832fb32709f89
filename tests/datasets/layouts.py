"""Every dataset layout as it lies on disk, tiny and made by code: right names, right files, 42 vertices."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import soundfile

from emoface_training.data.biwi import SEEN, UNSEEN
from emoface_training.data.ravdess import ACTORS
from emoface_training.data.vocaset import TEST, TRAIN, VALIDATION
from tiny import icosphere

SECONDS = 0.8


def speech(seed: int, rate: int, seconds: float = SECONDS) -> np.ndarray:
    """A tone with syllables, float32 [N] in -1..1."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * rate)) / rate
    envelope = 0.5 - 0.5 * np.cos(2 * np.pi * generator.uniform(2.0, 4.0) * time)
    return (0.3 * envelope * np.sin(2 * np.pi * generator.uniform(120, 300) * time)).astype(np.float32)


def template(seed: int, radius: float) -> np.ndarray:
    """A subject's neutral face: the icosphere, a little wider or narrower."""
    generator = np.random.default_rng(seed)
    return icosphere(1, radius)[0] * generator.uniform(0.95, 1.05, 3).astype(np.float32)


def motion(seed: int, neutral: np.ndarray, fps: int, seconds: float = SECONDS) -> np.ndarray:
    """Vertices float32 [F, V, 3]: the lower part opens and closes by a few per cent of the face's size, the upper moves
    a little, at a pace of its own."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(seconds * fps)) / fps
    opening = 0.5 - 0.5 * np.cos(2 * np.pi * generator.uniform(2.0, 4.0) * time)
    moved = np.repeat(neutral[None], len(time), 0)
    size = np.abs(neutral).max()
    lower = neutral[:, 1] < -0.2 * size
    moved[:, lower, 1] -= (0.08 * size * opening)[:, None]
    raised = 0.5 - 0.5 * np.cos(2 * np.pi * generator.uniform(1.0, 2.0) * time)
    moved[:, neutral[:, 1] > 0.2 * size, 1] += (0.02 * size * raised)[:, None]
    return moved.astype(np.float32)


def write_ply(path: Path, vertices: np.ndarray, faces: np.ndarray) -> None:
    """An ascii PLY, as FLAME_sample.ply is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["ply", "format ascii 1.0", f"element vertex {len(vertices)}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header"]
    lines += [" ".join(f"{value:.7f}" for value in row) for row in vertices]
    lines += ["3 " + " ".join(str(index) for index in row) for row in faces]
    path.write_text("\n".join(lines) + "\n")


def write_pickle(path: Path, content: object) -> None:
    """As the published files: protocol 2."""
    with path.open("wb") as stream:
        pickle.dump(content, stream, protocol=2)


def write_masks(path: Path, radius: float = 0.1) -> Path:
    """FLAME_masks.pkl by region name."""
    _x, y, z = (icosphere(1, 1.0)[0] / 1.0).T
    regions = {
        "lips": np.flatnonzero((z > 0.3) & (y < 0.1) & (y > -0.7)),
        "forehead": np.flatnonzero((z > 0) & (y > 0.5)),
        "eye_region": np.flatnonzero((z > 0) & (y > 0.2) & (y <= 0.5)),
        "neck": np.flatnonzero(y < -0.8),
    }
    write_pickle(path, regions)
    return path


def _folder(root: Path, takes: list[tuple[str, str]], fps: int, rate: int, radius: float, mesh: str) -> Path:
    """takes: (subject, stem)."""
    (root / "vertices_npy").mkdir(parents=True)
    (root / "wav").mkdir()
    subjects = sorted({subject for subject, _ in takes})
    templates = {subject: template(i, radius) for i, subject in enumerate(subjects)}
    for seed, (subject, stem) in enumerate(takes):
        rows = motion(seed, templates[subject], fps)
        np.save(root / "vertices_npy" / f"{stem}.npy", rows.reshape(len(rows), -1))
        soundfile.write(root / "wav" / f"{stem}.wav", speech(seed, rate), rate)
    write_pickle(root / "templates.pkl", templates)
    write_ply(root / "templates" / mesh, *icosphere(1, radius))
    return root


def vocaset_takes() -> list[tuple[str, str]]:
    """One take of every subject, in a sentence of its split."""
    sentences = {subject: 3 for subject in TRAIN} | {subject: 21 for subject in (*VALIDATION, *TEST)}
    return [(subject, f"{subject}_sentence{number:02d}") for subject, number in sentences.items()]


def write_vocaset(root: Path) -> Path:
    """FaceFormer's VOCASET: 60 fps, 22 kHz."""
    folder = _folder(root, vocaset_takes(), 60, 22000, 0.1, "FLAME_sample.ply")
    write_masks(folder / "FLAME_masks.pkl")
    return folder


def write_biwi(root: Path) -> Path:
    """FaceFormer's BIWI: 25 fps, 44.1 kHz, unit surface area; neutral and emotional takes of one sentence."""
    takes = [(s, f"{s}_{name}") for s in SEEN for name in ("e01", "01", "e34", "e38")]
    takes += [(s, f"{s}_e37") for s in UNSEEN]
    folder = _folder(root, takes, 25, 44100, 0.6, "BIWI.ply")
    regions = folder / "regions"
    regions.mkdir()
    y, z = icosphere(1, 1.0)[0].T[1:]
    for name, chosen in (("lve.txt", (z > 0.3) & (y < 0.1) & (y > -0.7)), ("fdd.txt", (z > 0) & (y > 0.2))):
        (regions / name).write_text(", ".join(str(i) for i in np.flatnonzero(chosen)))
    return folder


def ravdess_stems() -> list[str]:
    """Per actor one statement in neutral and angry (strong), so that L_cross has its pairs."""
    numbers = range(1, len(ACTORS) + 1)
    return [f"01-01-{emotion}-01-01-{n:02d}" for n in numbers for emotion in ("01-01", "05-02")]


def write_ravdess(root: Path) -> Path:
    """3D-RAVDESS as `emoface data ravdess` writes it: 30 fps, 16 kHz, templates.npz, face.npz."""
    takes = [(f"Actor_{stem[-2:]}", stem) for stem in ravdess_stems()]
    folder = _folder(root, takes, 30, 16000, 0.1, "unused.ply")
    (folder / "templates" / "unused.ply").unlink()
    with (folder / "templates.pkl").open("rb") as stream:
        templates = pickle.load(stream)
    (folder / "templates.pkl").unlink()
    np.savez(folder / "templates.npz", **templates)
    vertices, faces = icosphere(1, 0.1)
    np.savez(folder / "face.npz", template=vertices, faces=faces)
    write_masks(folder / "FLAME_masks.pkl")
    return folder


def write_vocaset_raw(root: Path) -> Path:
    """VOCASET as published: all vertices in one file, sound in a pickle of int16 at 22 kHz."""
    root.mkdir(parents=True)
    rows, index, sounds, templates = [], {}, {}, {}
    count = 0
    for seed, (subject, stem) in enumerate(vocaset_takes()):
        templates[subject] = template(seed, 0.1).astype(np.float64)
        moved = motion(seed, templates[subject].astype(np.float32), 60)
        sequence = stem.rpartition("_")[2]
        index[subject] = {sequence: {frame: count + frame for frame in range(len(moved))}}
        samples = (speech(seed, 22000) * 32767).astype(np.int16)
        sounds[subject] = {sequence: {"audio": samples, "sample_rate": 22000}}
        rows.append(moved)
        count += len(moved)
    np.save(root / "data_verts.npy", np.concatenate(rows))
    write_pickle(root / "subj_seq_to_idx.pkl", index)
    write_pickle(root / "raw_audio_fixed.pkl", sounds)
    write_pickle(root / "templates.pkl", templates)
    write_ply(root / "templates" / "FLAME_sample.ply", *icosphere(1, 0.1))
    write_masks(root / "FLAME_masks.pkl")
    return root


WRITERS = {
    "vocaset-raw": write_vocaset_raw,
    "vocaset": write_vocaset,
    "biwi": write_biwi,
    "ravdess": write_ravdess,
}
