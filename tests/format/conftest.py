"""The table's neighbours: the C interface through ctypes, the handmade package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), *(str(Path(__file__).parents[1] / name) for name in ("runtime", "sdk"))]
