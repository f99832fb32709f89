"""Draw the pictures of Documentation~/images: schematic drawings of Unity's windows that show where to click.

    python bindings/unity/Tools~/draw_pictures.py

They are drawings, not screenshots: Unity itself looks a little different in every version.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

IMAGES = Path(__file__).resolve().parents[1] / "Documentation~" / "images"
DARK, PANEL, FIELD, LINE, TEXT, MARK = "#282828", "#383838", "#2a2a2a", "#1a1a1a", "#d2d2d2", "#ffb000"


class Picture:
    """An SVG with the few shapes that a window is made of."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []
        self.box(0, 0, width, height, DARK)
        self.box(0, 0, width, 26, LINE)
        self.text(12, 18, title)
        self.text(width - 12, 18, "schematic drawing", "#8a8a8a", anchor="end")

    def box(self, x: float, y: float, width: float, height: float, fill: str, stroke: str = LINE) -> None:
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="3" fill="{fill}" stroke="{stroke}"/>'
        )

    def text(self, x: float, y: float, words: str, fill: str = TEXT, anchor: str = "start", bold: bool = False) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(f'<text x="{x}" y="{y}" fill="{fill}" text-anchor="{anchor}"{weight}>{escape(words)}</text>')

    def field(self, y: float, name: str, value: str, left: float = 20, width: float = 0) -> None:
        """A row of an inspector: name, and a box with its value."""
        width = width or self.width - left - 20
        self.text(left, y + 15, name)
        self.box(left + 170, y, width - 170, 21, FIELD)
        self.text(left + 178, y + 15, value)

    def mark(self, x: float, y: float, number: int) -> None:
        """A numbered dot: click here."""
        self.parts.append(f'<circle cx="{x}" cy="{y}" r="12" fill="{MARK}"/>')
        self.text(x, y + 5, str(number), "#000000", anchor="middle", bold=True)

    def arrow(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.parts.append(
            f'<path d="M{x1} {y1} C{(x1 + x2) / 2} {y1} {(x1 + x2) / 2} {y2} {x2} {y2}" fill="none" stroke="{MARK}" '
            'stroke-width="2.5" marker-end="url(#head)"/>'
        )

    def write(self, name: str) -> None:
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" font-family="Inter, Segoe UI, DejaVu Sans, sans-serif" font-size="13" role="img" '
            'xml:space="preserve">'
            f"<title>{escape(self.title)} (schematic drawing)</title>"
            '<defs><marker id="head" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="7" markerHeight="7" '
            'orient="auto">'
            f'<path d="M0 0 L10 5 L0 10 z" fill="{MARK}"/></marker></defs>'
        )
        (IMAGES / name).write_text(head + "\n".join(self.parts) + "</svg>\n", encoding="utf-8", newline="\n")


def install() -> None:
    """Window > Package Manager > + > Add package from tarball."""
    picture = Picture(640, 240, "Window > Package Manager")
    picture.box(14, 40, 40, 24, PANEL)
    picture.text(34, 57, "+", anchor="middle", bold=True)
    picture.mark(70, 52, 1)
    picture.box(14, 70, 300, 104, PANEL)
    for row, words in enumerate(("from disk...", "from tarball...", "from git URL...", "by name...")):
        if row == 1:
            picture.box(16, 74 + 25 * row, 296, 23, "#2c5d87")
        picture.text(26, 90 + 25 * row, f"Add package {words}")
    picture.mark(330, 110, 2)
    picture.box(360, 40, 266, 134, PANEL)
    picture.text(376, 64, "EmoFace", bold=True)
    picture.text(376, 86, "Speech in, a talking face out")
    picture.text(376, 118, "Samples")
    picture.text(388, 144, "Talking Face")
    picture.box(530, 127, 80, 24, FIELD)
    picture.text(570, 144, "Import", anchor="middle")
    picture.mark(516, 139, 3)
    picture.text(20, 205, "1  the plus    2  choose org.emoface.sdk-VERSION.tgz    3  import the sample scripts")
    picture.write("install.svg")


