"""Noise in the C interface and in the backend `native`: Python's bits, whatever the cut."""

from __future__ import annotations

import pytest
from c_interface import AnimatorConfig, StatusError, joined, same_bits

from emoface import FrameBatch
from emoface.backends import available_backends
from emoface.errors import SnapshotError

LAST_SEED = (1 << 64) - 1
FIELDS = ("time", "vertices", "emotion", "emotion_weight")


def python_run(package, audio, **options) -> FrameBatch:
    with package.animator(backend="ort-cpu", **options) as animator:
        animator.set_level("strong", at=0.3)
        return FrameBatch.concat([animator.step(audio), animator.flush()])


def equal(frames: dict, batch: FrameBatch) -> None:
    for name in FIELDS:
        assert frames[name].tobytes() == getattr(batch, name).tobytes(), name


@pytest.mark.parametrize("seed", [0, 1, LAST_SEED])
def test_python_has_the_same_bits(api, format2, format2_python, sound, seed):
    audio = sound(1.2)
    expected = python_run(format2_python, audio, noise_seed=seed)
    voice = format2.animator(noise_seed=seed)
    for cuts in ([audio], [audio[:1], audio[1:5000], audio[5000:]], [audio[i : i + 777] for i in range(0, 19200, 777)]):
        api.call("reset", voice.handle)
        api.call("set_level", voice.handle, b"strong", 0.3)
        equal(joined([*(voice.step(cut) for cut in cuts), voice.flush()]), expected)


def test_snapshots_go_from_one_to_the_other(format2, format2_python, sound):
    audio, place = sound(1.2), 9000
    whole = format2.animator(noise_seed=LAST_SEED).run(audio)
    voice = format2.animator(noise_seed=LAST_SEED)
    before = voice.step(audio[:place])
    with format2_python.animator(backend="ort-cpu", noise_seed=LAST_SEED, channels=1) as python:
        python.restore(voice.snapshot())
        batch = FrameBatch.concat([python.step(audio[place:]), python.flush()])
        equal({name: whole[name][len(before["time"]) :] for name in FIELDS}, batch)
        python.reset()
        python.step(audio[:place])
        other = format2.animator(noise_seed=LAST_SEED)
        other.restore(python.snapshot())
        same_bits(joined([before, other.step(audio[place:]), other.flush()]), whole)
        with pytest.raises(StatusError, match=r"identity\.noise_seed = 18446744073709551615; expected 3"):
            format2.animator(noise_seed=3).restore(python.snapshot())


def test_a_caller_without_the_field_has_seed_0(format2, sound):
    from c_interface import Voice

    config = AnimatorConfig(backend=b"ort-cpu", blinks=-1, noise_seed=5)
    config.struct_size = AnimatorConfig.noise_seed.offset
    same_bits(Voice(format2, config).run(sound(0.5)), format2.animator(blinks=-1).run(sound(0.5)))


def test_golden_vectors_have_seed_0(format2):
    result = format2.verify(AnimatorConfig(backend=b"ort-cpu", noise_seed=77))
    assert result.passed and result.offsets_error == 0 and result.stages_error == 0


def test_the_backend_native(format2_python, sound):
    if "native" not in available_backends():
        pytest.skip("no emoface._runtime")
    audio = sound(0.8)
    single = "ort-cpu-native" if "ort-cpu-native" in available_backends() else "ort-cpu"
    with (
        format2_python.animator(backend="native", noise_seed=LAST_SEED) as native,
        format2_python.animator(backend=single, noise_seed=LAST_SEED) as python,
    ):
        first = FrameBatch.concat([native.step(audio[:5000]), native.step(audio[5000:]), native.flush()])
        second = FrameBatch.concat([python.step(audio), python.flush()])
        assert all(getattr(first, name).tobytes() == getattr(second, name).tobytes() for name in FIELDS)
        native.reset()
        native.step(audio[:5000])
        data = native.snapshot()
        rest = FrameBatch.concat([native.step(audio[5000:]), native.flush()])
        native.restore(data)
        again = FrameBatch.concat([native.step(audio[5000:]), native.flush()])
        assert again.vertices.tobytes() == rest.vertices.tobytes()
        with format2_python.animator(backend="native", noise_seed=6) as other, pytest.raises(SnapshotError):
            other.restore(data)
