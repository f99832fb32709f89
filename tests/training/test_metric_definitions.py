"""Every measure against its definition, written down once more in plain Python, on random shapes: equal to 1e-12.

The references use Python floats, exact sums (math.fsum) and loops alone; they share no code with what they check.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_corpus import TinyRig

from emoface_training.clips.store import StoredClip
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.measures.expression import ExpressionMeasures, ExpressionReference
from emoface_training.measures.speech import MouthGauge, SpeechMeasures, correlation, silent_frames
from emoface_training.measures.vertices import VertexMetrics, face_dynamics_deviation, region_error

EXACT = 1e-12
RIG = TinyRig()
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=25, deadline=None)


def squared(one, other) -> float:
    return math.fsum((float(a) - float(b)) ** 2 for a, b in zip(one, other, strict=True))


def mean(values) -> float:
    values = list(values)
    return math.fsum(values) / len(values)


def std(values) -> float:
    """Population standard deviation."""
    values = list(values)
    centre = mean(values)
    return math.sqrt(mean((value - centre) ** 2 for value in values))


def region_maximum(predicted, target, region) -> list[float]:
    """Per frame the largest squared distance: the papers' lip error before its average."""
    return [max(squared(p[v], t[v]) for v in region) for p, t in zip(predicted, target, strict=True)]


def dynamics(predicted, target, region) -> float:
    """FDD of one clip: mean over vertices of the target's spread of squared displacement less the prediction's."""

    def spread(offsets, v) -> float:
        return std(squared(frame[v], (0.0, 0.0, 0.0)) for frame in offsets)

    return mean(spread(target, v) - spread(predicted, v) for v in region)


@st.composite
def motions(draw):
    """Some clips (predicted, target) of one face of random size, and two masks."""
    vertices, clips = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    generator = np.random.default_rng(draw(SEEDS))
    kind = draw(st.sampled_from([np.float32, np.float64]))
    scale = draw(st.sampled_from([1e-4, 0.01, 1.0, 50.0]))
    pairs = []
    for _ in range(clips):
        shape = (draw(st.integers(1, 6)), vertices, 3)
        target = scale * generator.standard_normal(shape)
        pairs.append(((target + 0.1 * scale * generator.standard_normal(shape)).astype(kind), target.astype(kind)))
    masks = [generator.permutation(vertices)[: draw(st.integers(1, vertices))] for _ in range(2)]
    return pairs, *masks


@FEW
@given(motions(), st.sampled_from([1.0, 1e-3, 0.1895]))
def test_vertex_metrics_are_their_definitions(drawn, unit: float) -> None:
    pairs, lips, eyes = drawn
    metrics = VertexMetrics(lips, eyes, unit)
    for predicted, target in pairs:
        metrics.add(predicted, target)
    figures = metrics.figures()
    area = unit * unit
    lve = mean(area * error for p, t in pairs for error in region_maximum(p, t, lips))
    eve = mean(area * error for p, t in pairs for error in region_maximum(p, t, eyes))
    every = range(len(pairs[0][0][0]))
    whole = mean(area * mean(squared(p[f][v], t[f][v]) for v in every) for p, t in pairs for f in range(len(p)))
    assert figures["lve_m2"] == pytest.approx(lve, rel=EXACT)
    assert figures["eve_m2"] == pytest.approx(eve, rel=EXACT)
    assert figures["lve_rms_mm"] == pytest.approx(1000 * math.sqrt(lve), rel=EXACT)
    assert figures["eve_rms_mm"] == pytest.approx(1000 * math.sqrt(eve), rel=EXACT)
    assert figures["face_rms_mm"] == pytest.approx(1000 * math.sqrt(whole), rel=EXACT)
    assert figures["frames"] == sum(len(p) for p, _ in pairs)
    # FDD is a difference of two spreads: exact on their scale
    scale = area * max(squared(t[f][v], (0, 0, 0)) for _, t in pairs for f in range(len(t)) for v in eyes)
    fdd = mean(area * dynamics(p, t, eyes) for p, t in pairs)
    assert figures["fdd_m2"] == pytest.approx(fdd, abs=EXACT * scale)


