"""AnimatorPool: a voice in a batch has the bits it has alone, whatever the others do."""

from __future__ import annotations

import threading
from collections import defaultdict

import numpy as np
import pytest

import emoface
from emoface import AnimatorPool, FrameBatch, Package
from emoface.backends import available_backends, ort_batch
from emoface.backends.ort import OrtEngine
from emoface.errors import (
    AudioError,
    AudioFormatError,
    BackendError,
    ClosedError,
    ConcurrentUseError,
    ConditionError,
    PackageError,
    RuntimeFailure,
    SnapshotError,
    StreamEndedError,
    UsageError,
    VoiceError,
)

VOICES = 5


@pytest.fixture
def sizes(monkeypatch):
    """Batch sizes of all calls, by stage."""
    seen: dict[str, list[int]] = defaultdict(list)
    run_rows = ort_batch.OrtBank.run_rows

    def counting(self, inputs, n):
        seen[self._stage.name].append(len(inputs))
        return run_rows(self, inputs, n)

    monkeypatch.setattr(ort_batch.OrtBank, "run_rows", counting)
    return seen


def run_pool(pool: AnimatorPool, audio: list[np.ndarray], cut: int) -> list[FrameBatch]:
    """Feed every voice in pieces of `cut` samples, all in one round, and flush."""
    parts: list[list[FrameBatch]] = [[] for _ in audio]
    for start in range(0, max(map(len, audio)), cut):
        for held, batch in zip(parts, pool.step_all([a[start : start + cut] for a in audio]), strict=True):
            held.append(batch)
    for held, batch in zip(parts, pool.flush_all(), strict=True):
        held.append(batch)
    return [FrameBatch.concat(held) for held in parts]


@pytest.fixture
def batching(monkeypatch):
    """Batches of every size that keeps the bits: without the clock's say, so that tests do not depend on speed."""
    monkeypatch.setattr(ort_batch, "_TRIAL_S", float("inf"))
    monkeypatch.setattr(ort_batch, "faster", lambda together, alone: True)


@pytest.mark.parametrize("backend", ["ort-cpu", "ort-cpu-native"])
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_voice_has_the_bits_it_has_alone(
    tiny_package, sound, alone, same_bits, batching, sizes, precision, backend
):
    """Voices of different lengths and conditions; no reading of any voice reaches another."""
    if backend not in available_backends():
        pytest.skip(f"this build has no {backend}: no C++ compiler or no headers of ONNX Runtime")
    package = Package.load(tiny_package)  # engines of its own: what batches is tried here
    styles = package.manifest.styles
    chosen = {"backend": backend, "precision": precision}
    audio = [sound(0.9 + 0.17 * k, seed=k) for k in range(VOICES)]
    conditions = [{"style": styles[k % 3], "emotion": ("auto", "happy")[k % 2]} for k in range(VOICES)]
    expected = [alone(package, audio[k], **chosen, **conditions[k]) for k in range(VOICES)]
    sizes.clear()
    with package.pool(1, capacity=VOICES, **chosen, **conditions[0]) as pool:
        for options in conditions[1:]:
            pool.join(**options)
        sizes.clear()
        for got, wanted in zip(run_pool(pool, audio, cut=1600), expected, strict=True):
            same_bits(got, wanted)
    assert max(sizes["decoder"]) == 4
    if precision == "fp32":
        assert max(sizes["content_encoder"]) == 4
    else:
        # Dynamic quantisation has one scale per tensor: int8 stages run voice by voice.
        assert set(sizes["content_encoder"]) == set(sizes["emotion_encoder"]) == {1}


def test_int8_voices_in_one_tensor_would_change_each_other(package):
    """Why int8 stages are not batched: the same voice beside a louder one."""
    stage = package.manifest.stage("content_encoder")
    session = package.engine("ort-cpu", "int8")._sessions["content_encoder"]
    random = np.random.default_rng(0)
    quiet, loud = (scale * random.standard_normal((1, 720)).astype(np.float32) for scale in (0.01, 1.0))
    bank = ort_batch.OrtBank(session, stage, 2)
    beside = bank.run_rows([{"audio": quiet}, {"audio": loud}], 2)["content"][:1]
    single = ort_batch.OrtBank(session, stage, 1).run_rows([{"audio": quiet}], 2)["content"]
    assert np.abs(beside - single).max() > 1e-3 * np.abs(single).max()


