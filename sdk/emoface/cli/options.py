"""Options that several commands share."""

from __future__ import annotations

import argparse
from typing import Any

from emoface.errors import UsageError


def add_package(parser: argparse.ArgumentParser) -> None:
    """--package."""
    parser.add_argument("--package", default="default", metavar="P", help="package folder, .emoface file or name")


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


def weights(option: str, text: str | None) -> Any:
    """`happy` -> "happy"; `happy=0.7,sad=0.3` -> {"happy": 0.7, "sad": 0.3}; None and a name of a .json file stay.

    UsageError for what is no number, and for a name that is given twice: one of its weights would be lost.
    """
    if text is None or "=" not in text or text.endswith(".json"):
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
