"""`emoface send`: speech to a program that already has a face, frame by frame on the clock of the audio."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from emoface.cli import options

if TYPE_CHECKING:
    from emoface.audio.live_source import LiveSource


def register(subparsers: Any) -> None:
    """Add the command."""
    text = "Send the face of speech to Live Link Face receivers (Unreal), VMC (VRM avatars) or OSC, by UDP."
    parser = subparsers.add_parser("send", help="send a face to other programs", description=text)
    parser.add_argument(
        "input", metavar="IN", nargs="?", help="sound file; - for standard input: a file, or with --pcm samples"
    )
    parser.add_argument("--microphone", nargs="?", const="", metavar="DEVICE", help="listen to a microphone instead")
    parser.add_argument("--pcm", choices=("int16", "float32"), help="standard input has no header and holds these")
    parser.add_argument("--rate", type=int, default=16000, metavar="HZ", help="of --pcm and --microphone (16000)")
    parser.add_argument("--channels", type=int, default=1, metavar="N", help="of --pcm, interleaved (1)")
    parser.add_argument("--to", required=True, metavar="SINK", help="livelink, vmc or osc")
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="name or address of the receiver's machine")
    parser.add_argument("--port", type=int, metavar="P", help="default: livelink 11111, vmc 39539, osc 9000")
    parser.add_argument(
        "--delay", type=float, default=0.1, metavar="S", help="seconds that frames wait for their time (0.1)"
    )
    options.add_package(parser)
    parser.add_argument("--style", metavar="S", help="style, weights or a person file")
    parser.add_argument("--emotion", default="auto", metavar="E", help="emotion, weights, auto, or a file of keys")
    parser.add_argument("--level", default="normal", metavar="L", help="normal or strong")
    parser.add_argument("--block-ms", type=float, metavar="MS", help="audio per encoder step (default: the package's)")
    parser.add_argument("--tail", type=float, default=0.3, metavar="S", help="seconds in which the face comes to rest")
    link = parser.add_argument_group("livelink")
    link.add_argument("--subject", metavar="NAME", help="the name that the receiver shows (EmoFace)")
    link.add_argument("--device", metavar="ID", help="what tells this sender from others")
    link.add_argument("--angles", metavar="UNIT", help="of the head: radians (default) or half-turns")
    vmc = parser.add_argument_group("vmc")
    vmc.add_argument("--names", metavar="SET", help="vrm1 (default), vrm0 or perfect-sync")
    vmc.add_argument("--expressions", type=float, metavar="X", help="factor 0 to 1 on the avatar's emotions (1)")
    vmc.add_argument("--no-head", action="store_true", help="leave the head's bone alone")
    osc = parser.add_argument_group("osc")
    osc.add_argument("--prefix", metavar="P", help="what every address begins with (/emoface)")
    osc.add_argument("--visemes", metavar="SET", help="send visemes, too: oculus, vrm or preston-blair")
    osc.add_argument("--flat", action="store_true", help="PREFIX/NAME instead of PREFIX/weight/NAME")
    options.add_controls(parser.add_argument_group("controls"))
    options.add_backend(parser)
    options.add_json(parser)
    parser.set_defaults(run=run)


_SWITCH_S = 0.0005
_OF_SINKS = {
    "livelink": ("subject", "device", "angles"),
    "vmc": ("names", "expressions", "no_head"),
    "osc": ("prefix", "visemes", "flat"),
}


def run(args: argparse.Namespace) -> int:
    """Send until the sound ends."""
    from emoface.live.voice import LiveVoice
    from emoface.package import Package
    from emoface.senders.sinks import LiveSink, make_sink

    package = Package.load(args.package)
    sink = make_sink(args.to, package.manifest.fps, **_sink_options(args))
    with _source(args) as source:
        voice = LiveVoice(
            package,
            kept_s=0.0,
            blendshapes=True,
            sample_rate=source.rate,
            channels=source.channels,
            style=options.weights("style", args.style),
            emotion=options.weights("emotion", args.emotion),
            level=options.weights("level", args.level),
            block_ms=args.block_ms,
            backend=args.backend,
            precision=args.precision,
            controls=options.controls(args),
        )
        to = LiveSink(sink, voice.blendshape_names, package.manifest.emotions, args.host, args.port, args.delay)
        drain, switching = False, sys.getswitchinterval()
        # The thread that sends must not wait long for the one that computes.
        sys.setswitchinterval(_SWITCH_S)
        try:
            for piece in source.pieces:
                to.send(voice.feed(piece, source.dtype), wait=True)
            to.send(voice.finish(args.tail), wait=True)
            drain = True
        finally:
            to.close(drain)
            sys.setswitchinterval(switching)
    sent = to.sent
    if args.json:
        print(json.dumps({"to": args.to, "host": args.host, "port": args.port or sink.port, **vars(sent)}))
        return 0
    print(f"sent     {sent.frames} frames in {sent.packets} datagrams to {args.host}, port {args.port or sink.port}")
    print(f"late     {sent.late_p50_ms:.2f} ms in the median, 99 % within {sent.late_p99_ms:.2f} ms")
    if sent.refused:
        print(f"refused  {sent.refused} datagrams: nobody listened there")
    return 0


def _sink_options(args: argparse.Namespace) -> dict[str, Any]:
    """What was said about the sink; UsageError for what another sink has."""
    from emoface.errors import UsageError

    given = {name: getattr(args, name) for names in _OF_SINKS.values() for name in names}
    said = {name: value for name, value in given.items() if value is not None and value is not False}
    for name in said:
        if name not in _OF_SINKS.get(args.to, said):
            option = f"--{name.replace('_', '-')}"
            owner = next(sink for sink, names in _OF_SINKS.items() if name in names)
            raise UsageError(f"{option} with --to {args.to}", f"--to {owner}", f"Leave {option} out.")
    if said.pop("no_head", False):
        said["head"] = False
    return said


def _source(args: argparse.Namespace) -> AbstractContextManager[LiveSource]:
    from emoface.audio.live_source import file_source, microphone, raw_input
    from emoface.errors import UsageError

    if (args.input is None) == (args.microphone is None):
        raise UsageError(
            "a file and --microphone" if args.input is not None else "no sound",
            "one of the two",
            "Say where it is from.",
        )
    if args.pcm is not None and args.input != "-":
        raise UsageError(f"--pcm {args.pcm} with {args.input or '--microphone'}", "- as input", "Leave --pcm out.")
    if args.microphone is not None:
        device = args.microphone or None
        return microphone(int(device) if device and device.isdecimal() else device, args.rate)
    return file_source(args.input) if args.pcm is None else nullcontext(raw_input(args.rate, args.channels, args.pcm))
