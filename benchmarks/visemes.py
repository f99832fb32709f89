"""How often the strongest viseme is that of the phone that is spoken: hits and false alarms of `senders/visemes.json`.

    python benchmarks/visemes.py [--sentences 60] [--write] [--json]

Sentences of the corpus are pronounced by its dictionary at a steady pace, its visemes (coarticulation included) make
weights of the 52 shapes, and every frame's strongest viseme is compared with that of the phone it lies in. Figures, of
each set: `SET_hits` (share of frames), `SET_middle_hits` (of those in the middle third of their phone, before the next
one is anticipated), `SET_false_alarms` (mean over visemes of the share of its frames that belong to another); and a
table by viseme. `--write` makes the file anew from other sentences: the pose of a phone is the mean of its frames
there, the gain of a feature one over its variance within phones. `--speak N` measures what a package gives for N of the
sentences, spoken by eSpeak: `model_SET_..`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import emoface.senders.visemes as visemes
import measure
from emoface_training.data.synthetic import text_lexicon
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS, SPEECH_PARAMETERS
from emoface_training.data.synthetic.phonemes import SIL, VOWELS, Segment
from emoface_training.data.synthetic.rig import NAMES
from emoface_training.data.synthetic.visemes import DIPHTHONGS, FPS, speech_parameters
from emoface_training.data.synthetic.weights import weights

FILE = Path(visemes.__file__).with_name(visemes.FILE)
VOWEL_S, CONSONANT_S, PAUSE_S = 0.13, 0.08, 0.3
# Weighted sums of shapes that are 1 where a parameter of the corpus's mouth is: see data/synthetic/weights.py. Lips
# that are shut by a phone are pressed, those of silence are not; rounding is a pucker or, on a wide mouth, a funnel.
FEATURES = {
    "open": {"jawOpen": 2.381, "mouthClose": -2.381},
    "press": {"mouthPressLeft": 2.0, "mouthPressRight": 2.0},
    "round": {"mouthPucker": 1.111, "mouthFunnel": 1.613},
    "wide": {"mouthStretchLeft": 1.471, "mouthStretchRight": 1.471},
    "upper": {"mouthUpperUpLeft": 0.526, "mouthUpperUpRight": 0.526},
    "lower": {"mouthLowerDownLeft": 0.476, "mouthLowerDownRight": 0.476},
    "tuck": {"mouthRollLower": 1.0},
    "tongue": {"tongueOut": 2.778},
}
SETS = {
    "oculus": {
        "sil": (SIL,), "PP": ("P", "B", "M"), "FF": ("F", "V"), "TH": ("TH", "DH"), "DD": ("T", "D"),
        "kk": ("K", "G", "NG", "HH"), "CH": ("CH", "JH", "SH", "ZH"), "SS": ("S", "Z"), "nn": ("N", "L"),
        "RR": ("R", "ER"), "aa": ("AA", "AE", "AH"), "E": ("EH",), "ih": ("IH", "IY", "Y"), "oh": ("AO",),
        "ou": ("UW", "UH", "W"),
    },
    "vrm": {
        "rest": (SIL, "P", "B", "M", "F", "V"), "aa": ("AA", "AE", "AH"), "ih": ("IH", "IY", "Y"),
        "ou": ("UW", "UH", "W"), "ee": ("EH",), "oh": ("AO",),
    },
    "preston-blair": {
        "rest": (SIL,), "AI": ("AA", "AE", "AH"), "E": ("EH", "IH", "IY", "Y"), "O": ("AO",), "U": ("UW", "UH"),
        "etc": ("T", "D", "N", "K", "G", "NG", "S", "Z", "SH", "ZH", "CH", "JH", "TH", "DH", "R", "ER", "HH"),
        "L": ("L",), "WQ": ("W",), "MBP": ("M", "B", "P"), "FV": ("F", "V"),
    },
}  # fmt: skip
HIDDEN = {"oculus": (), "vrm": ("rest",), "preston-blair": ()}
LEARNT, ASKED = 1, 5  # seeds of the sentences that make the file, and of those that measure it
_LEAST_DEVIATION = 0.05  # within phones, of a feature that only few of them move
SHARPNESS = 0.1  # 0.5 were a normal distribution's; softer, since faces differ more than one rig


def features(shapes: np.ndarray) -> np.ndarray:
    """Features (n, F) of weights (n, 52)."""
    columns = []
    for parts in FEATURES.values():
        columns.append(sum(share * shapes[:, NAMES.index(name)] for name, share in parts.items()))
    return np.clip(np.stack(columns, axis=1), 0.0, 1.0)


def content(sentences: int) -> dict:
    """The data file, made anew."""
    shapes, phones, middle = frames_of(sentences, LEARNT)
    points, phones = features(shapes)[middle], phones[middle]
    means = {phone: points[phones == phone].mean(axis=0) for phone in sorted(set(phones))}
    within = np.sqrt(np.mean([(points[phones == phone] - mean).var(axis=0) for phone, mean in means.items()], axis=0))
    gains = 1.0 / np.maximum(within, _LEAST_DEVIATION) ** 2
    sets = {}
    for name, groups in SETS.items():
        made = {
            viseme: [means[phone].round(3).tolist() for phone in many if phone in means]
            for viseme, many in groups.items()
        }
        sets[name] = {"sharpness": SHARPNESS, "hidden": list(HIDDEN[name]), "poses": made}
    about = {
        name: {"gain": round(gain, 2), "shapes": FEATURES[name]}
        for name, gain in zip(FEATURES, gains.tolist(), strict=True)
    }
    return {"visemes": 1, "features": about, "sets": sets}


def spoken(sentence: str) -> list[Segment]:
    """Its phones by the dictionary, with a pause before and after; diphthongs as the two vowels that they are."""
    at, phones = PAUSE_S, [Segment(SIL, 0.0, PAUSE_S)]
    for word in sentence.split():
        for sound in text_lexicon.pronounce(word):
            for phone in DIPHTHONGS.get(sound.phoneme, (sound.phoneme,)):
                seconds = VOWEL_S if phone in VOWELS else CONSONANT_S
                phones.append(Segment(phone, at, at + seconds))
                at += seconds
    return [*phones, Segment(SIL, at, at + PAUSE_S)]


def frames_of(sentences: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (T, 52), the phone of every frame, and whether it lies in the middle third of it."""
    random, parts = np.random.default_rng(seed), []
    for _ in range(sentences):
        segments = spoken(text_lexicon.sentence(4.0, random))
        count = int(segments[-1].end * FPS)
        parameters = np.zeros((count, len(RIG_PARAMETERS)))
        parameters[:, : len(SPEECH_PARAMETERS)] = speech_parameters(segments, count)
        parts.append((weights(parameters), *labels(segments, count)))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def labels(segments: list[Segment], count: int) -> tuple[np.ndarray, np.ndarray]:
    """The phone of each of `count` frames, and whether it lies in the middle third of it."""
    times = np.arange(count) / FPS
    held = np.searchsorted([segment.end for segment in segments[:-1]], times, "right")
    spans = np.array([(segments[index].start, segments[index].end) for index in held])
    part = (times - spans[:, 0]) / (spans[:, 1] - spans[:, 0])
    return np.array([segments[index].phoneme for index in held]), (part >= 1 / 3) & (part < 2 / 3)


