"""`emoface view`: the page on this machine alone, in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emoface.cli import options
from emoface.cli.web import PACKAGE_NAME, SPEECH, SPEECH_NAME, check_streams, packed, page_files
from emoface.errors import OutputError

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

HOST = "127.0.0.1"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".txt": "text/plain; charset=utf-8",
}


def register(subparsers: Any) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "view",
        help="watch a package speak in the browser",
        description="Open the page on this machine's loopback: drop a sound or talk. Nothing leaves the machine.",
    )
    options.add_package_first(parser)
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port (default: a free one)")
    parser.add_argument("--no-open", action="store_true", help="print the address and open no browser")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    import webbrowser

    from emoface.package import Package

    page = page_files()
    package = Package.load(args.package)
    check_streams(package)
    with open_server({**page, PACKAGE_NAME: packed(package, args.package), SPEECH_NAME: SPEECH}, args.port) as server:
        address = f"http://{HOST}:{server.server_address[1]}/"
        print(f"{package.manifest.name}: {address} (Ctrl-C ends)", flush=True)
        if not args.no_open:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def open_server(files: dict[str, Path | bytes], port: int = 0) -> ThreadingHTTPServer:
    """A server of these files, and of nothing else, on the loopback; OutputError where the port is not free."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "emoface", ""

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            name = self.path.partition("?")[0].removeprefix("/") or "index.html"
            host = self.headers.get("Host", "")
            # Another site's name that leads to this machine is not this machine's page.
            if host.rpartition(":")[0] not in (HOST, "localhost"):
                return self.send_error(403, f"got the host {host!r}; expected {HOST}")
            if name not in files:
                return self.send_error(404, "no such file")
            found = files[name]
            data = found if isinstance(found, bytes) else found.read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", TYPES.get(Path(name).suffix, "application/octet-stream"))
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not told of."""

    try:
        server = ThreadingHTTPServer((HOST, port), Handler)
    except (OSError, OverflowError) as error:
        raise OutputError(f"port {port}: {error}", "a free port from 0 to 65535", "Leave --port out.") from None
    server.daemon_threads = True
    return server
