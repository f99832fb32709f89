"""The engine cache: one place per fact, whole files, and a refusal with the reason for all that does not fit."""

import dataclasses
import os
from pathlib import Path

import pytest

from emoface.backends.engine_cache import (
    EngineKey,
    cache_root,
    read_engine,
    read_header,
    require_same,
    stored_engines,
    write_engine,
)
from emoface.backends.tensorrt import choose_engines, entry_for
from emoface.errors import BackendError, OutputError
from emoface.manifest import StageSpec

KEY = EngineKey(
    package="ab" * 32,
    stage="decoder",
    flavour="rtx",
    version="1.7.1.116",
    precision="fp16",
    gpus=("sm86", "sm120"),
    plugin="",
    block_ms=40,
    platform="linux-x86_64",
)
OTHER = {
    "package": "cd" * 32,
    "stage": "mesh_attention",
    "flavour": "full",
    "version": "1.6.1.120",
    "precision": "fp32",
    "gpus": ("sm89",),
    "plugin": "1",
    "block_ms": 100,
    "platform": "win32-amd64",
}
DATA = bytes(range(256)) * 20


def change(fact: str) -> EngineKey:
    return dataclasses.replace(KEY, **{fact: OTHER[fact]})


def test_an_engine_comes_back_as_it_was_stored(tmp_path):
    path = write_engine(tmp_path, KEY, (1, 2), DATA, 1.25)
    header, data = read_engine(path, KEY)
    assert data == DATA
    assert (header.key, header.lengths, header.bytes, header.build_seconds) == (KEY, (1, 2), len(DATA), 1.25)
    assert [entry[1] for entry in stored_engines(tmp_path, KEY.package)] == [header]
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_an_engine_is_as_readable_as_other_files(tmp_path):
    other = tmp_path / "other"
    other.touch()
    path = write_engine(tmp_path, KEY, (1, 2), DATA, 1.0)
    assert path.stat().st_mode == other.stat().st_mode


def test_every_fact_has_a_place_of_its_own():
    assert set(OTHER) == {field.name for field in dataclasses.fields(EngineKey)}
    paths = {KEY.path(Path("c")), *(change(fact).path(Path("c")) for fact in OTHER)}
    assert len(paths) == 1 + len(OTHER)


@pytest.mark.parametrize("fact", OTHER)
def test_an_engine_of_something_else_is_refused_with_the_fact(tmp_path, fact):
    foreign = write_engine(tmp_path, change(fact), (1, 1), DATA, 1.0)
    place = KEY.path(tmp_path)
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(foreign, place)  # copied by hand to where it would be found
    with pytest.raises(BackendError) as caught:
        read_engine(place, KEY)
    got, wanted = getattr(change(fact), fact), getattr(KEY, fact)
    shown = ["+".join(v) if isinstance(v, tuple) else str(v)[:16] or "none" for v in (got, wanted)]
    assert shown[0] in caught.value.got
    assert shown[1] in caught.value.expected
    assert "emoface engine" in caught.value.remedy


def test_a_refusal_names_all_that_differs(tmp_path):
    with pytest.raises(BackendError) as caught:
        require_same(tmp_path, dataclasses.replace(KEY, precision="fp32", block_ms=100), KEY)
    assert "precision fp32, block in ms 100" in caught.value.got
    assert caught.value.expected == "precision fp16, block in ms 40"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b[:-1], "bytes of engine"),
        (lambda b: b + b"x", "bytes of engine"),
        (lambda b: b[:-1] + b"\0", "SHA-256"),
        (lambda b: b"EMOFENG2" + b[8:], "no EmoFace engine"),
        (lambda b: b[:5], "no EmoFace engine"),
        (lambda b: b"", "no EmoFace engine"),
        (lambda b: b[:8] + b"\xff\xff\xff\x7f" + b[12:], "a header of 2147483647 bytes"),
        (lambda b: b[:12] + b"[" + b[13:], "header that cannot be read"),
        (lambda b: b.replace(b'"lengths": [1, 2]', b'"lengths": 123456'), "header that cannot be read"),
        (lambda b: b.replace(b'"lengths": [1, 2]', b'"lengths":[1e999]'), "header that cannot be read"),
        (lambda b: b[:8] + (100000).to_bytes(4, "little") + b"[" * 100000, "header that cannot be read"),
    ],
    ids=[
        *("cut", "longer", "a flipped bit", "magic", "only magic", "empty", "huge header", "no JSON", "wrong types"),
        *("infinite", "deep"),
    ],
)
def test_a_damaged_engine_is_refused(tmp_path, damage, message):
    path = write_engine(tmp_path, KEY, (1, 2), DATA, 1.0)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BackendError, match=message) as caught:
        read_engine(path, KEY)
    assert "Delete the file" in caught.value.remedy