def model_frames(package: str, sentences: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same of what a package gives for sentences spoken by eSpeak, its weights in the order of the rig's."""
    import emoface
    from emoface.options import BARE
    from emoface_training.data.synthetic.speech_espeak import speak

    random = np.random.default_rng(ASKED)
    texts, parts = [text_lexicon.sentence(4.0, random) for _ in range(sentences)], []
    loaded = emoface.Package.load(package)
    for speech in speak("en-us", texts, [1.0] * sentences):
        with loaded.animator(blendshapes=True, emotion="neutral", **BARE) as animator:
            audio = np.asarray(speech.audio, np.float32)
            frames = emoface.FrameBatch.concat([animator.step(audio), animator.flush()])
            places = [animator.blendshape_names.index(name) for name in NAMES]
        parts.append((frames.blendshape_weights[:, places], *labels(speech.segments, len(frames))))
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def measured(file: dict, name: str, shapes: np.ndarray, phones: np.ndarray, middle: np.ndarray) -> dict:
    """Hits and false alarms of one set, in all and by viseme; phones that have no viseme in it do not count."""
    told = visemes.map_of(file, name)
    wanted = {phone: viseme for viseme, group in SETS[name].items() for phone in group}
    known = np.array([phone in wanted for phone in phones])
    said = np.array([wanted[phone] for phone in phones[known]])
    rows = [dict(zip(NAMES, row.tolist(), strict=True)) for row in shapes[known]]
    given = np.array([max(of, key=of.get) for of in map(told.all_weights, rows)])
    right, centre = said == given, middle[known]
    by = {
        viseme: {
            "frames": int((said == viseme).sum()),
            "hits": float(right[said == viseme].mean()) if (said == viseme).any() else float("nan"),
            "false alarms": float((~right)[given == viseme].mean()) if (given == viseme).any() else 0.0,
        }
        for viseme in told.poses
    }
    alarms = float(np.mean([row["false alarms"] for row in by.values()]))
    return {"hits": float(right.mean()), "middle_hits": float(right[centre].mean()), "false_alarms": alarms, "by": by}


def main() -> None:
    """Measure, print."""
    parser = measure.parser(__doc__)
    parser.add_argument("--sentences", type=int, default=60)
    parser.add_argument("--speak", type=int, default=0, metavar="N")
    parser.add_argument("--package", default="default")
    parser.add_argument("--write", action="store_true", help="make the data file anew")
    args = parser.parse_args()
    if args.write:
        FILE.write_text(json.dumps(content(args.sentences), indent=1) + "\n")
    file, figures = json.loads(FILE.read_text()), dict[str, float]()
    made = [("", frames_of(args.sentences, ASKED))]
    if args.speak:
        made.append(("model_", model_frames(args.package, args.speak)))
    for prefix, frames in made:
        figures[f"{prefix}frames"] = float(len(frames[1]))
        for name in SETS:
            found = measured(file, name, *frames)
            label = prefix + name.replace("-", "_")
            figures |= {f"{label}_{key}": found[key] for key in ("hits", "middle_hits", "false_alarms")}
            print(f"{label}: hits {found['hits']:.3f}, in the middle of phones {found['middle_hits']:.3f}")
            for viseme, row in found["by"].items():
                hits = f"hits {row['hits']:.3f}  false alarms {row['false alarms']:.3f}"
                print(f"  {viseme:4} {row['frames']:5} frames  {hits}")
    measure.finish("visemes", figures, args.json)


if __name__ == "__main__":
    main()
