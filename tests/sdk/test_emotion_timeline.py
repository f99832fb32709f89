"""Emotion keys: files, blending, the same changes however they come, the same frames for any cut."""

from __future__ import annotations

import itertools
import json
import math
import pickle

import numpy as np
import pytest
from emotion_cases import BLENDING, KEYS

from emoface import FrameBatch
from emoface.cli.main import main
from emoface.errors import ConditionError
from emoface.live.voice import LiveVoice
from emoface.rig import EmotionBlend, EmotionBlending, EmotionTimeline
from emoface.stream.conditions import condition_vector


@pytest.fixture(scope="module")
def start(package):
    return condition_vector(package.manifest, "emotion", "auto")


def table(changes):
    return [(at, vector.tobytes()) for at, vector in changes]


@pytest.mark.parametrize("name", BLENDING)
def test_keys_that_come_later_give_the_same_changes(package, start, name):
    blending = EmotionBlending(**BLENDING[name])
    whole = EmotionTimeline(KEYS, blending).changes(package.manifest, start)
    assert whole and table(whole) == sorted(table(whole), key=lambda change: change[0])
    for pace in (0.01, 0.09, 0.3):
        blend, got, keys = EmotionBlend(package.manifest, blending, start), [], list(KEYS)
        for step in range(int(3 / pace)):
            while keys and keys[0][0] < (step + 1) * pace:
                blend.key(*keys.pop(0))
            got += blend.until(step * pace)
        assert table(got + blend.until(math.inf)) == table(whole)


def test_a_key_is_reached_after_the_transition_and_begins_where_the_emotion_is(package, start):
    blending = EmotionBlending(transition_s=0.5, rest="neutral")
    changes = EmotionTimeline(((1.0, "happy"), (1.25, "sad")), blending).changes(package.manifest, start)
    times = np.array([at for at, _ in changes])
    fps = package.manifest.fps
    assert (times == np.round(times * fps) / fps).all() and 1.0 < times[0] < 1.0 + 1.5 / fps
    assert times[-1] == pytest.approx(1.75, abs=1 / fps)
    happy, sad = (package.manifest.choices("emotion").index(name) for name in ("happy", "sad"))
    weights = np.array([vector for _, vector in changes])
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)
    turn = int(np.argmax(weights[:, happy]))
    assert times[turn] == pytest.approx(1.25, abs=1 / fps) and 0.45 < weights[turn, happy] < 0.55
    assert (np.diff(weights[turn:, sad]) > 0).all() and weights[-1, sad] == 1.0
    assert np.abs(np.diff(weights, axis=0)).max() < 0.15  # no jump


def test_weights(package):
    manifest = package.manifest
    choices = manifest.choices("emotion")

    def weights(emotion, **blending):
        vector = EmotionBlending(**{"rest": "neutral", **blending}).vector(manifest, emotion)
        return {name: round(float(w), 6) for name, w in zip(choices, vector, strict=True) if w}

    assert weights("happy") == {"happy": 1.0}
    assert weights({}) == {"neutral": 1.0}
    assert weights({"happy": 0.25}) == {"happy": 0.25, "neutral": 0.75}
    assert weights("happy", strength=0.6, rest="auto") == {"happy": 0.6, "auto": 0.4}
    assert weights({"happy": 2.0, "sad": 2.0}) == {"happy": 0.5, "sad": 0.5}
    assert weights({"happy": 0.4, "sad": 0.2}, contrast=2.0) == {"happy": 0.48, "sad": 0.12, "neutral": 0.4}
    assert weights({"happy": 0.4, "sad": 0.2}, max_emotions=1) == {"happy": 0.4, "neutral": 0.6}


