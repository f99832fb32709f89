"""Noise that stages read: its values, and the same bits under any cut, after reset and restore, alone or in a pool."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
from pathlib import Path

import handmade
import handmade_format2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoface import FrameBatch, Package, animate
from emoface.cli.main import main
from emoface.counter_hash import draws, mixed
from emoface.errors import ManifestError, SnapshotError, UsageError
from emoface.manifest import Manifest, NoiseSpec
from emoface.stream.noise import NoiseSource, standard_normal

HERE = Path(__file__).parent
LAST_SEED = (1 << 64) - 1


@pytest.fixture(scope="module")
def noisy(tmp_path_factory) -> Package:
    folder = tmp_path_factory.mktemp("noisy")
    return Package.load(handmade.write_zip(folder / "noisy.emoface", handmade_format2.package_files()))


def bits_of(values) -> list[int]:
    return np.asarray(values, np.float32).view(np.uint32).ravel().tolist()


def test_values_written_down():
    """The table for other implementations: seed, number, item, index, the bits of the float32."""
    table = json.loads((HERE / "noise_vectors.json").read_text())
    assert len(table) >= 40
    for seed, number, item, index, bits in table:
        source = NoiseSource({name: NoiseSpec((index + 1,)) for name in ("a", "b", "c")}, seed)
        assert bits_of(source.values("abc"[number], item, 1)[0, 0, index]) == [bits]


def test_the_written_rule_gives_the_same_bits_in_javascript():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    random = np.random.default_rng(5)
    seeds = [0, 1, LAST_SEED, *(int(seed) for seed in random.integers(0, 1 << 63, 3))]
    size = 2000
    places = [[seed, seed % 2, item, index] for seed in seeds for item in (0, 907) for index in range(size)]
    text = json.dumps([[str(part) for part in place] for place in places])
    done = subprocess.run([node, HERE / "noise.mjs"], input=text, capture_output=True, text=True, check=True)
    expected = list[int]()
    for seed in seeds:
        source = NoiseSource({"a": NoiseSpec((size,)), "b": NoiseSpec((size,))}, seed)
        for item in (0, 907):
            expected += bits_of(source.values("ab"[seed % 2], item, 1))
    assert json.loads(done.stdout) == expected


def test_values_are_those_of_the_normal_distribution():
    bits = draws(np.arange(20, dtype=np.uint64), 1000).ravel()
    edges = np.array([0, LAST_SEED, 1 << 63, (1 << 63) - 1, 1 << 12, (1 << 12) - 1], np.uint64)
    bits = np.concatenate([bits, edges, np.arange(1, 500, dtype=np.uint64) << np.uint64(12)])
    uniform = ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    assert uniform.min() > 0
    assert uniform.max() < 1
    exact = np.array([statistics.NormalDist().inv_cdf(value) for value in uniform])
    np.testing.assert_allclose(standard_normal(bits), exact, rtol=4e-15)
    values = NoiseSource({"a": NoiseSpec((200, 300))}, 3).values("a", 0, 2)
    assert values.shape == (1, 2, 200, 300) and values.dtype == np.float32
    assert abs(values.mean()) < 0.01 and abs(values.std() - 1) < 0.01
    assert abs(np.corrcoef(values[0, 0].ravel(), values[0, 1].ravel())[0, 1]) < 0.02


def test_draws_of_arrays_are_those_of_integers():
    bases = [mixed(7), LAST_SEED, 0]
    expected = [[mixed(base + k * 0x9E3779B97F4A7C15) for k in range(1, 5)] for base in bases]
    assert draws(np.array(bases, np.uint64), 4).tolist() == expected


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(0, 16000),
    pieces=st.lists(st.integers(0, 5000), min_size=1).filter(lambda pieces: max(pieces) > 500),
    seed=st.integers(0, LAST_SEED),
    change=st.floats(0.0, 0.5),
)
def test_any_cut_gives_the_same_bits(noisy, sound, run_whole, run_cut, same_bits, length, pieces, seed, change):
    audio = sound(1.0)[:length]
    with noisy.animator(noise_seed=seed) as animator:
        animator.set_level("strong", at=change)
        whole = run_whole(animator, audio)
        animator.reset()
        animator.set_level("strong", at=change)
        cut = run_cut(animator, audio, pieces)
    same_bits(cut, whole)


def test_seeds_differ_and_every_noise_is_heard(noisy, sound, run_whole, tmp_path):
    audio = sound(0.6)
    frames = {}
    for seed in (0, 1, LAST_SEED):
        with noisy.animator(noise_seed=seed) as animator:
            frames[seed] = run_whole(animator, audio)
    with noisy.animator() as animator:
        assert run_whole(animator, audio).vertices.tobytes() == frames[0].vertices.tobytes()
    for one, other in ((0, 1), (0, LAST_SEED), (1, LAST_SEED)):
        for name in ("vertices", "emotion", "emotion_weight"):
            assert (getattr(frames[one], name) != getattr(frames[other], name)).any(axis=1).all(), name
    # Block stages count features, so that longer blocks hear the same noise.
    with noisy.animator(block_ms=100) as animator:
        np.testing.assert_allclose(run_whole(animator, audio).emotion, frames[0].emotion, atol=1e-6)


def test_restored_streams_go_on(noisy, sound, same_bits):
    audio, place = sound(1.2), 9000
    with noisy.animator(noise_seed=LAST_SEED) as one, noisy.animator(noise_seed=LAST_SEED) as two:
        before = one.step(audio[:place])
        two.restore(one.snapshot())
        same_bits(
            FrameBatch.concat([one.step(audio[place:]), one.flush()]),
            FrameBatch.concat([two.step(audio[place:]), two.flush()]),
        )
        assert len(before)
    with noisy.animator(noise_seed=3) as other, pytest.raises(SnapshotError, match=r"identity\.noise_seed"):
        other.restore(one_snapshot(noisy))


def one_snapshot(package: Package) -> bytes:
    with package.animator(noise_seed=4) as animator:
        return animator.snapshot()


def test_voices_of_a_pool_have_their_own_noise(noisy, sound, run_whole, same_bits):
    audio = [sound(0.8, seed=seed) for seed in range(3)]
    seeds = (5, 5, 9)
    with noisy.pool(voices=1, capacity=3, noise_seed=5) as pool:
        pool.join()
        pool.join(noise_seed=9)
        parts = [[], [], []]
        for begin in range(0, 12800, 1000):
            batches = pool.step_all([sound[begin : begin + 1000] for sound in audio])
            for part, batch in zip(parts, batches, strict=True):
                part.append(batch)
        for part, batch in zip(parts, pool.flush_all(), strict=True):
            part.append(batch)
    for seed, sound_of, part in zip(seeds, audio, parts, strict=True):
        with noisy.animator(noise_seed=seed) as animator:
            same_bits(FrameBatch.concat(part), run_whole(animator, sound_of))


def test_format_1_hears_of_no_seed(package, sound, run_whole, same_bits):
    with package.animator() as plain, package.animator(noise_seed=7) as seeded:
        same_bits(run_whole(plain, sound(0.5)), run_whole(seeded, sound(0.5)))
        seeded.restore(plain.snapshot())


@pytest.mark.parametrize("seed", [-1, 1 << 64, 1.0, "1", None, True])
def test_bad_seeds(noisy, seed):
    with pytest.raises(UsageError, match=r"noise_seed=.*an integer from 0 to 18446744073709551615"):
        noisy.animator(noise_seed=seed)


def test_the_manifest_goes_round(noisy):
    manifest = noisy.manifest
    assert manifest.format == 2 and list(manifest.noise) == ["shimmer", "grain"]
    assert Manifest.from_json(manifest.to_text()) == manifest
    data = manifest.to_json()
    assert list(data).index("noise") == list(data).index("conditions") + 1
    with pytest.raises(ManifestError, match="noise"):
        Manifest.from_json({**data, "format": 1})


def test_the_command_line_and_animate_take_a_seed(noisy, tmp_path, sound):
    import soundfile

    soundfile.write(tmp_path / "a.wav", sound(0.4), 16000, subtype="FLOAT")
    path = handmade.write_zip(tmp_path / "noisy.emoface", handmade_format2.package_files())
    command = ["animate", str(tmp_path / "a.wav"), "--package", str(path), "--noise-seed", "8", "-o"]
    assert main([*command, str(tmp_path / "a.npz")]) == 0
    with np.load(tmp_path / "a.npz") as written:
        vertices = written["vertices"]
    assert vertices.tobytes() == animate(sound(0.4), 16000, package=noisy, noise_seed=8).vertices.tobytes()
    assert (vertices != animate(sound(0.4), 16000, package=noisy).vertices).any()
