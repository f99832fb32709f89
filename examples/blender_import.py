"""Open an animation of EmoFace in Blender: the .npz or .glb that `emoface animate` wrote, with its sound.

    emoface animate speech.wav -o face.npz
    blender --python examples/blender_import.py -- face.npz --sound speech.wav
    blender --background --python examples/blender_import.py -- face.npz --save face.blend

An .npz keeps every frame as it is: the vertices go to a point cache (face.pc2) beside it, which the modifier Mesh Cache
plays. A .glb is opened by Blender's own importer, with named shape keys where the file has them. Blender 3.6 or newer.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Animation:
    """What Blender needs: T frames of V vertices in its axes (+Z up, -Y front), in metres.

    Attributes:
        vertices: (T, V, 3) float32.
        template: the neutral face, (V, 3) float32.
        faces: (F, 3) int32, counter-clockwise seen from outside.
        fps: frames per second.
    """

    vertices: np.ndarray
    template: np.ndarray
    faces: np.ndarray
    fps: float


def to_blender(points: np.ndarray) -> np.ndarray:
    """Points (..., 3) from glTF's axes (+Y up, +Z front) to Blender's (+Z up, -Y front). Both are right-handed."""
    x, y, z = np.moveaxis(np.asarray(points, np.float32), -1, 0)
    return np.stack([x, -z, y], -1)


def read_npz(path: Path) -> Animation:
    """The animation in an .npz of `emoface animate`; exits with a message where it is another file."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in ("vertices", "template", "faces", "fps", "metadata")}
            unit = float(json.loads(str(arrays["metadata"]))["unit_in_metres"])
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"got {path} ({error}); expected an .npz of `emoface animate`") from None
    if arrays["vertices"].ndim != 3 or not len(arrays["vertices"]):
        raise SystemExit(f"got {path} with vertices of shape {arrays['vertices'].shape}; expected at least one frame")
    vertices, template = (unit * to_blender(arrays[name]) for name in ("vertices", "template"))
    return Animation(vertices, template, arrays["faces"], float(arrays["fps"]))


def write_pc2(path: Path, vertices: np.ndarray) -> None:
    """A point cache of frames (T, V, 3): the header "POINTCACHE2", version 1, V, first frame, step, T; then floats."""
    frames, points, _ = vertices.shape
    with path.open("wb") as file:
        file.write(struct.pack("<12siiffi", b"POINTCACHE2\0", 1, points, 0.0, 1.0, frames))
        file.write(np.ascontiguousarray(vertices, "<f4").tobytes())


def show_npz(path: Path) -> int:
    """Make the object in the open scene; returns its number of frames."""
    import bpy

    animation = read_npz(path)
    mesh = bpy.data.meshes.new(path.stem)
    mesh.from_pydata(animation.template.tolist(), [], animation.faces.tolist())
    mesh.update()
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    made = bpy.data.objects.new(path.stem, mesh)
    bpy.context.collection.objects.link(made)
    cache = path.with_suffix(".pc2")
    write_pc2(cache, animation.vertices)
    modifier = made.modifiers.new("EmoFace", "MESH_CACHE")
    modifier.cache_format = "PC2"
    modifier.filepath = str(cache.resolve())
    modifier.frame_start = 1
    scene = bpy.context.scene
    scene.render.fps = round(animation.fps)
    scene.render.fps_base = round(animation.fps) / animation.fps
    return len(animation.vertices)


def show_glb(path: Path) -> int:
    """Import a .glb; returns the last frame of its clip."""
    import bpy

    bpy.ops.import_scene.gltf(filepath=str(path))
    return max((round(action.frame_range[1]) for action in bpy.data.actions), default=1)


def add_sound(path: Path) -> None:
    """The sound in the sequencer, from frame 1."""
    import bpy

    scene = bpy.context.scene
    editor = scene.sequence_editor or scene.sequence_editor_create()
    strips = getattr(editor, "strips", None) or editor.sequences  # renamed in Blender 4.4
    strips.new_sound(path.stem, str(path.resolve()), channel=1, frame_start=1)
    scene.sync_mode = "AUDIO_SYNC"


def main(argv: list[str]) -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("animation", type=Path, help=".npz or .glb of `emoface animate`")
    arguments.add_argument("--sound", type=Path)
    arguments.add_argument("--save", type=Path, help="a .blend file to write")
    choices = arguments.parse_args(argv)
    shows = {".npz": show_npz, ".glb": show_glb}
    if choices.animation.suffix not in shows:
        raise SystemExit(f"got {choices.animation}; expected .npz or .glb")
    try:
        import bpy
    except ImportError:
        raise SystemExit("this runs inside Blender: blender --python examples/blender_import.py -- face.npz") from None
    frames = shows[choices.animation.suffix](choices.animation)
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, max(1, frames)
    if choices.sound:
        add_sound(choices.sound)
    if choices.save:
        bpy.ops.wm.save_as_mainfile(filepath=str(choices.save.resolve()))
    print(f"{frames} frames")
    return 0


if __name__ == "__main__":
    # Blender passes its own arguments first; ours come after "--".
    raise SystemExit(main(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]))
