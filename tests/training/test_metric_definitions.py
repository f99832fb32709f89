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
from emoface_training.measures.mouth import MouthGauge
from emoface_training.measures.speech import SpeechMeasures
from emoface_training.measures.tracks import correlation
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
    names = generator.choice(["P", "B", "M", "F", "V", "AA", "UW", "IY", "SIL", "S", "S"], generator.integers(1, 9))
    edges = np.sort(generator.uniform(0, seconds, len(names) + 1))
    return [(str(name), float(a), float(b)) for name, a, b in zip(names, edges[:-1], edges[1:], strict=True)]


def place(offsets, frame: int, vertex: int, axis: int) -> float:
    return float(RIG.template[vertex][axis]) + float(offsets[frame][vertex][axis])


# The middle third of the tiny rig's lips: both rings have these places across, one above the other
UPPER, LOWER = RIG.masks["upper_lip_inner"][1:3].tolist(), RIG.masks["lower_lip_inner"][1:3].tolist()


def lip_gap(offsets, frame: int) -> float:
    return mean(place(offsets, frame, a, 1) - place(offsets, frame, b, 1) for a, b in zip(UPPER, LOWER, strict=True))


def lip_to_teeth(offsets, frame: int) -> float:
    lip = [mean(place(offsets, frame, v, axis) for v in LOWER) for axis in range(3)]
    teeth = ([place(offsets, frame, v, axis) for axis in range(3)] for v in RIG.masks["teeth_upper"])
    return min(math.sqrt(squared(tooth, lip)) for tooth in teeth)


def lip_width(offsets, frame: int) -> float:
    across = {int(v): float(RIG.template[v][0]) for v in RIG.masks["lips"]}
    return place(offsets, frame, max(across, key=across.get), 0) - place(offsets, frame, min(across, key=across.get), 0)


def jaw_drop(offsets, frame: int) -> float:
    return -mean(float(offsets[frame][v][1]) for v in RIG.masks["teeth_lower"])