@pytest.mark.parametrize("name", BLENDING)
def test_any_cut_gives_the_same_bits(package, sound, name):
    audio, keys = sound(1.6), EmotionTimeline(KEYS, EmotionBlending(**BLENDING[name]))
    with package.animator(emotion=keys) as animator:
        whole = FrameBatch.concat([animator.step(audio), animator.flush()])
        animator.reset()
        cuts = [0, *np.sort(np.random.default_rng(1).integers(0, len(audio), 30)), len(audio)]
        parts = [animator.step(audio[a:b]) for a, b in itertools.pairwise(cuts)]
        cut = FrameBatch.concat([*parts, animator.flush()])
        animator.reset()
        head = animator.step(audio[:9000])
        with package.animator() as other:
            other.restore(animator.snapshot())
            resumed = FrameBatch.concat([head, other.step(audio[9000:]), other.flush()])
    with package.animator() as animator:
        plain = FrameBatch.concat([animator.step(audio), animator.flush()])
    assert cut.vertices.tobytes() == whole.vertices.tobytes() == resumed.vertices.tobytes()
    assert whole.vertices.tobytes() != plain.vertices.tobytes()


def test_files(package, start, tmp_path, sound):
    content = {
        "keys": [{"time": at, "emotion": emotion} for at, emotion in KEYS],
        **BLENDING["strong contrast"],
        "start": {"sad": 0.5},
    }
    (tmp_path / "keys.json").write_text(json.dumps(content))
    read = EmotionTimeline.load(tmp_path / "keys.json")
    assert read == EmotionTimeline(KEYS, EmotionBlending(**BLENDING["strong contrast"]), {"sad": 0.5})
    (tmp_path / "keys.csv").write_text("time, happy,sad\n0.1,0.5,0.3\n\n0.35,,1\n0.4,0,0\n")
    assert EmotionTimeline.load(tmp_path / "keys.csv").keys == (KEYS[0], (0.35, {"sad": 1.0}), (0.4, {}))
    audio = sound(1.0)
    frames = []
    for emotion in (read, tmp_path / "keys.json", str(tmp_path / "keys.json")):
        with package.animator(emotion=emotion) as animator:
            frames.append(animator.step(audio).vertices.tobytes())
    assert len(set(frames)) == 1


def test_a_voice_that_is_interrupted_keeps_its_keys_at_their_times(package, sound):
    keys = EmotionTimeline(((0.9, "sad"),), EmotionBlending(transition_s=0.2))
    assert pickle.loads(pickle.dumps(keys)) == keys
    told, keyed = (LiveVoice(package, emotion=emotion, backend="ort-cpu") for emotion in ("auto", keys))
    for at, vector in keys.changes(package.manifest, condition_vector(package.manifest, "emotion", "auto")):
        told.set("emotion", vector, at)
    audio = sound(1.5)
    for _ in range(2):
        for voice in (told, keyed):
            voice.feed(audio[:8000])
            voice.interrupt()
        first, second = (voice.feed(audio[8000:]).batch for voice in (told, keyed))
        assert len(first) > 15 and first.vertices.tobytes() == second.vertices.tobytes()
        with LiveVoice(package, backend="ort-cpu").animator as plain:
            assert plain.step(audio[8000:]).vertices.tobytes() != second.vertices.tobytes()
        keyed.reset()
        told = LiveVoice(package, backend="ort-cpu")
        for at, vector in keys.changes(package.manifest, condition_vector(package.manifest, "emotion", "auto")):
            told.set("emotion", vector, at)