def test_a_missing_engine_is_an_error(tmp_path):
    with pytest.raises(BackendError, match="No such file"):
        read_header(tmp_path / "none.engine")


def test_a_failed_write_leaves_neither_a_part_nor_a_changed_engine(tmp_path, monkeypatch):
    path = write_engine(tmp_path, KEY, (1, 2), DATA, 1.0)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        write_engine(tmp_path, KEY, (1, 2), DATA[:100], 1.0)
    assert "EMOFACE_CACHE" in caught.value.remedy
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_cache_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "cache").write_text("")
    with pytest.raises(OutputError, match="a cache that can be written"):
        write_engine(tmp_path / "cache", KEY, (1, 1), DATA, 1.0)


def test_the_root_is_given_or_from_the_environment_or_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOFACE_CACHE", str(tmp_path / "env"))
    assert cache_root(tmp_path / "given") == tmp_path / "given"
    assert cache_root() == tmp_path / "env"
    monkeypatch.delenv("EMOFACE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_root() == tmp_path / "xdg" / "emoface"


def choose(root, **changes):
    """What a machine with one sm86 GPU finds."""
    wanted = dataclasses.replace(KEY, stage="", gpus=("sm86",), **changes)
    return choose_engines(root, wanted, ["decoder"], "GeForce", has_plugin=True)


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ("flavour", "TensorRT flavour full, here rtx"),
        ("version", "TensorRT version 1.6.1.120, here 1.7.1.116"),
        ("precision", "precision fp32, here fp16"),
        ("gpus", "GPUs sm89, here sm86"),
        ("platform", "platform win32-amd64, here linux-x86_64"),
    ],
)
def test_an_engine_for_another_machine_is_not_taken_and_the_reason_said(tmp_path, fact, message):
    write_engine(tmp_path, change(fact), (1, 1), DATA, 1.0)
    with pytest.raises(BackendError) as caught:
        choose(tmp_path)
    assert message in caught.value.got
    assert "fp16 engines of TensorRT (rtx) 1.7.1.116 for sm86" in caught.value.expected
    assert "emoface engine PACKAGE --flavour rtx" in caught.value.remedy


def test_an_engine_of_another_package_is_not_looked_at(tmp_path):
    write_engine(tmp_path, change("package"), (1, 1), DATA, 1.0)
    with pytest.raises(BackendError, match="there are: none at all"):
        choose(tmp_path)


def test_an_engine_at_the_place_of_another_is_not_taken(tmp_path):
    path = write_engine(tmp_path, change("block_ms"), (1, 1), DATA, 1.0)
    place = KEY.path(tmp_path)
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, place)
    with pytest.raises(BackendError, match="it lies at the place of another engine"):
        choose(tmp_path)


def test_full_engines_fit_one_model_of_gpu(tmp_path):
    key = dataclasses.replace(KEY, flavour="full", gpus=("sm86", "GeForce"))
    write_engine(tmp_path, key, (1, 1), DATA, 1.0)
    assert choose(tmp_path, flavour="full")["decoder"][0][1].key == key
    other = dataclasses.replace(key, gpus=("sm86", "A10"), precision="fp32")
    write_engine(tmp_path, other, (1, 1), DATA, 1.0)
    with pytest.raises(BackendError, match=r"GPUs sm86\+A10, here sm86"):
        choose(tmp_path, flavour="full", precision="fp32")


def test_plugin_engines_come_first_and_need_the_library(tmp_path):
    write_engine(tmp_path, KEY, (1, 2), DATA, 1.0)
    write_engine(tmp_path, change("plugin"), (1, 2), DATA, 1.0)
    assert [header.key.plugin for _, header in choose(tmp_path)["decoder"]] == ["1", ""]
    wanted = dataclasses.replace(KEY, stage="", gpus=("sm86",))
    without = choose_engines(tmp_path, wanted, ["decoder"], "GeForce", has_plugin=False)
    assert [header.key.plugin for _, header in without["decoder"]] == [""]


def test_a_length_without_an_engine_names_the_blocks_there_are(tmp_path):
    write_engine(tmp_path, KEY, (1, 2), DATA, 1.0)
    write_engine(tmp_path, change("block_ms"), (1, 3), DATA, 1.0)
    entries = choose(tmp_path)["decoder"]
    stage = StageSpec("decoder", "frames", {}, (), ())
    assert [entry_for(stage, entries, n, "rtx")[1].key.block_ms for n in (1, 2, 3)] == [40, 40, 100]
    with pytest.raises(BackendError) as caught:
        entry_for(stage, entries, 4, "rtx")
    assert caught.value.got == "stage decoder called with n = 4"
    assert "40 ms (n 1 to 2), 100 ms (n 1 to 3)" in caught.value.expected
    assert "--block-ms" in caught.value.remedy