@FEW
@given(motions())
def test_the_functions_beneath_are_their_definitions(drawn) -> None:
    pairs, lips, eyes = drawn
    for predicted, target in pairs:
        np.testing.assert_allclose(
            region_error(predicted, target, lips), region_maximum(predicted, target, lips), rtol=EXACT, atol=0
        )
        scale = float((target.astype(np.float64) ** 2).sum(-1).max())
        assert face_dynamics_deviation(predicted, target, eyes) == pytest.approx(
            dynamics(predicted, target, eyes), abs=EXACT * scale
        )
        assert face_dynamics_deviation(target, predicted, eyes) == -face_dynamics_deviation(predicted, target, eyes)


def test_small_errors_on_large_offsets_are_not_lost_to_float32() -> None:
    """Offsets in millimetres, float32: a unit of 1e-3 must not be applied before the difference is taken exactly."""
    target = np.full((1, 1, 3), 123.456, np.float32)
    predicted = np.nextafter(target, np.float32(np.inf))
    metrics = VertexMetrics(np.array([0]), None, 1e-3)
    metrics.add(predicted, target)
    one = float(predicted[0, 0, 0]) - float(target[0, 0, 0])
    assert metrics.figures()["lve_m2"] == pytest.approx(3 * (1e-3 * one) ** 2, rel=1e-8)  # 1e-3 itself is rounded
    assert metrics.figures()["face_rms_mm"] == pytest.approx(math.sqrt(3) * one, rel=1e-8)


def test_unequal_lengths_are_refused_without_any_mask() -> None:
    with pytest.raises(ValueError, match="expected equal shapes"):
        VertexMetrics(None, None).add(np.zeros((1, 4, 3)), np.zeros((2, 4, 3)))


def mouth_motion(generator: np.random.Generator, frames: int) -> np.ndarray:
    """Offsets [T, V, 3] in metres of random lips: about half of the frames are closed, some are tucked."""
    parameters = np.zeros((frames, len(RIG_PARAMETERS)), np.float32)
    for name in ("jaw_open", "lips_close", "lip_tuck"):
        parameters[:, RIG_PARAMETERS.index(name)] = generator.uniform(0, 1, frames) ** 2
    parameters[:, RIG_PARAMETERS.index("lips_close")] = generator.uniform(0, 1.5, frames)
    return RIG.offsets(parameters) + 1e-4 * generator.standard_normal((frames, *RIG.template.shape))


def random_phonemes(generator: np.random.Generator, seconds: float) -> list[tuple[str, float, float]]:
    names = generator.choice(["P", "B", "M", "F", "V", "AA", "AE", "IY", "SIL", "S"], generator.integers(1, 9))
    edges = np.sort(generator.uniform(0, seconds, len(names) + 1))
    return [(str(name), float(a), float(b)) for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)]


def place(offsets, frame: int, vertex: int, axis: int) -> float:
    return float(RIG.template[vertex][axis]) + float(offsets[frame][vertex][axis])


def middle(ring) -> list[int]:
    centre = len(ring) // 2
    return [int(v) for v in ring[max(0, centre - 1) : centre + 2]]


def lip_gap(offsets, frame: int) -> float:
    upper, lower = middle(RIG.masks["upper_lip_inner"]), middle(RIG.masks["lower_lip_inner"])
    return mean(place(offsets, frame, v, 1) for v in upper) - mean(place(offsets, frame, v, 1) for v in lower)


def lip_to_teeth(offsets, frame: int) -> float:
    lip = [mean(place(offsets, frame, v, axis) for v in middle(RIG.masks["lower_lip_inner"])) for axis in range(3)]
    teeth = ([place(offsets, frame, v, axis) for axis in range(3)] for v in RIG.masks["teeth_upper"])
    return min(math.sqrt(squared(tooth, lip)) for tooth in teeth)


