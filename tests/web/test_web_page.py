"""The page of `emoface web` and `emoface view` in a browser: files, a microphone, models, faults. Seen in pixels."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
import soundfile
from needs import lacking

import emoface
from emoface import Package
from emoface.cli import main as command
from emoface.cli import view, web
from emoface.package import locate
from emoface.rig import ARKIT_52

HERE = Path(__file__).parent
WEB = HERE.parents[1] / "bindings" / "web"
SPEECH = Path(emoface.__file__).parent / "assets" / "speech.wav"
PICTURES = 12


@dataclass(frozen=True)
class Seen:
    """What the browser's run gave: what it said, and pictures of the face."""

    said: dict[str, Any]
    folder: Path

    def picture(self, name: str) -> np.ndarray:
        """RGB, white where nothing is drawn."""
        image = pytest.importorskip("PIL.Image")
        pixels = np.asarray(image.open(self.folder / f"{name}.png").convert("RGBA")).astype(np.float64)
        return 255 + (pixels[..., :3] - 255) * pixels[..., 3:] / 255

    def open_mouth(self, name: str) -> float:
        """Share of dark pixels where the mouth is."""
        picture = self.picture(name)
        height, width = picture.shape[:2]
        mouth = picture[int(0.6 * height) : int(0.85 * height), int(0.38 * width) : int(0.62 * width)]
        return float((mouth.max(axis=2) < 70).mean())


@pytest.fixture(scope="session")
def page_folder(web_build: Path) -> Iterator[Path]:
    """The built page in the place of the installation's."""
    before, web.PAGE = web.PAGE, web_build
    yield web_build
    web.PAGE = before


@pytest.fixture(scope="session")
def seen(page_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    if reason := lacking("node", "web", "chromium"):
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("page")
    package = Package.load()
    arkit = package.blendshapes.names
    perfect = {name.capitalize(): name for name in arkit}
    made = {
        "arkit": ("head.glb", models.glb(package, arkit)),
        "perfect": ("perfect.vrm", models.glb(package, arkit, perfect)),
        "vowels": ("vowels.vrm", models.glb(package, arkit, models.VOWELS)),
        "mute": ("mute.glb", models.glb(package, ())),
    }
    for name, data in made.values():
        (folder / name).write_bytes(data)
    sound, rate = soundfile.read(SPEECH, dtype="int16")
    soundfile.write(folder / "long.wav", np.tile(sound, 3), rate)  # a slow machine must not miss its end
    damaged = bytearray(web.packed(package, "default"))
    damaged[len(damaged) // 2] ^= 1
    (folder / "damaged.emoface").write_bytes(damaged)
    files = {**web.page_files(), web.PACKAGE_NAME: web.packed(package, "default"), web.SPEECH_NAME: SPEECH}
    with view.open_server(files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        job = {
            "playwright": str(WEB / "node_modules" / "playwright-core" / "index.mjs"),
            "chromium": next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))),
            "address": f"http://{view.HOST}:{server.server_address[1]}/",
            "folder": str(folder),
            "audio": str(SPEECH),
            "long": str(folder / "long.wav"),
            "models": {kind: str(folder / name) for kind, (name, _) in made.items()},
            "damaged": str(folder / "damaged.emoface"),
            "pictures": PICTURES,
            "apart": 4,
        }
        command_line = ["node", HERE / "page.mjs"]
        done = subprocess.run(
            command_line, input=json.dumps(job), capture_output=True, text=True, check=False, timeout=400
        )
        server.shutdown()
    assert done.returncode == 0, done.stderr[-3000:]
    return Seen(json.loads(done.stdout.splitlines()[-1]), folder)


@pytest.mark.parametrize("source", ["file", "talk"])
def test_the_mouth_opens_and_closes(source: str, seen: Seen) -> None:
    rest = seen.open_mouth("rest")
    mouths = [seen.open_mouth(f"{source}{index}") for index in range(PICTURES)]
    assert max(mouths) > rest + 0.01, (rest, mouths)
    assert min(mouths) < rest + 0.5 * (max(mouths) - rest), (rest, mouths)
    assert np.std(mouths) > 0.002


def test_an_interruption_closes_the_mouth(seen: Seen) -> None:
    assert seen.open_mouth("interrupted") < seen.open_mouth("rest") + 0.004


def test_it_is_usable_by_keyboard_and_has_names(seen: Seen) -> None:
    assert seen.said["labels"]
    assert all(seen.said["labels"]), seen.said["labels"]
    assert np.abs(seen.picture("turned") - seen.picture("interrupted")).mean() > 1
    assert seen.said["talked"] > 5
    assert "latency declared" in seen.said["figures"]
    assert seen.said["faults"] == []


