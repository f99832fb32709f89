"""A constant offset goes, from the first sample on; sound stays; the same bits as any other program's."""

from __future__ import annotations

import functools
import hashlib
import math
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from emoface.audio.offset import OffsetRemover, without_offset

CSRC = Path(__file__).parents[2] / "csrc"
COMPILER = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
HOP, OVERLAP, RATE = 320, 80, 16000
# SHA-256 of `known_sound` without its offset, little-endian float32: what any other program must give.
KNOWN = "987a55d14942d0e95e00699ff372a613bff9258bb523c5b9b7b9d85c18f62179"


@functools.cache
def known_sound() -> np.ndarray:
    """Whole numbers from a congruential generator, an offset that steps, pauses: the same in any language."""
    state, samples = 1, []
    for index in range(20003):
        state = (state * 1103515245 + 12345) % 2**31
        noise = (state >> 15) - 32768  # 16 bits
        offset = 1500 if index < 9000 else -700
        pause = 4000 <= index < 5500 or 15000 <= index < 16000
        samples.append(offset + (0 if pause else noise // 4))
    return np.array(samples, np.float32) / np.float32(32768)


def remove(samples: np.ndarray) -> np.ndarray:
    return without_offset(samples, HOP, OVERLAP)


def by_hand(samples: np.ndarray) -> np.ndarray:
    """The rule once more, sample by sample in whole numbers."""
    out, total, count, at = [], 0, 0, 0
    while at < len(samples):
        part = [float(value) for value in samples[at : at + HOP + (OVERLAP if at == 0 else 0)]]
        mine = sum(math.floor(value * 2**24 + 0.5) for value in part)
        pause = max(part) - min(part) <= 2**-12
        before = (total << 10) // count if count else None
        if not pause or count < 4096:
            kept = min(count, 4096 - len(part))
            total = (total * kept // count if kept < count else total) + mine
            count = kept + len(part)
        after = (total << 10) // count
        first, step = (after, 0) if before is None else (before, (after - before) // len(part))
        if pause:
            first, step = (mine << 10) // len(part), 0
        out += [np.float32(value - (first + step * (i + 1)) * 2.0**-34) for i, value in enumerate(part)]
        at += len(part)
    return np.array(out, np.float32)


def test_the_known_bits():
    sound = known_sound()
    assert remove(sound).tobytes() == by_hand(sound).tobytes()
    assert hashlib.sha256(remove(sound).astype("<f4").tobytes()).hexdigest() == KNOWN


@pytest.mark.parametrize("length", [0, 1, 79, 399, 400, 401, 719, 720, 1000])
def test_clips_of_any_length(length):
    sound = known_sound()[:length]
    assert remove(sound).tobytes() == by_hand(sound).tobytes()


@pytest.mark.parametrize(("high", "pause"), [(2**-13, True), (2**-13 + 2**-36, False)])
def test_a_pause_is_told_exactly(high, pause):
    """A swing of 2^-12, and one that is larger by less than float32 can say of the difference."""
    sound = np.full(9000, 0.01, np.float32)
    sound[8000:8320:2], sound[8001:8320:2] = -(2**-13), high
    remover = OffsetRemover(HOP, OVERLAP)
    remover.restore(1000, 4096)
    remover.remove(sound[8000:8320], 8000, 9000)
    assert (remover.state() == [1000, 4096]) == pause


@pytest.mark.parametrize("blocks", [1, 2, 5, 50])
def test_blocks_do_not_matter(blocks):
    sound = known_sound()[: OVERLAP + 62 * HOP]
    remover, parts, at = OffsetRemover(HOP, OVERLAP), [], 0
    while at < len(sound):
        size = blocks * HOP + (OVERLAP if at == 0 else 0)
        parts.append(remover.remove(sound[at : at + size], at, len(sound)))
        at += size
        again = OffsetRemover(HOP, OVERLAP)
        again.restore(*remover.state())
        remover = again
    assert np.concatenate(parts).tobytes() == remove(sound).tobytes()


@pytest.mark.parametrize("offset", [0.05, -0.05, 0.001, 0.5])
def test_constant_offset_goes_from_the_first_sample_on(offset, tone):
    speech = np.concatenate([tone(0.7), np.zeros(5000, np.float32), tone(0.5)])
    np.testing.assert_allclose(remove(speech + np.float32(offset)), remove(speech), rtol=0, atol=2**-22)
    np.testing.assert_allclose(remove(np.full(3000, offset, np.float32)), 0, rtol=0, atol=2**-24)


def test_silence_stays_silence():
    assert not remove(np.zeros(9000, np.float32)).any()


@pytest.mark.parametrize("hertz", [60, 80, 110, 200, 1000])
def test_voices_stay(hertz):
    """A loud tone from its first sample on loses less than 1 % of its energy after the first tenth of a second."""
    wave = (0.5 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE + 1)).astype(np.float32)
    lost = (remove(wave) - wave)[RATE // 10 :]
    assert np.sqrt(np.mean(lost**2)) < 0.01 * np.sqrt(np.mean(wave**2)) * 1.5


def test_plosive_stays():
    """A burst after silence: 10 ms that swing to one side."""
    sound = np.zeros(RATE, np.float32)
    sound[8000:8160] = 0.4 * np.hanning(160)
    changed = np.abs(remove(sound) - sound)
    assert changed.max() < 0.02


def test_offset_that_steps_is_gone_after_a_second():
    noise = (0.05 * np.random.default_rng(0).standard_normal(3 * RATE)).astype(np.float32)
    sound = noise.copy()
    sound[RATE:] += np.float32(0.05)
    left = remove(sound) - remove(noise)
    assert np.abs(left[2 * RATE :]).max() < 0.05 * 0.02
    assert np.abs(left[: RATE - HOP]).max() < 2**-22


def test_muted_microphone_leaves_the_estimate():
    """An offset under speech, none while muted, the same offset again: no swing where either begins."""
    noise = (0.05 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)
    sound = np.concatenate([noise + np.float32(0.05), np.zeros(RATE, np.float32), noise + np.float32(0.05)])
    out = remove(sound)
    assert not out[RATE + HOP : 2 * RATE - HOP].any()
    assert abs(out[2 * RATE : 2 * RATE + 5 * HOP].mean()) < 0.01


def test_padding_is_silence():
    remover = OffsetRemover(HOP, OVERLAP)
    out = remover.remove(np.full(2000, 0.05, np.float32), 0, 1000)
    assert not out[1000:].any()
    assert remover.state()[1] == 1000
    assert not remover.remove(np.full(320, 0.05, np.float32), 2000, 1000).any()
    assert remover.state()[1] == 1000


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler: apt install g++")
@pytest.mark.parametrize("flags", [["-O0", "-fsanitize=undefined"], ["-O3", "-march=native", "-ffp-contract=fast"]])
def test_the_same_bits_in_cpp(tmp_path, flags):
    """However it is compiled: products are exact, so that fused additions change nothing."""
    sources = [CSRC / "tests" / "run_offset.cpp", CSRC / "runtime" / "offset.cpp"]
    program = tmp_path / "run_offset"
    subprocess.run([COMPILER, "-std=c++17", *flags, f"-I{CSRC / 'runtime'}", *sources, "-o", program], check=True)
    for sound in (known_sound(), known_sound()[:1000], np.full(5000, -0.3, np.float32), known_sound() * 31):
        for blocks in ("1", "5"):
            data = sound.astype("<f4").tobytes()
            done = subprocess.run([program, blocks], input=data, capture_output=True, check=True)
            assert done.stdout == remove(sound).astype("<f4").tobytes()
