"""An hour of sound through `emoface animate`: the most memory that the process holds, per kind of file.

    python benchmarks/long_clip.py [--package default] [--minutes 60] [--outputs csv,npz,mp4] [--folder .] [--json]

The bundled speech is repeated into a .wav of that length; every kind of file is written by a process of its own, and
`peak_mb_npz` is the most memory that process had (its high-water mark, libraries included). `peak_mb_npz_short` is the
same after `--short` minutes: what grows with the clip is the difference. `seconds_npz` is how long the long run took,
`size_mb_npz` how large the file is. The files are opened and their frames counted, then removed.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import soundfile

import emoface
import measure

SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"


def write_sound(path: Path, minutes: float) -> int:
    """The speech over and over, 16-bit; returns the number of samples."""
    samples, rate = soundfile.read(SPEECH, dtype="int16")
    left = total = int(minutes * 60 * rate)
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        while left:
            part = samples[:left]
            file.write(part)
            left -= len(part)
    return total


def animate(sound: Path, output: Path, package: str) -> tuple[dict, float, float]:
    """The command's own report, its largest resident memory in MB, and its seconds."""
    command = [
        sys.executable,
        "-m",
        "emoface",
        "animate",
        str(sound),
        "-o",
        str(output),
        "--package",
        package,
        "--json",
    ]
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        report = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    return json.loads(report), used.ru_maxrss / 1024, time.perf_counter() - begin


def frames_in(path: Path) -> int:
    """The number of frames that a file holds, without reading it whole into memory."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return sum(1 for _ in csv.reader(file)) - 1
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive, archive.open("vertices.npy") as member:
            np.lib.format.read_magic(member)
            shape = np.lib.format.read_array_header_1_0(member)[0]
            while member.read(1 << 24):  # the archive's checksum is compared at the end
                pass
        return int(shape[0])
    import av

    with av.open(str(path)) as container:
        assert container.streams.audio, "a video without sound"
        return int(container.streams.video[0].frames)


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--package", default="default")
    arguments.add_argument("--minutes", type=float, default=60.0, help="length of the long sound")
    arguments.add_argument("--short", type=float, default=1.0, help="length of the short sound")
    arguments.add_argument("--outputs", default="csv,npz,mp4", help="kinds of files")
    arguments.add_argument("--folder", default=None, help="where the files lie for a while: an hour of .npz has 9 GB")
    choices = arguments.parse_args()
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=choices.folder) as name:
        folder = Path(name)
        for suffix in choices.outputs.split(","):
            for label, minutes in (("_short", choices.short), ("", choices.minutes)):
                sound, output = folder / "sound.wav", folder / f"out.{suffix}"
                write_sound(sound, minutes)
                report, peak, seconds = animate(sound, output, choices.package)
                assert frames_in(output) == report["frames"] == int(minutes * 60 * report["fps"])
                figures[f"peak_mb_{suffix}{label}"] = peak
                if not label:
                    figures[f"seconds_{suffix}"] = seconds
                    figures[f"size_mb_{suffix}"] = output.stat().st_size / 2**20
                print(f"{suffix}, {minutes:g} min: {peak:.0f} MB at most, {seconds:.0f} s", file=sys.stderr)
                output.unlink()
    measure.finish("long_clip", figures, choices.json)


if __name__ == "__main__":
    main()
