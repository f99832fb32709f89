"""examples/import_faceformer.py runs as a user runs it, without a checkpoint."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "import_faceformer.py"


def test_the_example_streams_a_checkpoint(tmp_path):
    tone = 0.3 * np.sin(np.arange(16000) * 0.07) * np.sin(np.arange(16000) * 0.0005) ** 2
    soundfile.write(tmp_path / "speech.wav", tone.astype(np.float32), 16000)
    command = [sys.executable, str(EXAMPLE), "--audio", "speech.wav", "--windows", "40"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "800 ms, 200 ms blocks" in done.stdout
    assert re.search(r"^30 frames at 30 fps, 4\d\d ms behind the sound$", done.stdout, re.MULTILINE)
    assert (tmp_path / "faceformer.emoface").is_file()