def percentile(values: list[float], percent: float) -> float:
    """Linear between order statistics."""
    ordered, at = sorted(values), percent / 100 * (len(values) - 1)
    low = math.floor(at)
    return ordered[low] + (at - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def energies(track: list[float], fps: int) -> tuple[float, float]:
    """Over 8 Hz and in all: one Hann window over a track of at most 2 s without its mean."""
    count, centre = len(track), mean(track)
    windowed = [(x - centre) * (0.5 - 0.5 * math.cos(2 * math.pi * n / count)) for n, x in enumerate(track)]
    norm = math.fsum((0.5 - 0.5 * math.cos(2 * math.pi * n / count)) ** 2 for n in range(count))
    fast = whole = 0.0
    for k in range(count // 2 + 1):
        real = math.fsum(x * math.cos(2 * math.pi * k * n / count) for n, x in enumerate(windowed))
        imaginary = math.fsum(x * math.sin(2 * math.pi * k * n / count) for n, x in enumerate(windowed))
        power = (real**2 + imaginary**2) / norm * (1 if k in (0, count / 2) else 2)
        whole += power
        fast += power if k * fps / count > 8 else 0.0
    return fast, whole


def pearson(one: list[float], other: list[float]) -> float:
    a, b = mean(one), mean(other)
    return mean((x - a) * (y - b) for x, y in zip(one, other, strict=True)) / (std(one) * std(other))


@FEW
@given(SEEDS, st.integers(1, 3), st.integers(4, 40))
def test_speech_measures_are_their_definitions(seed: int, clips: int, frames: int) -> None:
    generator, fps, tucked = np.random.default_rng(seed), 30, 0.014
    gauge = MouthGauge(RIG)
    measures = SpeechMeasures(gauge, fps, tucked)
    said, shown, rules, teeth, wide, wide_rules = [], [], [], [], [], []
    jaws: tuple[list[float], list[float]] = ([], [])
    for _ in range(clips):
        predicted, target = mouth_motion(generator, frames), mouth_motion(generator, frames)
        phonemes = random_phonemes(generator, frames / fps)
        measures.add(
            StoredClip(np.zeros(1), np.zeros((frames, len(RIG_PARAMETERS))), phonemes, 0, 0, "", -1, -1),
            predicted,
            target,
        )
        said.append(phonemes)
        shown.append([lip_gap(predicted, f) for f in range(frames)])
        rules.append([lip_gap(target, f) for f in range(frames)])
        teeth.append([lip_to_teeth(predicted, f) for f in range(frames)])
        wide.append([lip_width(predicted, f) for f in range(frames)])
        wide_rules.append([lip_width(target, f) for f in range(frames)])
        jaws[0].extend(jaw_drop(predicted, f) for f in range(frames))
        jaws[1].extend(jaw_drop(target, f) for f in range(frames))
        np.testing.assert_allclose(gauge.gap(predicted), shown[-1], rtol=0, atol=EXACT)
        np.testing.assert_allclose(gauge.teeth_distance(predicted), teeth[-1], rtol=0, atol=EXACT)
        np.testing.assert_allclose(gauge.width(predicted), wide[-1], rtol=0, atol=EXACT)
    reach, reach_rules = (percentile([x for track in tracks for x in track], 95) for tracks in (shown, rules))
    closed = min(0.001, 0.1 * reach_rules)
    assert measures.closed_below == pytest.approx(closed, rel=EXACT)
    hits: dict[str, list[bool]] = {
        name: [] for name in ("closures", "free_closed", "tucks", "false_tucks", "silence_closed", "pauses_closed")
    }
    widths: dict[str, list[tuple[float, float]]] = {"UW": [], "IY": []}
    right = wrong = 0
    seconds = 0.0
    for phonemes, gaps, tuck, *width in zip(said, shown, teeth, wide, wide_rules, strict=True):
        paused, labial = set(), set()
        for name, start, end in phonemes:
            near = [f for f in range(frames) if math.floor(start * fps) <= f <= math.ceil(end * fps)]
            within = [f for f in range(frames) if start * fps <= f <= end * fps]
            if not math.ceil(start * fps) <= math.floor(end * fps):
                within = [f for f in [round((start + end) / 2 * fps)] if f < frames]
            free = name == "S" and not any(
                other in ("P", "B", "M", "F", "V", "SIL") and a < end + 0.12 and b > start - 0.12
                for other, a, b in phonemes
            )
            seconds += 0.0 if name == "SIL" else end - start
            if name in ("P", "B", "M"):
                labial |= set(near)
                hits["closures"].append(any(gaps[f] < closed for f in near))
            if name in ("F", "V"):
                hits["tucks"].append(any(tuck[f] < tucked for f in near))
            if free and within:
                hits["free_closed"].append(any(gaps[f] < closed for f in within))
                hits["false_tucks"].append(any(tuck[f] < tucked for f in within))
            if name in widths and within:
                widths[name].append(tuple(mean(track[f] for f in within) for track in width))
            if name == "SIL":
                paused |= set(near)
                still = [f for f in range(frames) if start + 0.2 <= f / fps <= end - 0.08]
                hits["silence_closed"].extend(gaps[f] < closed for f in still)
                if still:
                    hits["pauses_closed"].append(2 * sum(gaps[f] < closed for f in still) >= len(still))
        run: set[int] = set()
        for f in range(frames + 1):
            if f < frames and gaps[f] < closed:
                run.add(f)
                continue
            if run and not run & paused:
                right, wrong = right + bool(run & labial), wrong + (not run & labial)
            run = set()
    figures = measures.figures()
    for name, found in hits.items():
        assert figures[name] == (sum(found) / len(found) if found else 0.0), name
    counts = [len(hits[name]) for name in ("closures", "free_closed", "tucks", "silence_closed", "pauses_closed")]
    assert [figures[n] for n in ("bilabials", "free", "labiodentals", "silent_frames", "pauses")] == counts
    assert figures["closure_precision"] == (right / (right + wrong) if right + wrong else 0.0)
    assert figures["false_closures_per_10_s"] == pytest.approx(10 * wrong / seconds if seconds else 0.0, rel=1e-9)
    assert figures["aperture"] == pytest.approx(reach / reach_rules, rel=EXACT)
    if widths["UW"] and widths["IY"]:
        apart = [mean(w[k] for w in widths["IY"]) - mean(w[k] for w in widths["UW"]) for k in (0, 1)]
        assert figures["rounding_mm"] == pytest.approx(1000 * apart[0], abs=1e-9)
        assert figures["rounding"] == pytest.approx(apart[0] / apart[1], rel=1e-6)
    fast, whole = (math.fsum(e) for e in zip(*(energies(gaps, fps) for gaps in shown), strict=True))
    assert figures["flutter"] == pytest.approx(fast / whole, rel=1e-9)
    gaps, ruled = ([x for track in tracks for x in track] for tracks in (shown, rules))
    assert figures["gap_correlation"] == pytest.approx(pearson(gaps, ruled), abs=EXACT)
    assert figures["jaw_correlation"] == pytest.approx(pearson(*jaws), abs=EXACT)


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
    measures = ExpressionMeasures(reference, 30)

    def average(frames) -> list[list[float]]:
        return [[mean(float(frame[v][axis]) for frame in frames) for axis in range(3)] for v in region]

    offsets = [list(RIG.offsets(clip.parameters)) for clip in train]
    everything = average([frame for frames in offsets for frame in frames])
    # the face's float32 fields bound how well two ways to a mean agree; the measure itself is exact in its reference
    np.testing.assert_allclose(reference.mean, everything, rtol=0, atol=1e-7)
    error = around = squares = 0.0
    right = judged = frames_seen = 0
    for _ in range(clips):
        clip = some_clip()
        target = RIG.offsets(clip.parameters)
        predicted = target + 0.003 * generator.standard_normal(target.shape)
        measures.add(clip, predicted, target)
        for p, t in zip(predicted, target, strict=True):
            error += math.fsum(squared(p[v], t[v]) for v in region)
            around += math.fsum(squared(t[v], reference.mean[row]) for row, v in enumerate(region))
            squares += mean(squared(p[v], (0.0, 0.0, 0.0)) for v in region)
            frames_seen += 1
        shown = average(predicted)
        known = sorted({each.emotion for each in train if each.level == clip.level})
        if known:
            away = {e: math.fsum(map(squared, shown, reference.classes[e, clip.level])) for e in known}
            right += min(away, key=away.__getitem__) == clip.emotion
            judged += 1
    figures = measures.figures()
    assert figures["expression_r2"] == pytest.approx(1 - error / around, abs=EXACT * max(1.0, error / around))
    assert figures.get("shown_emotion") == (right / judged if judged else None)
    assert figures["upper_face_mm"] == pytest.approx(1000 * math.sqrt(squares / frames_seen), rel=EXACT)


def test_the_mean_face_explains_nothing_and_the_truth_everything() -> None:
    generator = np.random.default_rng(3)
    train = [labelled(generator.uniform(0, 1, (6, len(RIG_PARAMETERS))), emotion, 0) for emotion in range(8)]
    reference = ExpressionReference.of(RIG, train)
    constant, exact = ExpressionMeasures(reference, 30), ExpressionMeasures(reference, 30)
    for clip in train:
        target = RIG.offsets(clip.parameters)
        average = np.zeros_like(target, dtype=np.float64)
        average[:, reference.region] = reference.mean
        constant.add(clip, average, target)
        exact.add(clip, target, target)
    assert constant.figures()["expression_r2"] == 0.0
    everything = exact.figures()
    assert (everything["expression_r2"], everything["shown_emotion"], everything["arousal_sign"]) == (1.0, 1.0, 1.0)
    assert (everything["shown_clips"], everything["aroused_clips"], everything["neutral_frames"]) == (8, 6, 6)
    assert constant.figures()["shown_emotion"] <= 1 / 8  # one class at most is nearest to one face
