"""`emoface serve`: voices for other programs, over WebSocket and for clients of Audio2Face-3D over gRPC."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoface.cli import options
from emoface.errors import UsageError

if TYPE_CHECKING:
    import ssl

TOKEN = "EMOFACE_TOKEN"


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "serve",
        help="give other programs faces over the network",
        description="Voices over WebSocket (docs/live.md) and, with --grpc-port, for clients of Audio2Face-3D "
        "(docs/a2f.md). Needs the extra [serve].",
    )
    options.add_package(parser)
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen (127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=8765, metavar="N", help="of the WebSocket server (8765; 0: a free one)"
    )
    parser.add_argument(
        "--grpc-port",
        type=int,
        nargs="?",
        const=52000,
        metavar="N",
        help="open the gRPC door, too (52000; 0: a free one)",
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that run voices (1)")
    parser.add_argument("--most-voices", type=int, metavar="N", help="at most so many (default: as many as keep up)")
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"holds the token that clients send (or the variable {TOKEN}); needed for a public address",
    )
    parser.add_argument(
        "--origin", action="append", default=[], metavar="URL", help="a page that may connect; repeatable"
    )
    parser.add_argument("--tls-certificate", metavar="PEM", help="speak TLS with this certificate")
    parser.add_argument("--tls-key", metavar="PEM", help="its key")
    parser.add_argument("--client-authority", metavar="PEM", help="demand certificates of clients, signed by this")
    parser.add_argument("--idle", type=float, default=60.0, metavar="S", help="end a voice that is silent so long (60)")
    parser.add_argument(
        "--drain", type=float, default=30.0, metavar="S", help="after SIGTERM voices may go on so long (30)"
    )
    parser.add_argument("--block-ms", type=float, metavar="MS", help="audio per encoder step (default: the package's)")
    options.add_backend(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    import asyncio

    _needs()
    token, tls = _token(args.token_file), _tls(args)
    asyncio.run(_serve(args, token, tls))
    return 0


def _needs() -> None:
    from importlib.util import find_spec

    for name in ("websockets", "grpc", "grpc_health"):
        if find_spec(name) is None:
            raise UsageError(f"no package {name}", "the extra serve", "pip install 'emoface[serve]'")


def _token(path: str | None) -> str | None:
    if path is None:
        return os.environ.get(TOKEN) or None
    try:
        token = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file {path} ({error})", "a file with a token", "Check the path.") from None
    if not token:
        raise UsageError(
            f"--token-file {path}, which is empty", "a token", "Write one, for example by `openssl rand -hex 32`."
        )
    return token


def _tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    import ssl

    files = (args.tls_certificate, args.tls_key)
    if not any(files) and args.client_authority is None:
        return None
    if not all(files):
        raise UsageError(
            f"--tls-certificate {files[0]}, --tls-key {files[1]}", "both", "Give a certificate and its key."
        )
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=args.client_authority)
        context.load_cert_chain(*files)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"TLS files ({error})", "PEM files that fit each other", "Check the three paths.") from None
    if args.client_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def _serve(args: argparse.Namespace, token: str | None, tls: ssl.SSLContext | None) -> None:
    import asyncio
    import signal
    from contextlib import AsyncExitStack

    from emoface.live.a2f import door
    from emoface.live.host import LiveHost
    from emoface.live.server.websocket import WebSocketDoor

    chosen = {"block_ms": args.block_ms, "backend": args.backend, "precision": args.precision}
    host = LiveHost(
        args.package, workers=args.workers, most_voices=args.most_voices, blendshapes=True,
        **{name: value for name, value in chosen.items() if value is not None},
    )  # fmt: skip
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as open_things:
        await open_things.enter_async_context(host)
        sockets = WebSocketDoor(
            host, args.host, args.port, token=token, origins=args.origin, idle_s=args.idle, tls=tls,
        )  # fmt: skip
        await open_things.enter_async_context(sockets)
        print(f"{'wss' if tls else 'ws'}://{args.host}:{sockets.port}", flush=True)
        if args.grpc_port is not None:
            files = {
                name: None if path is None else Path(path)
                for name, path in (
                    ("certificate", args.tls_certificate), ("key", args.tls_key),
                    ("client_authority", args.client_authority),
                )
            }  # fmt: skip
            settings = door.DoorSettings(args.host, args.grpc_port, token, idle_s=args.idle, **files)
            opened = await door.serve(host, settings)
            open_things.push_async_callback(opened.stop, 0.0)
            print(f"grpc://{args.host}:{opened.port}", flush=True)
        await stop.wait()
        host.drain()
        print(f"draining {host.voices} voices", flush=True)
        until = asyncio.get_running_loop().time() + args.drain
        while host.voices and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)
