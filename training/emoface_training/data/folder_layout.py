"""FaceFormer's folder layout, shared by its VOCASET and BIWI and by 3D-RAVDESS: one .npy and one .wav per take."""

from __future__ import annotations

import functools
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emoface.errors import EmoFaceError
from emoface.template_files import read_mesh
from emoface_training.errors import DatasetError, SpeechError
from emoface_training.vocabulary import UNKNOWN_EMOTION

from .restricted_pickle import as_array, read_pickle
from .sample import VertexMotion, open_rows
from .vertex_dataset import Problem, Scan, Take, VertexDataset

MESHES = (".ply", ".obj", ".npz")


class TakeName(NamedTuple):
    """What a file's name says."""

    subject: str
    sentence: int
    emotion: int = UNKNOWN_EMOTION
    level: int = 0


class FolderLayout(VertexDataset):
    """`vertices_npy/{take}.npy` [F, 3V], `wav/{take}.wav`, `templates.pkl` or `templates.npz`, one mesh file.

    The mesh (.ply, .obj or .npz, in the folder or its `templates/`) gives the triangles; its vertices are not used.
    """

    @classmethod
    def parse(cls, stem: str) -> TakeName:
        """Subject, sentence and labels of a file's name. Raises DatasetError for another form of name."""
        raise NotImplementedError

    @classmethod
    def scan(cls, root: Path) -> Scan:
        motions = {path.stem: path for path in sorted((root / "vertices_npy").glob("*.npy"))}
        sounds = {path.stem: path for path in sorted((root / "wav").glob("*.wav"))}
        if not motions:
            raise DatasetError(f"{root} without vertices_npy/*.npy", f"{cls.layout}", "See docs/datasets.md.")
        problems: list[Problem] = []
        scan = Scan(templates=read_templates(root, problems), problems=problems)
        scan.faces = triangles(root, scan)
        for stem in sorted(motions.keys() ^ sounds.keys()):
            lacking, path = ("sound", motions.get(stem)) if stem in motions else ("motion", sounds.get(stem))
            scan.notes.append(f"{path}: left out, it has no {lacking}")
        for stem in sorted(motions.keys() & sounds.keys()):
            try:
                scan.takes.append(cls._take(stem, motions[stem], sounds[stem], scan.templates))
            except (DatasetError, SpeechError) as error:
                scan.problems.append(Problem(error, "take", stem))
        return scan

    @classmethod
    def _take(cls, stem: str, motion: Path, sound: Path, templates: dict[str, np.ndarray]) -> Take:
        name = cls.parse(stem)
        template = templates.get(name.subject)
        if template is None:
            raise DatasetError(
                f"{motion} without a template of {name.subject}",
                "one in templates.pkl",
                "Add it, or move the subject's files away.",
            )
        rows = open_rows(motion)
        if rows.shape[1] != template.size:
            raise DatasetError(
                f"{motion} with {rows.shape[1] // 3} vertices",
                f"the {len(template)} of the subject's template",
                "All sequences of a dataset share one topology.",
            )
        step = cls.source_fps // cls.fps
        samples, rate = sound_length(sound)
        return Take(
            stem,
            name.subject,
            name.sentence,
            VertexMotion(motion, np.arange(0, len(rows), step), template),
            functools.partial(read_sound, sound),
            samples / rate,
            sound,
            name.emotion,
            name.level,
        )


def read_templates(root: Path, problems: list[Problem]) -> dict[str, np.ndarray]:
    """Neutral faces float32 [V, 3] by subject; those that are no such array become problems."""
    path = root / "templates.npz"
    if path.is_file():
        try:
            with np.load(path, allow_pickle=False) as stored:
                raw = {name: stored[name] for name in stored.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise DatasetError(
                f"{path}, which cannot be read ({error})", "arrays by subject", "Copy it again."
            ) from None
    else:
        path = root / "templates.pkl"
        raw = read_pickle(path)
    if not isinstance(raw, dict) or not raw:
        raise DatasetError(f"{path} with a {type(raw).__name__}", "neutral faces [V, 3] by subject", "Copy it again.")
    found = {}
    for name, value in raw.items():
        try:
            template = np.asarray(as_array(value), np.float32).reshape(-1, 3)
            if not np.isfinite(template).all():
                raise ValueError("NaN or infinite vertices")
            found[str(name)] = template
        except (TypeError, ValueError) as error:
            got = f"{path}: subject {name} with {error}"
            problems.append(Problem(DatasetError(got, "a neutral face [V, 3]", "Copy the file again.")))
    sizes = {len(template) for template in found.values()}
    if len(sizes) > 1:
        got = f"{path}: templates of {sorted(sizes)} vertices"
        problems.append(Problem(DatasetError(got, "one topology", "Leave out the others.")))
    return found


def triangles(root: Path, scan: Scan) -> np.ndarray | None:
    """Triangles int32 [F, 3] of the mesh file, in its order; None becomes a problem."""
    vertices = {len(template) for template in scan.templates.values()}
    files = [path for folder in (root / "templates", root) for path in sorted(folder.glob("*"))]
    tried = []
    for path in files:
        if path.suffix not in MESHES or path.name in ("templates.npz", "masks.npz"):
            continue
        try:
            template, faces = read_mesh(path)
        except EmoFaceError as error:
            tried.append(f"{path}: {error}")
            continue
        if faces is not None and len(template) in vertices:
            return faces
        tried.append(f"{path}: {len(template)} vertices, {0 if faces is None else len(faces)} triangles")
    scan.problems.append(
        Problem(
            DatasetError(
                f"{root}: no mesh with the triangles of {sorted(vertices)} vertices ({'; '.join(tried) or 'no file'})",
                "a .ply such as templates/FLAME_sample.ply or templates/BIWI.ply",
                "See docs/datasets.md.",
            )
        )
    )
    return None


def sound_length(path: Path) -> tuple[int, int]:
    """Samples and rate of a sound file. Raises SpeechError when it cannot be read."""
    import soundfile

    try:
        info = soundfile.info(str(path))
    except (RuntimeError, OSError) as error:
        raise SpeechError(f"{path}, which is no sound file ({error})", "a WAV file", "Copy it again.") from None
    if not info.frames:
        raise SpeechError(f"{path} without samples", "speech", "Copy it again.")
    return info.frames, info.samplerate


def read_sound(path: Path) -> tuple[np.ndarray, int]:
    """float32 [N] (mean of the channels) and the rate."""
    import soundfile

    samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    if not np.isfinite(samples).all():
        raise SpeechError(f"{path} with NaN samples", "finite ones", "Convert it again.")
    return samples.mean(1), rate