def test_the_command_takes_a_file_of_keys(package_path, tmp_path, sound, capsys):
    import soundfile

    soundfile.write(tmp_path / "in.wav", sound(1.0), 16000)
    (tmp_path / "keys.csv").write_text("time,happy\n0.2,0.9\n")
    (tmp_path / "keys.json").write_text('{"rest": "neutral", "keys": [{"time": 0.2, "emotion": {"happy": 0.9}}]}')
    base = ["animate", str(tmp_path / "in.wav"), "--package", str(package_path)]
    assert main([*base, "-o", str(tmp_path / "a.npz"), "--emotion", str(tmp_path / "keys.json")]) == 0
    assert main([*base, "-o", str(tmp_path / "b.npz")]) == 0
    moved, plain = (np.load(tmp_path / name)["vertices"] for name in ("a.npz", "b.npz"))
    assert np.abs(moved - plain)[:6].max() == 0 < np.abs(moved - plain).max()
    assert main([*base, "-o", str(tmp_path / "keys.json"), "--emotion", str(tmp_path / "keys.json")]) == 2
    assert main([*base, "-o", str(tmp_path / "c.npz"), "--emotion", str(tmp_path / "none.csv")]) == 2
    assert "none.csv: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "content = "),
        ("[]", "content = "),
        ('{"keys": {}}', "keys = {}; expected a list"),
        ('{"key": []}', "the field 'key'"),
        ('{"keys": [{"time": 0}]}', r"keys\[0\] = "),
        ('{"keys": [{"time": 1, "emotion": "sad"}, {"time": 0.5, "emotion": "sad"}]}', r"keys\[1\].time = 0.5"),
        ('{"keys": [{"time": -1, "emotion": "sad"}]}', r"keys\[0\].time = -1"),
        ('{"keys": [{"time": "0", "emotion": "sad"}]}', r"keys\[0\].time = '0'"),
        ('{"keys": [{"time": 0, "emotion": 3}]}', r"keys\[0\].emotion = 3"),
        ('{"keys": [], "transition_s": 11}', "transition_s = 11; expected a number from 0 to 10"),
        ('{"keys": [], "contrast": 0.1}', "contrast = 0.1"),
        ('{"keys": [], "strength": true}', "strength = True"),
        ('{"keys": [], "max_emotions": 1.5}', "max_emotions = 1.5"),
        ('{"keys": [], "neutral_after": -1}', "neutral_after = -1"),
        ('{"keys": [], "rest": 1}', "rest = 1"),
        ('{"keys": [], "start": 1}', "start = 1"),
    ],
)
def test_damaged_json(tmp_path, text, match):
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(ConditionError, match=f"keys.json: {match}"):
        EmotionTimeline.load(tmp_path / "keys.json")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "the header ''"),
        ("happy,sad\n1,2\n", "the header"),
        ("time\n0\n", "the header"),
        ("time,sad,sad\n0,1,1\n", "the header"),
        ("time,sad\n0,1,1\n", "line 2 of 3 values"),
        ("time,sad\nx,1\n", "line 2: 'x,1'"),
        ("time,sad\nnan,1\n", r"keys\[0\].time = nan"),
        ("time,sad\n2,1\n1,1\n", r"keys\[1\].time = 1.0"),
    ],
)
def test_damaged_csv(tmp_path, text, match):
    (tmp_path / "keys.csv").write_text(text)
    with pytest.raises(ConditionError, match=f"keys.csv: {match}"):
        EmotionTimeline.load(tmp_path / "keys.csv")


def test_emotions_that_the_package_does_not_have(package, start):
    for keys, blending, match in (
        (((0, "furious"),), {"rest": "neutral"}, r"keys\[0\]: emotion 'furious'; expected one of"),
        (((0, {"happy": 11}),), {"rest": "neutral"}, r"keys\[0\]: emotion 'happy': 11"),
        (((0, "happy"),), {"rest": "bored"}, "rest = 'bored'"),
    ):
        with pytest.raises(ConditionError, match=match):
            package.animator(emotion=EmotionTimeline(keys, EmotionBlending(**blending)))
    with pytest.raises(ConditionError, match="10001 emotion keys"):
        EmotionTimeline(((0.0, "happy"),) * 10001)


def test_a_key_in_the_past(package, start):
    blend = EmotionBlend(package.manifest, EmotionBlending(rest="neutral"), start)
    blend.key(1.0, "happy")
    with pytest.raises(ConditionError, match=r"an emotion key at 0\.5; expected seconds from 1"):
        blend.key(0.5, "sad")
    blend.until(2.0)
    with pytest.raises(ConditionError, match=r"an emotion key at 1\.5; expected seconds from 2"):
        blend.key(1.5, "sad")
    with pytest.raises(ConditionError, match="nan"):
        blend.key(math.nan, "sad")


def test_a_thousand_keys_cost_no_time(package, start):
    keys = EmotionTimeline(
        tuple((0.5 * n, ("happy", "sad")[n % 2]) for n in range(1000)), EmotionBlending(rest="neutral")
    )
    assert len(keys.changes(package.manifest, start)) > 10000
