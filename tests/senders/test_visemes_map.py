"""Visemes of weights: what the file says, what it gives for poses and for speech."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from emoface.errors import SenderError
from emoface.rig import ARKIT_52
from emoface.senders import visemes

OCULUS = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")


def test_names():
    assert visemes.viseme_map("oculus").names == OCULUS
    assert visemes.viseme_map("vrm").names == ("aa", "ih", "ou", "ee", "oh")
    assert visemes.viseme_map("preston-blair").names == ("rest", "AI", "E", "O", "U", "etc", "L", "WQ", "MBP", "FV")
    with pytest.raises(SenderError, match="visemes='x'"):
        visemes.viseme_map("x")


def test_the_file_is_one_that_any_language_reads():
    content = json.loads(Path(visemes.__file__).with_name(visemes.FILE).read_text("utf-8"))
    assert content["visemes"] == 1
    for about in content["features"].values():
        assert set(about["shapes"]) <= set(ARKIT_52) and about["gain"] > 0
    for of in content["sets"].values():
        assert set(of) == {"sharpness", "hidden", "poses"} and set(of["hidden"]) <= set(of["poses"])
        assert all(len(pose) == len(content["features"]) for poses in of["poses"].values() for pose in poses)


@pytest.mark.parametrize("name", visemes.viseme_sets())
def test_weights_sum_to_one_and_a_face_at_rest_is_silent(name):
    told = visemes.viseme_map(name)
    for weights in ({}, dict.fromkeys(ARKIT_52, 1.0), {"jawOpen": 0.4}, {"mouthPucker": 0.9, "jawOpen": 0.05}):
        given = told.all_weights(weights)
        assert sum(given.values()) == pytest.approx(1.0) and min(given.values()) >= 0
    rest = told.all_weights({})
    assert max(rest, key=rest.get) in ("sil", "rest") and max(rest.values()) > 0.7
    assert set(told.weights({})) == set(told.names)


def test_hits_on_sentences_that_did_not_make_the_file():
    benchmark = importlib.import_module("visemes")
    file = json.loads(benchmark.FILE.read_text())
    frames = benchmark.frames_of(6, benchmark.ASKED)
    for name, least in {"oculus": 0.85, "vrm": 0.95, "preston-blair": 0.9}.items():
        assert benchmark.measured(file, name, *frames)["middle_hits"] > least
    # Lips that must meet are told.
    by = benchmark.measured(file, "oculus", *frames)["by"]
    assert min(by["PP"]["hits"], by["FF"]["hits"], by["sil"]["hits"]) > 0.85
