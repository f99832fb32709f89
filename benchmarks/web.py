"""The bundled package in a browser: load, first frame, real-time factor, bytes; other lip-syncs beside it on one clip.

    python benchmarks/web.py [--seconds 10] [--peers DIR] [--json]

Needs Node.js, Chromium and bindings/web/node_modules (`make test` installs them). The page's worker is fed blocks of
100 ms in headless Chromium, one WASM thread, nothing is drawn. --peers names a folder with a node_modules of
@met4citizen/headaudio, wawa-lipsync and wlipsync (npm install); they tell visemes, from audio features, without a
network of weights: not the same job, so bytes and CPU time stand beside ours and quality does not.

Figures: `cpu_factor`, `cpu_factor_weights` (CPU time / time of sound in Node.js; with blendshape weights, too); in
Chromium `load_ms` (package read, hashes compared, graphs loaded), `first_frame_ms` (from the start of loading),
`real_time_factor` (time of computing / time of sound, median of blocks), `real_time_factor_p99`; `page_bytes`,
`page_gzip_bytes` (scripts and WASM), `package_bytes`; of each peer `<name>_bytes`, `<name>_gzip_bytes` and
`<name>_real_time_factor`. wlipsync ships no profile of phonemes: it runs with one of random prototypes, which costs the
same.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import emoface
import measure
from emoface.cli import view

ROOT = Path(__file__).parents[1]
WEB = ROOT / "bindings" / "web"
ASSETS = Path(emoface.__file__).parent
PAGE = ("page.js", "worker.js", "capture.js", "index.html", "page.css", "ort-wasm-simd-threaded.wasm")
PEERS = {
    "headaudio": ("@met4citizen/headaudio/dist", ("headaudio.min.mjs", "headworklet.min.mjs", "model-en-mixed.bin")),
    "wawa_lipsync": ("wawa-lipsync/dist", ("wawa-lipsync.es.js",)),
    "wlipsync": ("wlipsync/dist", ("wlipsync-single.js",)),
}


def sizes(files: list[Path]) -> tuple[int, int]:
    """Bytes, and bytes as a host sends them."""
    data = [path.read_bytes() for path in files]
    return sum(map(len, data)), sum(len(gzip.compress(each, 9)) for each in data)


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=10.0, help="sound that is fed")
    arguments.add_argument("--peers", type=Path, help="folder whose node_modules holds the peers")
    choices = arguments.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None or not (WEB / "node_modules").is_dir():
        sys.exit("needs Chromium and bindings/web/node_modules: make test installs both")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder)
        subprocess.run(["node", WEB / "build.mjs", built, "--page"], check=True)
        package = ASSETS / "packages" / "default.emoface"
        files: dict[str, Path | bytes] = {path.name: path for path in built.iterdir()}
        files |= {
            "package.emoface": package,
            "speech.wav": ASSETS / "assets" / "speech.wav",
            "empty.html": b"<!doctype html>",
        }
        figures: dict[str, float] = {"package_bytes": package.stat().st_size}
        figures["page_bytes"], figures["page_gzip_bytes"] = sizes([built / name for name in PAGE])
        peers = []
        for name, (inside, names) in PEERS.items() if choices.peers else ():
            paths = [choices.peers / "node_modules" / inside / each for each in names]
            files |= {f"{name}-{path.name}": path for path in paths}
            figures[f"{name}_bytes"], figures[f"{name}_gzip_bytes"] = sizes(paths)
            peers.append(name)
        with view.open_server(files) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://{view.HOST}:{server.server_address[1]}"
            job = {"address": address, "chromium": chromium, "seconds": choices.seconds, "peers": peers}
            job |= {"built": str(built), "package": str(package), "audio": str(files["speech.wav"])}
            command = ["node", Path(__file__).with_name("web_page.mjs")]
            done = subprocess.run(command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True)
            server.shutdown()
    measure.finish("web", {**figures, **json.loads(done.stdout.splitlines()[-1])}, choices.json)


if __name__ == "__main__":
    main()
