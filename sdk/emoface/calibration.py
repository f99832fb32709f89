"""What a few seconds of a voice say about it: `Animator.calibrate` makes it, any animator of the package takes it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from emoface.errors import CalibrationError

if TYPE_CHECKING:
    from emoface.package import Package

FORMAT = 1
_LARGEST_FILE = 1 << 20
_REMEDY = "Make it again with Animator.calibrate() and Calibration.save()."


@dataclass(frozen=True, eq=False)
class Calibration:
    """A voice as one package hears it. Small, immutable; compare with ==.

    Attributes:
        speaker_mean: (D,) float32, mean emotion feature of the voice's neutral speech, which is subtracted from the
            emotion features of its stream; read-only.
        seconds: of speech that it was made from.
        package: SHA-256 of the package's manifest; features of another package mean something else.

    Raises:
        CalibrationError: another shape, NaN, a text that is no SHA-256.
    """

    speaker_mean: npt.NDArray[np.float32]
    seconds: float
    package: str

    def __post_init__(self) -> None:
        try:
            given = np.asarray(self.speaker_mean)
            # Text and integers beyond any float would be converted, or fail in other ways.
            if given.dtype.kind not in "fiu" or isinstance(self.seconds, (str, bytes)):
                raise TypeError
            with np.errstate(over="ignore"):
                mean = given.astype(np.float32)
            seconds = float(self.seconds)
        except (TypeError, ValueError, OverflowError):
            raise CalibrationError("values that are no numbers", "a vector and seconds", _REMEDY) from None
        if mean.ndim != 1 or not mean.size or not np.isfinite(mean).all() or not 0 <= seconds < np.inf:
            raise CalibrationError(
                f"a vector of shape {mean.shape} from {seconds:g} s", "finite values of shape (D,)", _REMEDY
            )
        if not isinstance(self.package, str) or len(self.package) != 64 or set(self.package) - set("0123456789abcdef"):
            raise CalibrationError(f"package={self.package!r}", "64 hexadecimal digits", _REMEDY)
        mean.setflags(write=False)
        object.__setattr__(self, "speaker_mean", mean)
        object.__setattr__(self, "seconds", seconds)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Calibration) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((self.package, tuple(self.speaker_mean.tolist())))  # 0.0 == -0.0

    def __reduce__(self) -> tuple[type[Calibration], tuple[Any, ...]]:
        # Through the constructor: plain pickling would make the array writeable.
        return Calibration, (self.speaker_mean, self.seconds, self.package)

    def __repr__(self) -> str:
        return f"Calibration({len(self.speaker_mean)} values from {self.seconds:.2f} s, package {self.package[:12]})"

    def save(self, path: str | Path) -> None:
        """Write it as JSON; `Calibration.load` gives the same bits.

        Raises:
            OutputError: the file cannot be written.
        """
        # Imported here: few write files.
        from emoface.writers.atomic import replacing

        with replacing(path) as temporary:
            temporary.write_text(json.dumps(self._values(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read what `save` wrote.

        Raises:
            CalibrationError: no such file, or another content.
        """
        file = Path(path)
        try:
            if file.stat().st_size > _LARGEST_FILE:
                raise CalibrationError(f"{file}: {file.stat().st_size} bytes", f"at most {_LARGEST_FILE}", _REMEDY)
            values = json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise CalibrationError(f"{file}: {error}", "a file of Calibration.save()", _REMEDY) from None
        keys = {"format", "package", "seconds", "speaker_mean"}
        if not isinstance(values, dict) or set(values) != keys or values["format"] != FORMAT:
            raise CalibrationError(
                f"{file}: another content", f"an object of {', '.join(sorted(keys))}, format {FORMAT}", _REMEDY
            )
        return cls(values["speaker_mean"], values["seconds"], values["package"])

    def _values(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "package": self.package,
            "seconds": self.seconds,
            "speaker_mean": self.speaker_mean.tolist(),
        }


def calibration_for(package: Package, given: object) -> Calibration:
    """A calibration of this package: `given`, or the file of this name.

    Raises:
        CalibrationError: of another package, a damaged file, another type.
    """
    calibration = Calibration.load(given) if isinstance(given, (str, Path)) else given
    if not isinstance(calibration, Calibration):
        raise CalibrationError(f"{type(given).__name__}", "a Calibration, or a file of Calibration.save()", _REMEDY)
    if calibration.package != package.digest:
        raise CalibrationError(
            f"a calibration for the package {calibration.package[:12]}...",
            f"one for {package.digest[:12]}... ({package.manifest.name})",
            "Calibrate again with this package: its features are others.",
        )
    return calibration