def menu() -> None:
    """GameObject > EmoFace > Talking Face."""
    picture = Picture(640, 220, "Menu GameObject")
    picture.box(14, 40, 190, 130, PANEL)
    for row, words in enumerate(("Create Empty", "3D Object", "Light", "EmoFace", "Camera")):
        if words == "EmoFace":
            picture.box(16, 46 + 24 * row, 186, 23, "#2c5d87")
        picture.text(26, 62 + 24 * row, words)
    picture.mark(220, 130, 1)
    picture.box(240, 112, 280, 58, PANEL)
    picture.box(242, 116, 276, 23, "#2c5d87")
    picture.text(252, 132, "Talking Face")
    picture.text(252, 158, "Make Selected Character Talk")
    picture.mark(536, 128, 2)
    picture.mark(536, 155, 3)
    picture.text(20, 200, "2  the face that the package brings, complete    3  your own character: select it first")
    picture.write("menu.svg")


def inspector() -> None:
    """The component with its fields, and what is dragged where."""
    picture = Picture(860, 480, "Inspector: EmoFace Animator")
    picture.box(14, 40, 250, 424, PANEL)
    picture.text(28, 62, "Project", bold=True)
    for row, words in enumerate(("Packages", "EmoFace", "Models", "default.bytes")):
        picture.text(40 + 14 * row, 88 + 24 * row, words)
    picture.text(28, 220, "Hierarchy", bold=True)
    for row, words in enumerate(("Main Camera", "Hero", "    Body", "    Head")):
        picture.text(40, 246 + 24 * row, words)
    left, width = 300, 540
    picture.box(284, 40, 562, 424, PANEL)
    rows = [
        ("Package", "default (Text Asset)"),
        ("Face", "None (Mesh Filter)"),
        ("Character", "Head (Skinned Mesh Renderer)"),
        ("Audio Input", "Clip"),
        ("Audio Sync", "Delay Audio"),
        ("Speak On Enable", "on"),
        ("Style", "(mean of all)"),
        ("Emotion", "auto"),
        ("Level", "normal"),
        ("Strength", "1"),
        ("Sync Offset Ms", "0"),
        ("Tail Seconds", "0.5"),
    ]
    for row, (name, value) in enumerate(rows):
        picture.field(56 + 28 * row, name, value, left, width)
    picture.arrow(180, 156, 466, 67)
    picture.mark(196, 156, 1)
    picture.arrow(98, 314, 466, 123)
    picture.mark(114, 314, 2)
    picture.mark(284, 151, 3)
    picture.mark(284, 263, 4)
    picture.box(300, 398, 530, 56, FIELD)
    picture.text(312, 418, "ort-cpu, int8")
    picture.text(312, 440, "while playing: latency, delay of the sound, time per block, late pictures")
    picture.write("inspector.svg")


def timing() -> None:
    """Delay the sound, or accept the lag."""
    picture = Picture(760, 250, "Audio Sync")
    for top, name, sound, face in (
        (50, "Delay Audio", 150, 150),
        (120, "Accept Lag", 0, 150),
        (190, "Clip, by Speak()", 0, 0),
    ):
        picture.text(20, top + 28, name, bold=True)
        bars = ((0, sound, "sound that is heard", "#3f6f8f"), (24, face, "face", "#5f8f3f"))
        for offset, shift, words, colour in bars:
            picture.box(200 + shift, top + offset, 340, 20, colour)
            picture.text(210 + shift, top + offset + 15, words)
    picture.parts.append('<line x1="200" y1="40" x2="200" y2="238" stroke="#8a8a8a" stroke-dasharray="4 4"/>')
    picture.text(206, 44, "the voice arrives", "#8a8a8a")
    picture.write("timing.svg")


if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    for draw in (install, menu, inspector, timing):
        draw()