def jaw_drop(offsets, frame: int) -> float:
    return -mean(float(offsets[frame][v][1]) for v in RIG.masks["teeth_lower"])


def pearson(one: list[float], other: list[float]) -> float:
    a, b = mean(one), mean(other)
    return mean((x - a) * (y - b) for x, y in zip(one, other, strict=True)) / (std(one) * std(other))


@FEW
@given(SEEDS, st.integers(1, 3), st.integers(4, 40))
def test_speech_measures_are_their_definitions(seed: int, clips: int, frames: int) -> None:
    generator, fps = np.random.default_rng(seed), 30
    gauge = MouthGauge(RIG)
    measures = SpeechMeasures(gauge, fps)
    hits: dict[str, list[bool]] = {"closures": [], "false_closures": [], "tucks": [], "silence_closed": []}
    jaws: tuple[list[float], list[float]] = ([], [])
    for _ in range(clips):
        predicted, target = mouth_motion(generator, frames), mouth_motion(generator, frames)
        phonemes = random_phonemes(generator, frames / fps)
        measures.add(
            StoredClip(np.zeros(1), np.zeros((frames, len(RIG_PARAMETERS))), phonemes, 0, 0, "", -1, -1),
            predicted,
            target,
        )
        gap = [lip_gap(predicted, f) for f in range(frames)]
        np.testing.assert_allclose(gauge.gap(predicted), gap, rtol=0, atol=EXACT)
        tuck = [lip_to_teeth(predicted, f) for f in range(frames)]
        np.testing.assert_allclose(gauge.teeth_distance(predicted), tuck, rtol=0, atol=EXACT)
        jaws[0].extend(jaw_drop(predicted, f) for f in range(frames))
        jaws[1].extend(jaw_drop(target, f) for f in range(frames))
        for name, start, end in phonemes:
            during = [f for f in range(frames) if math.floor(start * fps) <= f <= math.ceil(end * fps)]
            nearest = round((start + end) / 2 * fps)
            if name in ("P", "B", "M") and during:
                hits["closures"].append(any(gap[f] <= gauge.closed_below for f in during))
            if name in ("F", "V") and during:
                hits["tucks"].append(any(tuck[f] <= gauge.tucked_below for f in during))
            if name in ("AA", "AE") and nearest < frames:
                hits["false_closures"].append(gap[nearest] <= gauge.closed_below)
            if name == "SIL":
                still = [f for f in range(frames) if start + 0.2 <= f / fps <= end - 0.08]
                hits["silence_closed"].extend(gap[f] <= gauge.closed_below for f in still)
    figures = measures.figures()
    for name, found in hits.items():
        assert figures[name] == (sum(found) / len(found) if found else 0.0), name
    counts = [len(hits[name]) for name in ("closures", "false_closures", "tucks", "silence_closed")]
    assert [figures[n] for n in ("bilabials", "open_vowels", "labiodentals", "silent_frames")] == counts
    assert figures["jaw_correlation"] == pytest.approx(pearson(*jaws), abs=EXACT)


def test_thresholds_are_shares_of_the_rigs_own_way() -> None:
    gauge = MouthGauge(RIG)
    # half-open: 20 mm; closed: 0. Loose at jaw .15: 13 mm from the teeth; tucked: 10 mm back besides
    assert gauge.closed_below == pytest.approx(0.15 * 0.020, abs=1e-9)
    loose, tucked = 0.013, math.hypot(0.013, 0.010)
    assert gauge.tucked_below == pytest.approx(loose + 0.40 * (tucked - loose), abs=1e-8)


