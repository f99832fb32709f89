"""Draw every blendshape of a package, or of your own file, with its name: a look at what engines will get.

    python blendshape_sheet.py shapes.png [--package default] [--blendshapes own.glb]

The face is the package's. Shapes that only make sense with an open jaw are shown with one.
"""

import argparse

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import emoface
from emoface.render import portrait_of
from emoface.rig import read_blendshapes

WITH_JAW = {"mouthClose": 1.0, "tongueOut": 0.7}  # how far the jaw opens in their pictures
TILE, CAPTION, COLUMNS = (176, 208), 20, 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", help="picture to write")
    parser.add_argument("--package", default="default")
    parser.add_argument("--blendshapes", help=".glb or .npz file with shapes of the package's topology")
    options = parser.parse_args()

    face = emoface.Package.load(options.package).face
    shapes = read_blendshapes(options.blendshapes, face) if options.blendshapes else face.blendshapes
    if shapes is None:
        raise SystemExit(f"the package {options.package!r} has no blendshapes: give --blendshapes")
    renderer = portrait_of(face, TILE)
    wide, high = TILE[0] + 4, TILE[1] + CAPTION
    sheet = Image.new("RGB", (COLUMNS * wide, -(-len(shapes) // COLUMNS) * high), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index, name in enumerate(shapes.names):
        offsets, title = shapes[name], name
        if name in WITH_JAW and "jawOpen" in shapes.names:
            offsets = offsets + np.float32(WITH_JAW[name]) * shapes["jawOpen"]
            title += " + jawOpen"
        left, top = index % COLUMNS * wide, index // COLUMNS * high
        sheet.paste(Image.fromarray(renderer.frame(face.template + offsets)), (left, top + CAPTION))
        draw.text((left + 4, top + 3), title, fill=(38, 42, 50), font=font)
    sheet.quantize(colors=255).save(options.out, optimize=True)
    print(f"{options.out}: {len(shapes)} shapes")


if __name__ == "__main__":
    main()