def test_a_stage_whose_batch_changes_bits_runs_voice_by_voice(package, batching, sizes, monkeypatch):
    """The check itself can fail: let the graphs of a batch add a rounding error."""
    run_rows = ort_batch.OrtBank.run_rows

    def inexact(self, inputs, n):
        outputs = run_rows(self, inputs, n)
        if len(inputs) > 1 and self._stage.name == "decoder":
            outputs["offsets"][-1] = np.nextafter(outputs["offsets"][-1], np.float32(1))
        return outputs

    monkeypatch.setattr(ort_batch.OrtBank, "run_rows", inexact)
    with AnimatorPool(package, 4, engine=OrtEngine(package, "fp32")) as pool:
        sizes.clear()
        pool.step_all([np.zeros(8000, np.float32)] * 4)
    assert set(sizes["decoder"]) == {1}
    assert max(sizes["content_encoder"]) == 4


def test_voices_join_leave_wait_and_have_rates_of_their_own(package, sound, alone, same_bits, batching):
    rates = (16000, 48000, 8000)
    audio = [sound(1.0, rate, seed=rate) for rate in rates]
    parts = defaultdict(list)
    with package.pool(2, capacity=3, precision="fp32") as pool:
        pool.leave(1)
        others = [pool.join(sample_rate=rate) for rate in rates[1:]]
        assert pool.voices == (0, *others) == (0, 2, 3)  # numbers are never used twice
        for part in range(10):
            # Voice 2 pauses, voice 3 hurries: 150 % in every second round.
            given = {0: audio[0][part * 1600 : (part + 1) * 1600]}
            if part % 3:
                begin = (part - part // 3 - 1) * 8000
                given[2] = audio[1][begin : begin + 8000]
            if part % 2:
                begin = part // 2 * 1600
                given[3] = audio[2][begin : begin + 1600]
            for voice, batch in zip(given, pool.step_all(given), strict=True):
                parts[voice].append(batch)
        parts[2].append(pool[2].step(audio[1][48000:]))  # on its own
        for voice, batch in zip((3, 0), pool.flush_all([3, 0]), strict=True):
            parts[voice].append(batch)
        parts[2].append(pool[2].flush())
        for k, voice in enumerate((0, 2, 3)):
            same_bits(FrameBatch.concat(parts[voice]), alone(package, audio[k], sample_rate=rates[k], precision="fp32"))


def test_reset_snapshot_and_conditions_of_one_voice_leave_the_others_alone(package, sound, alone, same_bits, batching):
    audio = [sound(0.8, seed=k) for k in range(3)]
    with package.pool(3, precision="fp32") as pool:
        half = pool.step_all([a[:6400] for a in audio])
        data = pool[1].snapshot()
        pool[2].reset()
        pool[0].set_emotion("happy", at=0.6)
        rest = pool.step_all([audio[0][6400:], audio[1][6400:], audio[2]])
        ends = pool.flush_all()
        same_bits(FrameBatch.concat([half[1], rest[1], ends[1]]), alone(package, audio[1], precision="fp32"))
        same_bits(FrameBatch.concat([rest[2], ends[2]]), alone(package, audio[2], precision="fp32"))
    with package.animator(precision="fp32") as animator:
        animator.set_emotion("happy", at=0.6)
        changed = FrameBatch.concat([animator.step(audio[0]), animator.flush()])
        same_bits(FrameBatch.concat([half[0], rest[0], ends[0]]), changed)
        # A voice's snapshot continues in an animator alone, and the other way round.
        animator.restore(data)
        same_bits(FrameBatch.concat([animator.step(audio[1][6400:]), animator.flush()]), _joined(rest[1], ends[1]))
    with package.pool(2, precision="fp32") as other:
        other[1].restore(data)
        got = other.step_all({1: audio[1][6400:]})[0]
        same_bits(_joined(got, *other.flush_all([1])), _joined(rest[1], ends[1]))


def _joined(*batches: FrameBatch) -> FrameBatch:
    return FrameBatch.concat(batches)


def test_frame_counts_and_tails(package, sound):
    lengths = (0, 1, 533, 534, 16001)
    with package.pool(len(lengths)) as pool:
        first = pool.step_all([sound(1.1, seed=k)[:n] for k, n in enumerate(lengths)])
        last = pool.flush_all(tail_s=0.1)
        counts = [len(a) + len(b) for a, b in zip(first, last, strict=True)]
        assert counts == [n * 30 // 16000 + 3 for n in lengths]
        assert np.array_equal(last[4].vertices[-1], package.face.template)


def test_groups_that_change_keep_a_bounded_number_of_buffers(package, sound):
    with package.pool(6, precision="fp32") as pool:
        assert len(pool) == 6
        random = np.random.default_rng(0)
        for _ in range(45):
            chosen = random.choice(6, size=int(random.integers(1, 7)), replace=False)
            pool.step_all({int(voice): sound(0.04) for voice in chosen})
        assert max(len(batch._banks) for batch in pool.batches.values()) <= 6 + ort_batch._SPARE_BANKS


def test_an_engine_without_batches_runs_voice_by_voice(package, sound, alone, same_bits):
    class Plain:
        """Another backend: only what the protocol Engine asks for."""

        backend, precision = "plain", "fp32"

        def __init__(self) -> None:
            self.open_stage = package.engine("ort-cpu", "fp32").open_stage

    audio = [sound(0.5, seed=k) for k in range(2)]
    with AnimatorPool(package, 2, engine=Plain()) as pool:
        assert pool.backend == "plain"
        for got, samples in zip(run_pool(pool, audio, cut=3000), audio, strict=True):
            same_bits(got, alone(package, samples, backend="ort-cpu", precision="fp32"))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"voices": 0}, UsageError, "from 1 to 4096"),
        ({"voices": True}, UsageError, "voices=True"),
        ({"voices": 2.5}, UsageError, "voices=2.5"),
        ({"voices": 5000}, UsageError, "voices=5000"),
        ({"voices": 1, "capacity": 5000}, UsageError, "capacity=5000"),
        ({"voices": 3, "capacity": 2}, UsageError, "from 1 to 2"),
        ({"voices": 1, "precision": "fp16"}, PackageError, "fp32, int8"),
        ({"voices": 1, "backend": "none"}, BackendError, "no such backend"),
        ({"voices": 1, "emotion": "bored"}, ConditionError, "bored"),
        ({"voices": 1, "sample_rate": 100}, AudioFormatError, "4000"),
        ({"voices": 1, "block_ms": 33}, UsageError, "multiple of 20"),
    ],
)
def test_pools_that_cannot_be_made(package, arguments, error, text):
    with pytest.raises(error, match=text):
        emoface.AnimatorPool(package, **arguments)


