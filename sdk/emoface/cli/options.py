"""Options that several commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from emoface.errors import UsageError

if TYPE_CHECKING:
    from emoface.rig import RigControls

_CONTROLS = {
    "upper_strength": "factor on the motion of the upper face",
    "lower_strength": "factor on the motion of the lower face",
    "upper_smoothing": "smoothing of the upper face in seconds",
    "lower_smoothing": "smoothing of the lower face in seconds",
    "sync_offset": "seconds that the face moves later than the sound",
    "mask_level": "where the upper face begins, from the chin to the top of the forehead",
    "mask_softness": "over how much of that height the halves blend; 0 takes the package's own mask",
    "skin_strength": "factor on the motion of all but teeth, tongue and eyeballs",
    "blink_strength": "factor on how far blinks close the eyes",
    "blink_offset": "how far the lids are closed all the time",
    "eyelid_open_offset": "lids that are wider open, below 0 narrower",
    "lip_open_offset": "lips that are parted more, below 0 less",
    "tongue_strength": "factor on the tongue's own motion",
    "tongue_height_offset": "cm by which the tip of the tongue is higher",
    "tongue_depth_offset": "cm by which the tip of the tongue is farther out",
}


def add_package(parser: argparse.ArgumentParser) -> None:
    """--package."""
    parser.add_argument("--package", default="default", metavar="P", help="package folder, .emoface file or name")


def add_package_first(parser: argparse.ArgumentParser) -> None:
    """The package as the command's own argument."""
    parser.add_argument(
        "package", nargs="?", default="default", metavar="PACKAGE", help="folder, .emoface file or name"
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    """--backend and --precision."""
    parser.add_argument("--backend", default="auto", metavar="B", help="auto, ort-cpu, ...; see `emoface doctor`")
    parser.add_argument("--precision", metavar="Q", help="fp32, fp16 or int8 (default: the package's)")


def add_json(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")


def add_threads(parser: argparse.ArgumentParser) -> None:
    """--threads of the commands that run PyTorch."""
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of one operator (default: 1)")


def add_controls(group: argparse._ArgumentGroup) -> None:
    """An option for every attribute of `emoface.rig.RigControls`."""
    # Imported here: the other commands need no rig.
    from emoface.rig import RigControls

    plain = RigControls()
    for name, (low, high) in RigControls.limits().items():
        default = getattr(plain, name)
        text = f"{_CONTROLS[name]}, {low:g} to {high:g} (default: {default:g})"
        group.add_argument(f"--{name.replace('_', '-')}", type=float, default=default, metavar="X", help=text)


def controls(args: argparse.Namespace) -> RigControls:
    """What the options of `add_controls` say; RigError for a value out of its range."""
    from emoface.rig import RigControls

    return RigControls(**{name: getattr(args, name) for name in RigControls.limits()})


def weights(option: str, text: str | None) -> Any:
    """`happy` -> "happy"; `happy=0.7,sad=0.3` -> {"happy": 0.7, "sad": 0.3}; None and a name of a file stay.

    UsageError for what is no number, and for a name that is given twice: one of its weights would be lost.
    """
    if text is None or "=" not in text or text.lower().endswith((".json", ".csv")):
        return text
    result: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = (word.strip() for word in part.partition("="))
        try:
            weight = float(number)
        except ValueError:
            raise UsageError(
                f"--{option} {text!r}", "a name or name=weight,name=weight", "Write for example happy=0.7,sad=0.3."
            ) from None
        if name in result:
            raise UsageError(f"--{option} {text!r}, with {name!r} twice", "every name once", "Add the weights up.")
        result[name] = weight
    return result
