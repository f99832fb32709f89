"""The standard picture of a face: what the video and contact sheet writers draw with."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emoface.render.camera import Camera
from emoface.render.renderer import Renderer
from emoface.render.texture import Texture

if TYPE_CHECKING:
    from emoface.face_file import Face

BACKGROUND = (226, 230, 236)
# Above 255: so bright that the corners, which are darker, are white too
PAPER = (360, 360, 360)

# Of the head's height: so much is shown of what is below it.
_NECK = 0.2

# How strongly a region reflects the lights as a sharp spot.
_GLOSS = {"lips": 0.10, "tongue": 0.12, "teeth_upper": 0.25, "teeth_lower": 0.25, "eyeballs": 0.75}
# How much light reaches a region at least: the template's closed mouth would leave these in the dark for good.
_OPENNESS = {"lips": 0.55, "tongue": 0.45, "teeth_upper": 0.75, "teeth_lower": 0.70, "eyeballs": 0.60}
# How much less folds darken in a region: lids slide over the eye rather than fold, and teeth do not bend.
_SMOOTHNESS = {
    "eyes": 0.8, "eyeballs": 1.0, "tongue": 1.0, "teeth_upper": 1.0, "teeth_lower": 1.0, "mouth_inner": 1.0,
    "lips": 0.5,
}  # fmt: skip


def portrait(
    template: NDArray[np.floating],
    faces: NDArray[np.integer],
    colours: NDArray[np.floating] | None = None,
    masks: Mapping[str, NDArray[np.integer]] | None = None,
    size: tuple[int, int] = (512, 512),
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    background: tuple[int, int, int] = BACKGROUND,
    texture: Texture | None = None,
) -> Renderer:
    """A renderer that frames `template` (V, 3), with glossy eyes, lips and teeth where `masks` name them.

    size is (width, height) in pixels; yaw and pitch, in radians, turn the camera around the head. background: sRGB,
    darker towards the corners; `PAPER` stays white there. texture: an albedo picture in place of `colours`.
    """
    masks = masks or {}
    camera = Camera.fit(_framed(template, masks), size[0] / size[1], yaw=yaw, pitch=pitch)
    gloss = _per_vertex(_GLOSS, masks, len(template))
    openness = _per_vertex(_OPENNESS, masks, len(template))
    smoothness = _per_vertex(_SMOOTHNESS, masks, len(template))
    if colours is not None:
        # painted darkness, as of the back teeth, is shadow: little light gets there, and nothing shines
        for region in {"teeth_upper", "teeth_lower", "tongue"} & masks.keys():
            brightness = np.asarray(colours, np.float32)[masks[region]].max(axis=1, initial=0)
            share = brightness / max(float(brightness.max(initial=0)), 1e-6)
            for values in (gloss, openness):
                if values is not None:
                    values[masks[region]] *= share
    return Renderer(
        faces,
        colours,
        size,
        camera,
        template=template,
        gloss=gloss,
        openness=openness,
        folding=None if smoothness is None else 1 - smoothness,
        texture=texture,
        background=background,
    )


def portrait_of(face: Face, size: tuple[int, int] = (512, 512), **view: Any) -> Renderer:
    """`portrait` of a package's face, with its texture `albedo` where it has one; view: yaw, pitch, background.

    Pillow, of the extra [view], reads the texture.
    """
    image, texture = face.textures.get("albedo"), None
    if image is not None and face.uvs is not None and face.uv_faces is not None:
        from PIL import Image

        picture = np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))
        texture = Texture(picture, face.uvs, face.uv_faces)
    return portrait(face.template, face.faces, face.colours, face.masks, size, texture=texture, **view)


def _framed(template: NDArray[np.floating], masks: Mapping[str, NDArray[np.integer]]) -> NDArray[np.floating]:
    """What the picture is to show of a face (V, 3): all, but of a bust no shoulders."""
    head = np.ones(len(template), bool)
    head[masks.get("neck", np.zeros(0, np.int32))] = False
    if head.all() or not head.any():
        return template
    low, high = template[head, 1].min(), template[head, 1].max()
    return np.asarray(template[template[:, 1] > low - _NECK * (high - low)])


def _per_vertex(
    values: Mapping[str, float], masks: Mapping[str, NDArray[np.integer]], vertices: int
) -> NDArray[np.float32] | None:
    """One value per vertex (V,), 0 outside the named regions; None where the face has none of them."""
    result = np.zeros(vertices, np.float32)
    for region in values.keys() & masks.keys():
        result[masks[region]] = values[region]
    return result if result.any() else None