def test_refused_chunks_change_no_voice(package, sound, alone, same_bits):
    audio = [sound(0.5, seed=k) for k in range(2)]
    with package.pool(2) as pool:
        first = pool.step_all([a[:4000] for a in audio])
        for chunks, error, text in (
            ({0: audio[0], 7: audio[1]}, UsageError, r"voice 7; expected a voice of the pool \(0, 1\)"),
            ([audio[0]], UsageError, "1 chunks; expected a list of 2 chunks"),
            (np.zeros((3, 10), np.float32), UsageError, "3 chunks"),
            (7, UsageError, "int; expected a list of 2"),
            ([audio[0], np.float32([np.nan])], AudioError, "voice 1: 1 unusable"),
            ([audio[0], np.zeros((4, 2), np.float32)], AudioFormatError, "voice 1: a chunk of 2 channel"),
        ):
            with pytest.raises(error, match=text):
                pool.step_all(chunks)
        with pytest.raises(AudioFormatError, match="voice 0: a chunk at 44100 Hz"):
            pool.step_all([a[4000:] for a in audio], sample_rate=44100)
        rest = pool.step_all([a[4000:] for a in audio], sample_rate=16000)
        ends = pool.flush_all()
        for k in range(2):
            same_bits(_joined(first[k], rest[k], ends[k]), alone(package, audio[k]))
        with pytest.raises(StreamEndedError, match="voice 1: step"):
            pool.step_all({1: audio[1]})
        with pytest.raises(StreamEndedError, match="voice 0: a second flush"):
            pool.flush_all()