def test_silence_settles_for_200_ms_and_ends_80_ms_early() -> None:
    silent = silent_frames([("SIL", 0.0, 0.5), ("AA", 0.5, 1.0), ("SIL", 1.0, 1.25)], 40, 20)
    assert np.flatnonzero(silent).tolist() == [4, 5, 6, 7, 8]  # .2 to .42 s; the second one ends before it has settled


def test_a_track_that_stands_still_correlates_with_nothing() -> None:
    moving = np.linspace(0.0, 1.0, 9)
    assert correlation(moving, np.full(9, 0.3)) == correlation(np.zeros(9), moving) == 0.0
    assert correlation(moving, 2 * moving + 1) == pytest.approx(1.0, abs=EXACT)
    assert correlation(moving, -moving) == pytest.approx(-1.0, abs=EXACT)


def labelled(parameters: np.ndarray, emotion: int, level: int) -> StoredClip:
    return StoredClip(np.zeros(1, np.int16), parameters.astype(np.float16), [], emotion, level, "a", 0, -1)


@FEW
@given(SEEDS, st.integers(1, 4), st.integers(2, 8))
def test_expression_measures_are_their_definitions(seed: int, clips: int, trained: int) -> None:
    generator = np.random.default_rng(seed)

    def some_clip() -> StoredClip:
        parameters = generator.uniform(0, 1, (generator.integers(1, 5), len(RIG_PARAMETERS)))
        return labelled(parameters, int(generator.integers(8)), int(generator.integers(2)))

    train = [some_clip() for _ in range(trained)]
    region = RIG.masks["eyes_forehead"]
    reference = ExpressionReference.of(RIG, train)
    assert reference is not None
    measures = ExpressionMeasures(reference)

    def average(frames) -> list[list[float]]:
        return [[mean(float(frame[v][axis]) for frame in frames) for axis in range(3)] for v in region]

    offsets = [list(RIG.offsets(clip.parameters)) for clip in train]
    everything = average([frame for frames in offsets for frame in frames])
    # the face's float32 fields bound how well two ways to a mean agree; the measure itself is exact in its reference
    np.testing.assert_allclose(reference.mean, everything, rtol=0, atol=1e-7)
    error = around = 0.0
    right = judged = 0
    for _ in range(clips):
        clip = some_clip()
        target = RIG.offsets(clip.parameters)
        predicted = target + 0.003 * generator.standard_normal(target.shape)
        measures.add(clip, predicted, target)
        for p, t in zip(predicted, target, strict=True):
            error += math.fsum(squared(p[v], t[v]) for v in region)
            around += math.fsum(squared(t[v], reference.mean[row]) for row, v in enumerate(region))
        shown = average(predicted)
        known = sorted({each.emotion for each in train if each.level == clip.level})
        if known:
            away = {e: math.fsum(map(squared, shown, reference.classes[e, clip.level])) for e in known}
            right += min(away, key=away.__getitem__) == clip.emotion
            judged += 1
    figures = measures.figures()
    assert figures["expression_r2"] == pytest.approx(1 - error / around, abs=EXACT * max(1.0, error / around))
    assert figures.get("shown_emotion") == (right / judged if judged else None)


def test_the_mean_face_explains_nothing_and_the_truth_everything() -> None:
    generator = np.random.default_rng(3)
    train = [labelled(generator.uniform(0, 1, (6, len(RIG_PARAMETERS))), emotion, 0) for emotion in range(8)]
    reference = ExpressionReference.of(RIG, train)
    constant, exact = ExpressionMeasures(reference), ExpressionMeasures(reference)
    for clip in train:
        target = RIG.offsets(clip.parameters)
        average = np.zeros_like(target, dtype=np.float64)
        average[:, reference.region] = reference.mean
        constant.add(clip, average, target)
        exact.add(clip, target, target)
    assert constant.figures()["expression_r2"] == 0.0
    assert exact.figures() == {"expression_r2": 1.0, "shown_emotion": 1.0}
    assert constant.figures()["shown_emotion"] <= 1 / 8  # one class at most is nearest to one face