@pytest.mark.parametrize(
    ("kind", "told"), [("arkit", "52 of ARKit's 52"), ("perfect", "ARKit's shapes"), ("vowels", "by its vowels")]
)
def test_models_of_other_makers_speak(kind: str, told: str, seen: Seen) -> None:
    assert told in seen.said[kind]
    pictures = [seen.picture(f"{kind}{index}") for index in range(6)]
    assert max(np.abs(a - b).mean() for a, b in pairwise(pictures)) > 0.02


def test_the_weight_map_is_of_other_colours(seen: Seen) -> None:
    blue = seen.picture("weights")
    assert (blue[..., 2] > blue[..., 0] + 40).mean() > 0.05


def test_a_phone_in_the_dark(seen: Seen) -> None:
    assert seen.said["overflow"] <= 0
    assert seen.said["targets"] >= 44
    assert max(map(int, seen.said["ground"].removeprefix("rgb(").removesuffix(")").split(","))) < 60


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("damaged", "PackageIntegrityError", ["damaged.emoface", "Fetch or export the package again"]),
        ("simd", "BackendError", ["WebAssembly SIMD", "Update the browser"]),
        ("denied", "CaptureError", ["microphone that was denied", "Allow the microphone"]),
        ("mute", "RigError", ["no morph targets", "jawOpen", "52 blendshapes"]),
    ],
)
def test_faults_are_said_in_words(fault: str, kind: str, words: list[str], seen: Seen) -> None:
    found, text = seen.said[fault]
    assert found == kind
    assert all(word in text for word in words), text


def test_the_terms_of_what_is_bundled_lie_beside_it(page_folder: Path) -> None:
    terms = (page_folder / "THIRD_PARTY.txt").read_text(encoding="utf-8")
    assert terms.count("Permission is hereby granted, free of charge") == 4
    listed = (WEB.parents[1] / "THIRD_PARTY.md").read_text(encoding="utf-8")
    for name in ("onnxruntime-web", "three", "@pixiv/three-vrm"):
        version = json.loads((WEB / "node_modules" / name / "package.json").read_text(encoding="utf-8"))["version"]
        assert f"{name} {version}" in terms
        assert f"| {name} {version}" in listed


def test_the_types_hold(page_folder: Path) -> None:
    compiler = WEB / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(["node", compiler, "-p", WEB / "page"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_shapes_are_arkits() -> None:
    assert set(Package.load().blendshapes.names) == set(ARKIT_52)


def test_web_writes_a_page_for_any_host(page_folder: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "site"
    assert command.main(["web", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(path.name for path in out.iterdir()) == told["files"]
    assert {"index.html", "page.js", "worker.js", "capture.js", "package.emoface", "THIRD_PARTY.txt"} <= set(
        told["files"]
    )
    assert Package.load(out / "package.emoface").digest == told["package"] == Package.load().digest
    (out / "mine.txt").write_text("kept")
    assert command.main(["web", str(out)]) == 5
    assert "mine.txt" in capsys.readouterr().err
    assert command.main(["web", str(out), "--force"]) == 0
    assert (out / "mine.txt").read_text() == "kept"


def test_a_package_in_a_folder_becomes_a_file(page_folder: Path, tmp_path: Path) -> None:
    shutil.unpack_archive(locate("default"), tmp_path / "folder", "zip")
    assert command.main(["web", str(tmp_path / "site"), "--package", str(tmp_path / "folder")]) == 0
    assert Package.load(tmp_path / "site" / "package.emoface").digest == Package.load().digest


def test_without_a_built_page_the_command_says_how_to_build_it(monkeypatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr(web, "PAGE", tmp_path / "nothing")
    for words in (["web", str(tmp_path / "out")], ["view", "--no-open"]):
        assert command.main(words) == 2
        assert "make web" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_view_serves_its_own_host_alone(page_folder: Path) -> None:
    from http.client import HTTPConnection

    with view.open_server({"index.html": b"<!doctype html>", "page.js": b"1"}) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answers = {}
        for path, host in [
            ("/", None),
            ("/page.js?x", "localhost:1"),
            ("/../setup.py", None),
            ("/", "evil.example:80"),
        ]:
            connection = HTTPConnection(*server.server_address, timeout=10)
            connection.request("GET", path, headers={"Host": host} if host else {})
            answers[path, host] = connection.getresponse().status
            connection.close()
        server.shutdown()
    assert list(answers.values()) == [200, 200, 404, 403]
    with pytest.raises(emoface.errors.OutputError, match="port 99999"):
        view.open_server({}, 99999)
