"""The log of a run: TensorBoard, a file of rows, and lines for the reader."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

from emoface_training.errors import SaveError


class RunLog:
    """Figures to TensorBoard, to `log.jsonl`, and as lines or a progress bar; nothing where it is not `main`."""

    def __init__(self, folder: Path, name: str, main: bool = True) -> None:
        self.name, self.path, self.writer = name, folder / "log.jsonl", None
        if main:
            from torch.utils.tensorboard import SummaryWriter

            folder.mkdir(parents=True, exist_ok=True)
            self.writer = SummaryWriter(str(folder / "tensorboard" / name))

    def write(self, kind: str, step: int, progress: float, used: float, figures: dict[str, float]) -> None:
        """One row. Raises SaveError when the file cannot be written."""
        if self.writer is None:
            return
        row = {"stage": self.name, "kind": kind, "step": step, "progress": round(progress, 5)}
        row["seconds"] = round(used, 1)
        try:
            for key, value in figures.items():
                self.writer.add_scalar(f"{kind}/{key}", value, step)
            with self.path.open("a") as stream:
                stream.write(json.dumps(row | finite(figures)) + "\n")
        except OSError as error:
            raise SaveError(
                f"{error} while writing {self.path}", "room for the log", "Free some space and continue with --resume."
            ) from error
        text = " ".join(f"{key} {value:.4g}" for key, value in figures.items())
        end = "\r" if kind == "train" and sys.stderr.isatty() else "\n"
        bar = f"[{'#' * int(20 * progress):<20}] {100 * progress:5.1f}%"
        print(f"{self.name} {bar} step {step} {kind}: {text}", end=end, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def finite(figures: dict[str, float]) -> dict[str, float | None]:
    """None for what is no number (a correlation without motion): JSON has no other way to write it."""
    return {key: value if math.isfinite(value) else None for key, value in figures.items()}
