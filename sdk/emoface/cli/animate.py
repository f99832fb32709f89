"""`emoface animate`: a sound file to animation files."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoface.cli import options

if TYPE_CHECKING:
    from emoface.calibration import Calibration
    from emoface.frames import Clip
    from emoface.package import Package


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser("animate", help="animate a sound file", description="Animate a sound file.")
    parser.add_argument("input", metavar="IN", help="sound file: wav, flac, ogg, ...; - for standard input")
    parser.add_argument(
        "-o", "--out", action="append", required=True, metavar="OUT", help=".glb, .npz, .csv, .mp4 or .png; repeatable"
    )
    options.add_package(parser)
    parser.add_argument(
        "--style", metavar="S", help="style, weights (anna=0.5,ben=0.5) or a person file (default: mean of all)"
    )
    parser.add_argument(
        "--emotion",
        default="auto",
        metavar="E",
        help="emotion, weights, auto (follow the voice), or a file of keys in time (.json, .csv)",
    )
    parser.add_argument(
        "--auto-strength", type=float, default=1.0, metavar="X", help="how far auto follows the voice: 0 (neutral) to 1"
    )
    parser.add_argument("--level", default="normal", metavar="L", help="normal or strong")
    parser.add_argument("--person", metavar="P", help="of a package with persons: a person, weights or a person file")
    parser.add_argument(
        "--calibrate",
        metavar="F",
        help="neutral speech of the voice, about 10 s: emotions of a voice unknown to the model are told better; or a "
        "calibration saved as .json",
    )
    neutral = parser.add_mutually_exclusive_group()
    neutral.add_argument("--template", metavar="F", help="your own neutral face: .ply, .obj or .npz, same topology")
    neutral.add_argument("--identity", metavar="NAME", help="one of the package's own faces, see `emoface inspect`")
    parser.add_argument("--tail", type=float, default=0.0, metavar="S", help="seconds in which the face comes to rest")
    parser.add_argument("--block-ms", type=float, metavar="MS", help="audio per encoder step (default: the package's)")
    parser.add_argument(
        "--on-bad-audio", choices=("error", "silence"), default="error", help="NaN, Inf: refuse or mute"
    )
    blinks = parser.add_mutually_exclusive_group()
    blinks.add_argument("--no-blinks", action="store_true", help="eyes as the model moves them")
    blinks.add_argument("--blink-seed", type=int, metavar="N", help="another pattern of blinks, gaze and head sway")
    for option, as_it_is in (("gaze", "eyes as the model moves them"), ("head-sway", "the head as the model moves it")):
        either = parser.add_mutually_exclusive_group()
        either.add_argument(f"--no-{option}", action="store_true", help=as_it_is)
        either.add_argument(f"--{option}", type=float, metavar="X", help="how strongly, 0.1 to 2 (default: 1)")
    parser.add_argument(
        "--noise-seed", type=int, default=0, metavar="N", help="another variation, of packages whose stages read noise"
    )
    group = parser.add_argument_group("blendshapes and controls")
    group.add_argument(
        "--blendshapes",
        nargs="?",
        const=True,
        default=False,
        metavar="FILE",
        help="solve blendshape weights, of the package or of FILE (.glb, .npz); a .glb then has these shapes by name. "
        "Implied by .csv",
    )
    group.add_argument(
        "--no-vertices", action="store_true", help="coefficients alone, of packages whose motion lies in a basis"
    )
    options.add_controls(group)
    options.add_backend(parser)
    options.add_json(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Animate into the files, report."""
    from emoface.animation import stream_file
    from emoface.package import Package
    from emoface.writers import progress_line, write_all

    check_outputs(args)
    controls = options.controls(args)
    package = Package.load(args.package)
    with stream_file(
        args.input,
        package,
        tail_s=args.tail,
        style=options.weights("style", args.style),
        emotion=options.weights("emotion", args.emotion),
        auto_strength=args.auto_strength,
        level=options.weights("level", args.level),
        person=options.weights("person", args.person),
        template=args.template,
        identity=args.identity,
        block_ms=args.block_ms,
        backend=args.backend,
        precision=args.precision,
        on_bad_audio=args.on_bad_audio,
        blendshapes=args.blendshapes or any(Path(path).suffix.lower() == ".csv" for path in args.out),
        controls=controls,
        calibration=calibration(package, args),
        blinks=False if args.no_blinks else args.blink_seed,
        gaze=False if args.no_gaze else args.gaze,
        head_sway=False if args.no_head_sway else args.head_sway,
        vertices=not args.no_vertices,
        noise_seed=args.noise_seed,
    ) as stream:
        write_all(args.out, stream, progress=progress_line("frames"))
        report(stream, stream.frames, stream.samples, args.out, args.json)
    return 0


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse outputs that cannot be written, or are also an input, before any work."""
    from emoface.writers import check_all

    read = {
        "input": None if args.input == "-" else args.input,
        "package": args.package,
        "template": args.template,
        "person file": _file_of(args.person),
        "person file of the style": _file_of(args.style),
        "file of emotion keys": _file_of(args.emotion),
        "speech to calibrate on": args.calibrate,
        "file of blendshapes": args.blendshapes if isinstance(args.blendshapes, str) else None,
    }
    check_all(args.out, read)


def _file_of(given: str | None) -> str | None:
    """The file that --style, --person or --emotion may name."""
    return given if given is not None and given.lower().endswith((".json", ".csv")) else None


def calibration(package: Package, args: argparse.Namespace) -> Calibration | str | None:
    """What --calibrate names, learned where it is a sound file."""
    if args.calibrate is None or args.calibrate.lower().endswith(".json"):
        given: str | None = args.calibrate
        return given
    from emoface.audio.files import read_sound
    from emoface.options import BARE

    speech = read_sound(args.calibrate)
    options = {"block_ms": args.block_ms, "backend": args.backend, "precision": args.precision}
    with package.animator(**options, **BARE) as animator:
        return animator.calibrate(speech.samples, speech.rate)


def report(clip: Clip, frames: int, samples: int, paths: list[str], as_json: bool) -> None:
    """Print what was done: frames, latency, real-time factor, files."""
    from emoface.backends import AUTO_ORDER, slower_because

    about = clip.metadata
    result = {
        "frames": frames,
        "fps": clip.fps,
        "seconds": samples / clip.audio_rate,
        "latency_ms": round(about["latency_ms"], 3),
        "real_time_factor": round(about["real_time_factor"], 4),
        "package": about["package"],
        "backend": about["backend"],
        "precision": about["precision"],
        "outputs": [str(path) for path in paths],
    }
    if as_json:
        print(json.dumps(result))
        return
    print(f"frames            {result['frames']} ({result['seconds']:.2f} s of sound at {clip.fps} fps)")
    if result["latency_ms"]:
        print(f"latency           {result['latency_ms']:.1f} ms declared")
    else:
        print("latency           the whole clip: this package does not stream")
    print(f"real-time factor  {result['real_time_factor']:.3f} ({about['backend']}, {about['precision']})")
    if slow := slower_because(about["backend"]):
        print(f"                  {AUTO_ORDER[0]} takes about half of it; {slow}")
    for path in paths:
        print(f"wrote             {path}")