def test_mixed_rates_are_noticed_where_the_caller_states_them(package):
    with package.pool(1, capacity=2, sample_rate=48000) as pool:
        pool.join(sample_rate=16000)
        with pytest.raises(AudioFormatError, match="voice 1: a chunk at 48000 Hz"):
            pool.step_all([np.zeros(480, np.float32)] * 2, sample_rate=48000)
        assert [len(batch) for batch in pool.step_all([np.zeros(480, np.float32)] * 2)] == [0, 0]


def test_too_many_voices_and_voices_that_left(package):
    with package.pool(2) as pool:
        with pytest.raises(UsageError, match="3 voices; expected at most 2"):
            pool.join()
        gone = pool[0]
        pool.leave(0)
        with pytest.raises(ClosedError):
            gone.step([0.0])
        for call in (lambda: pool[0], lambda: pool.leave(0), lambda: pool.flush_all([0])):
            with pytest.raises(UsageError, match="voice 0"):
                call()
        with pytest.raises(ConditionError, match="bored"):
            pool.join(emotion="bored")
        for shared in ("block_ms", "backend", "precision", "threads"):
            with pytest.raises(UsageError, match=f"option '{shared}'"):
                pool.join(**{shared: None})
        assert pool.join() == 2
        assert len(pool) == 2


def test_a_closed_pool(package):
    with package.pool(1) as pool:
        voice = pool[0]
    pool.close()
    for call in (lambda: pool.step_all([]), pool.flush_all, pool.join, lambda: pool[0], lambda: voice.step([0.0])):
        with pytest.raises(ClosedError):
            call()


def test_two_threads_on_one_pool(package, sound, monkeypatch):
    """Also two voices of one pool: they share buffers."""
    inside, go_on, results = threading.Event(), threading.Event(), []
    with package.pool(2) as pool:
        run_group = pool._run_group

        def slow(calls):
            inside.set()
            assert go_on.wait(10)
            return run_group(calls)

        monkeypatch.setattr(pool, "_run_group", slow)
        thread = threading.Thread(target=lambda: results.extend(pool.step_all([sound(0.3)] * 2)))
        thread.start()
        assert inside.wait(10)
        voice = pool[1]
        for call in (lambda: pool.step_all([]), pool.close, pool.join, lambda: voice.step([0.0]), voice.snapshot):
            with pytest.raises(ConcurrentUseError, match="one AnimatorPool"):
                call()
        go_on.set()
        thread.join()
    assert [len(batch) for batch in results] == [len(results[0])] * 2
    assert len(results[0]) > 0


def test_a_failing_voice_is_named_and_the_others_go_on(package, sound, monkeypatch, alone, same_bits):
    audio = [sound(0.5, seed=k) for k in range(3)]
    with package.pool(3, precision="fp32") as pool:
        value = pool[1]._driver.timeline.value
        monkeypatch.setattr(pool[1]._driver.timeline, "value", lambda name, time: value(name, time) * np.float32("nan"))
        with pytest.raises(VoiceError, match="voice 1: NaN") as caught:
            pool.step_all(audio)
        monkeypatch.undo()
        assert list(caught.value.failures) == [1]
        with pytest.raises(RuntimeFailure, match="voice 1: a call after a failed step"):
            pool.step_all({1: audio[1]})
        ends = pool.flush_all([0, 2])
        for k, end in zip((0, 2), ends, strict=True):
            same_bits(_joined(caught.value.frames[k], end), alone(package, audio[k], precision="fp32"))
        pool[1].reset()
        got = pool.step_all({1: audio[1]})
        same_bits(_joined(*got, *pool.flush_all([1])), alone(package, audio[1], precision="fp32"))


def test_a_graph_that_fails_fails_every_voice(package, sound, monkeypatch):
    with package.pool(2) as pool:
        monkeypatch.setattr(pool, "_run_group", lambda calls: (_ for _ in ()).throw(BackendError("x", "y", "z")))
        with pytest.raises(BackendError):
            pool.step_all([sound(0.3)] * 2)
        monkeypatch.undo()
        for voice in (0, 1):
            with pytest.raises(RuntimeFailure, match="incomplete"):
                pool[voice].step([0.0])


def test_a_snapshot_of_another_precision_is_refused(package):
    with package.pool(1, precision="int8") as pool, package.animator(precision="fp32") as animator:
        data = animator.snapshot()
        with pytest.raises(SnapshotError, match="precision"):
            pool[0].restore(data)
