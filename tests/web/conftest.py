"""The browser package, bundled for Node.js: the same reader and step loop that run in a page."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from needs import lacking

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
WEB = ROOT / "bindings" / "web"


@pytest.fixture(scope="session")
def web_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the bundles and the page, built from this tree's sources."""
    if reason := lacking("node", "web"):
        pytest.skip(reason)
    out = tmp_path_factory.mktemp("web")
    subprocess.run(["node", WEB / "build.mjs", out, "--page"], check=True, timeout=120)
    return out


@dataclass(frozen=True)
class Streamed:
    """What a stream in JavaScript gave: arrays by name, flat, and what it said."""

    said: dict[str, Any]
    out: str

    def array(self, name: str) -> np.ndarray:
        kind = np.float64 if name == "time" else np.float32
        return np.fromfile(f"{self.out}.{name}", kind)


class Node:
    """A program in Node.js that answers a line with a line of JSON."""

    def __init__(self, *command: str | Path) -> None:
        self._process = subprocess.Popen(["node", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, line: object) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=20)


class NodeStreams:
    """Runs streams of packages in Node.js."""

    def __init__(self, node: Node, folder: Path) -> None:
        self._node, self._folder, self._number = node, folder, 0

    def __call__(self, package: Path, streams: list[dict[str, Any]], precision: str | None = None) -> list[Streamed]:
        """`streams`: as of stream.mjs, but `audio` is an array."""
        outs, jobs = [], []
        for stream in streams:
            self._number += 1
            out = str(self._folder / f"stream{self._number}")
            np.ascontiguousarray(stream["audio"], "<f4").tofile(f"{out}.audio")
            jobs.append({**stream, "audio": f"{out}.audio", "out": out})
            outs.append(out)
        said = self._node(json.dumps({"package": str(package), "precision": precision, "streams": jobs}))
        return [Streamed(one, out) for one, out in zip(said, outs, strict=True)]


@pytest.fixture(scope="session")
def node_streams(web_build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeStreams]:
    node = Node(HERE / "stream.mjs", web_build / "emoface.js", web_build / "ort-wasm-simd-threaded.wasm")
    yield NodeStreams(node, tmp_path_factory.mktemp("streams"))
    node.close()


@pytest.fixture(scope="session")
def node_reader(web_build: Path) -> Iterator[Node]:
    """A function: path of a package -> [kind of error or "", text]."""
    node = Node(HERE / "reader.mjs", web_build / "emoface.js")
    yield node
    node.close()
