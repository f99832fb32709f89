"""Calibration on a voice: the mean emotion feature of its neutral speech.

Features are those that the model takes `speaker_mean` from: the output [B, n, D] of the block stage that reads the
condition `speaker_mean` [D], at 50 per second, with the condition at zero, noise of seed 0 and the stage's state at its
start.

Which features count is decided by the sound alone, in whole numbers, as in the C++ runtime
(csrc/runtime/calibrate.cpp). Samples at the model's rate become 16-bit integers. Feature t has the energy of the `hop`
samples that begin at hop t. It is audible where that energy is at least a hundredth of the mean of all (-20 dB), and at
least that of samples of 33 throughout (-60 dB). Pauses of up to 0.3 s between audible features count as speech, as they
do in training; longer silence does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emoface.audio.offset import OffsetRemover
from emoface.audio.resampler import Resampler
from emoface.backends import DrivingEngine, Engine
from emoface.calibration import Calibration
from emoface.errors import AudioError, PackageError
from emoface.manifest import Manifest, StageSpec
from emoface.stream.features import Floats
from emoface.stream.noise import NoiseSource
from emoface.timing import Clock

if TYPE_CHECKING:
    from emoface.backends import Array, StageStream
    from emoface.package import Package

CONDITION = "speaker_mean"
LEAST_SPEECH_S = 2.0
LONGEST_S = 120
_FULL_SCALE, _FAINTEST, _BELOW_MEAN = 32767, 33, 100
_PAUSE_S = 0.3
_PIECE = 16000


def calibrated_output(manifest: Manifest) -> tuple[StageSpec, str]:
    """The stage and the name of its output that calibration averages.

    Raises:
        PackageError: the model takes no speaker_mean, gives no features of its size, or hears whole clips.
    """
    if not manifest.streams:
        raise PackageError(
            f"calibration with the package {manifest.name!r}, which hears clips as a whole",
            "a package that streams",
            "Leave calibration out, or export the model with a band or a window.",
        )
    if CONDITION in manifest.conditions:
        shape = ("B", "n", *manifest.conditions[CONDITION].shape)
        for stage in manifest.stages:
            if stage.cadence == "block" and any(item.source == f"condition.{CONDITION}" for item in stage.inputs):
                for output in stage.outputs:
                    if output.shape == shape and output.dtype == "float32":
                        return stage, output.name
    raise PackageError(
        f"the package {manifest.name!r}, whose model has no emotion stage that takes {CONDITION}",
        "a package that can be calibrated on a voice",
        "Leave calibration out, or use a package with an emotion encoder, as the default package has.",
    )


def learn_voice(package: Package, engine: Engine, clock: Clock, rate: int, samples: Floats) -> Calibration:
    """What `Animator.calibrate` returns; arguments and errors as of `mean_feature`."""
    if isinstance(engine, DrivingEngine):
        mean, count = engine.mean_feature(clock, rate, samples)
    else:
        mean, count = mean_feature(package.manifest, engine, clock, rate, samples)
    return Calibration(mean, count / clock.feature_rate, package.digest)


def mean_feature(
    manifest: Manifest, engine: Engine, clock: Clock, rate: int, samples: Floats
) -> tuple[npt.NDArray[np.float32], int]:
    """The mean emotion feature of neutral speech.

    Args:
        manifest: the package's.
        engine: its graphs; the stages run from a state of their own.
        clock: of the stream that will be calibrated.
        rate: of the samples, in Hz.
        samples: (n,) mono.

    Returns:
        (D,) float32 and the number of features averaged.

    Raises:
        AudioError: silence, too little speech, too long.
        PackageError: see `calibrated_output`.
    """
    stage, output = calibrated_output(manifest)
    audio, count = model_audio(clock, rate, samples)
    counted = require_speech(clock, audio, count)
    features = _features(manifest, engine, clock, stage, output, audio, count)[counted]
    # Row by row: the same sum as any other program's.
    total = np.add.accumulate(features, axis=0, dtype=np.float64)[-1]
    return (total / len(features)).astype(np.float32), len(features)


def model_audio(clock: Clock, rate: int, samples: Floats) -> tuple[Floats, int]:
    """The sound at the model's rate without its offset, silence behind it up to a block's end; its whole features."""
    if len(samples) > LONGEST_S * rate:
        raise AudioError(
            f"{len(samples) / rate:.0f} s to calibrate on",
            f"at most {LONGEST_S} s",
            "Ten seconds of speech are enough.",
        )
    count = len(samples) * clock.sample_rate // rate // clock.hop
    blocks = -(-(count + clock.delay_features) // clock.block_features)
    size = clock.samples_for_block(max(0, blocks - 1))
    resampler = Resampler(rate, clock.sample_rate)
    resampler.append(samples)
    resampler.append_silence(max(0, resampler.needed(size) - resampler.received))
    # In pieces: the resampler lays its windows out side by side.
    pieces = [resampler.read(min(_PIECE, size - start)) for start in range(0, size, _PIECE)]
    offset = OffsetRemover(clock.hop, clock.overlap)
    return offset.remove(np.concatenate(pieces), 0, resampler.outputs_of(len(samples))), count


def require_speech(clock: Clock, audio: Floats, count: int) -> npt.NDArray[np.intp]:
    """Indices of the features that count as speech; AudioError where there are too few."""
    counted = speech(clock, audio, count)
    if len(counted) < LEAST_SPEECH_S * clock.feature_rate:
        found, whole = len(counted) / clock.feature_rate, count / clock.feature_rate
        raise AudioError(
            f"{found:.2f} s of audible speech in {whole:.2f} s of sound",
            f"at least {LEAST_SPEECH_S:g} s",
            "Record about 10 s of the voice speaking calmly, close to the microphone.",
        )
    return counted


def speech(clock: Clock, audio: Floats, count: int) -> npt.NDArray[np.intp]:
    """Indices of the features that count as speech, of `count`."""
    whole = audio[: count * clock.hop]
    integers = np.rint(np.clip(whole, -1, 1) * np.float32(_FULL_SCALE)).astype(np.int64)
    energy = (integers * integers).reshape(count, clock.hop).sum(axis=1)
    loud = (energy * (_BELOW_MEAN * max(1, count)) >= energy.sum()) & (energy >= _FAINTEST**2 * clock.hop)
    audible = np.flatnonzero(loud)
    longest = int(_PAUSE_S * clock.feature_rate)
    counted = loud.copy()
    for before, after in pairwise(audible):
        if after - before - 1 <= longest:
            counted[before:after] = True
    return np.flatnonzero(counted)


def _features(
    manifest: Manifest, engine: Engine, clock: Clock, wanted: StageSpec, output: str, audio: Floats, count: int
) -> Floats:
    """The stage's features (count, D) of the whole sound, its look-ahead dropped."""
    streams = {stage.name: engine.open_stage(stage) for stage in _needed(manifest, wanted)}
    zeros = np.zeros((1, *manifest.conditions[CONDITION].shape), np.float32)
    size, parts = clock.block_features, list[Floats]()
    for block in range(-(-(count + clock.delay_features) // size)):
        begin = clock.hop * size * block
        piece = audio[None, begin : clock.samples_for_block(block)]
        values = _run_block(manifest, streams, piece, zeros, size, block)
        parts.append(np.array(values[f"{wanted.name}.{output}"][0], np.float32))
    return np.concatenate(parts)[clock.delay_features :][:count]


def _needed(manifest: Manifest, wanted: StageSpec) -> list[StageSpec]:
    """The stage and those that it reads, in the manifest's order."""
    names = {wanted.name}
    for stage in reversed(manifest.stages):
        if stage.name in names:
            names |= {item.source.split(".")[0] for item in stage.inputs}
    return [stage for stage in manifest.stages if stage.name in names]


def _run_block(
    manifest: Manifest, streams: Mapping[str, StageStream], audio: Floats, zeros: Floats, size: int, block: int
) -> dict[str, Array]:
    values: dict[str, Array] = {}
    for stage in manifest.stages:
        if stage.name not in streams:
            continue
        inputs: dict[str, Array] = {}
        for item in stage.inputs:
            kind, _, name = item.source.partition(".")
            if item.source == "audio":
                inputs[item.name] = audio
            elif item.source == f"condition.{CONDITION}":
                inputs[item.name] = zeros
            elif kind == "noise" and manifest.format >= 2:
                inputs[item.name] = NoiseSource(manifest.noise, 0).values(name, block * size, size)
            elif kind == "condition":
                inputs[item.name] = np.array([manifest.conditions[name].default], np.float32)
            else:
                inputs[item.name] = values[item.source]
        outputs = streams[stage.name].run(inputs, size)
        values.update((f"{stage.name}.{output.name}", outputs[output.name]) for output in stage.outputs)
    return values
