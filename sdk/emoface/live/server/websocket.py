"""Voices over WebSocket: one connection is one voice of a `LiveHost`.

In: a JSON header first, then binary messages of audio in its format and JSON messages:

    {"type": "header", "sample_rate": 16000, "format": "pcm16" | "float32", "emotion": .., "style": .., "level": ..,
     "token": .. where the request had no header Authorization}
    {"type": "set", "name": "emotion", "value": .., "at": seconds}   {"type": "interrupt"}   {"type": "end", "tail": s}

Out: {"type": "ready", "fps", "sample_rate", "latency_ms", "names"}; frames as binary messages, little-endian: int64
number of the first frame, uint32 frames n, uint32 weights k, then n float64 seconds and n * k float32 weights; after
"interrupt" the frames to rest and {"type": "interrupted", "next": number}; {"type": "done", "frames": count} last.
What ends a voice early is {"type": "error", "code", "got", "expected", "remedy"} and the code's close number.
"""

from __future__ import annotations

import asyncio
import http
import json
import ssl
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from emoface.errors import EmoFaceError
from emoface.live.access import check_bind, may_enter
from emoface.live.codes import CODES, LiveError, code_of
from emoface.live.host import HostedVoice, LiveHost
from emoface.live.voice import LiveFrames

FORMATS: dict[str, np.dtype[Any]] = {"pcm16": np.dtype("<i2"), "float32": np.dtype("<f4")}
HEAD = struct.Struct("<qII")
LARGEST = 1 << 20  # bytes of a message
AHEAD_S = 60
"""Seconds of audio that may lie before the voice; an interruption overtakes them."""
PIECE_S = 0.1
"""Most seconds of audio that are heard at once, so that what came meanwhile is not late."""
_MOST_HELD = 4096  # messages
_CHOICES = ("emotion", "style", "level")


def packed(frames: LiveFrames) -> bytes:
    """Frames as a binary message."""
    weights = frames.batch.blendshape_weights
    head = HEAD.pack(frames.first, *weights.shape)
    return head + frames.batch.time.astype("<f8").tobytes() + weights.astype("<f4").tobytes()


def unpacked(message: bytes) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of the first frame, time (n,) in seconds and weights (n, k) of a binary message."""
    first, count, width = HEAD.unpack_from(message)
    time = np.frombuffer(message, "<f8", count, HEAD.size)
    weights = np.frombuffer(message, "<f4", count * width, HEAD.size + 8 * count)
    return first, time, weights.reshape(count, width)


class WebSocketDoor:
    """A WebSocket server before a host.

    Args:
        host: entered already; its voices have weights (`blendshapes=True`).
        address, port: where to listen; 0 for a free port.
        token: what clients send as `Authorization: Bearer TOKEN`; needed unless the address is a loopback one.
        origins: pages that may connect; programs that send no Origin always may.
        idle_s: seconds without a message after which a voice ends.
        tls: the server's side; one that demands clients' certificates (`verify_mode`) does in place of a token.

    Raises:
        UsageError: a public address without a token.
    """

    def __init__(
        self, host: LiveHost, address: str = "127.0.0.1", port: int = 8765, *, token: str | None = None,
        origins: Sequence[str] = (), idle_s: float = 60.0, tls: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        check_bind(address, token, tls is not None and tls.verify_mode == ssl.CERT_REQUIRED)
        self._host, self._token, self._origins, self._idle_s = host, token, frozenset(origins), idle_s
        self._address, self._port, self._tls = address, port, tls
        self._server: Server | None = None

    async def __aenter__(self) -> WebSocketDoor:
        try:
            self._server = await serve(
                self._speak, self._address, self._port, process_request=self._admit, max_size=LARGEST,
                compression=None, ssl=self._tls,
            )  # fmt: skip
        except OSError as error:
            reason = error.strerror or str(error)
            raise LiveError(
                "failed", f"{self._address}:{self._port} ({reason})", "a free port", "Choose another --port."
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._server is not None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/healthz":
            return connection.respond(http.HTTPStatus.OK, "ok\n")
        given = request.headers.get_all("Authorization")
        later = not given and request.path != "/readyz"  # pages cannot set it: the header message holds the token
        if not later and not may_enter(given[0] if len(given) == 1 else "", self._token):
            return _refusal(connection, "unauthorised")
        if any(origin not in self._origins for origin in request.headers.get_all("Origin")):
            return _refusal(connection, "forbidden")
        if request.path == "/readyz":
            ready = self._host.room > 0
            status = http.HTTPStatus.OK if ready else http.HTTPStatus.SERVICE_UNAVAILABLE
            return connection.respond(status, "ready\n" if ready else "full\n")
        return None

    async def _speak(self, connection: ServerConnection) -> None:
        try:
            await self._voice(connection)
        except ConnectionClosed:
            return
        except EmoFaceError as error:
            code = code_of(error)
            told = {"type": "error", "code": code, "got": error.got, "expected": error.expected, "remedy": error.remedy}
            try:
                await connection.send(json.dumps(told))
            except ConnectionClosed:
                return
            await connection.close(CODES[code].websocket, code)

    async def _voice(self, connection: ServerConnection) -> None:
        header = _control(await self._next(connection), "header")
        token = header.pop("token", None)
        shown = connection.request is not None and "Authorization" in connection.request.headers
        if not shown and not may_enter(f"Bearer {token}", self._token):
            raise LiveError("unauthorised", "no token, or a wrong one", "the token", "Send it in the header.")
        kind = header.get("format", "pcm16")
        if not isinstance(kind, str) or kind not in FORMATS:
            raise LiveError("bad_header", f"format {kind!r}", " or ".join(FORMATS), "Correct the header.")
        rate = header.get("sample_rate", 16000)
        if type(rate) is not int:
            raise LiveError("bad_header", f"sample_rate {rate!r}", "a whole number of Hz", "Correct the header.")
        unknown = set(header) - {"type", "format", "sample_rate", *_CHOICES}
        if unknown:
            raise LiveError("bad_header", f"unknown {sorted(unknown)}", "known names alone", "Correct the header.")
        options = {name: header[name] for name in _CHOICES if name in header}
        async with self._host.open(sample_rate=rate, **options) as voice:
            facts = voice.facts
            ready = {"fps": facts.fps, "sample_rate": facts.sample_rate, "latency_ms": facts.latency_ms}
            await connection.send(json.dumps({"type": "ready", **ready, "names": facts.blendshapes}))
            inbox = _Inbox(connection, rate * FORMATS[kind].itemsize, FORMATS[kind].itemsize)
            reading = asyncio.create_task(inbox.fill())
            try:
                while not await self._answered(connection, voice, FORMATS[kind], await self._next(inbox)):
                    pass
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _answered(
        self, connection: ServerConnection, voice: HostedVoice, kind: np.dtype[Any], message: str | bytes
    ) -> bool:
        """Answer one message; whether it was the last."""
        if isinstance(message, bytes):
            if len(message) % kind.itemsize:
                raise LiveError("bad_audio", f"{len(message)} bytes", "whole samples", "Send whole samples.")
            frames = await voice.feed(np.frombuffer(message, kind))
            if len(frames):
                await connection.send(packed(frames))
            return False
        told = _control(message, "set", "interrupt", "end")
        if told["type"] == "set":
            at = _seconds(told, "at", None)
            if told.get("name") not in _CHOICES:
                raise LiveError("bad_condition", repr(told.get("name")), ", ".join(_CHOICES), "Correct the name.")
            await voice.set(told["name"], told.get("value"), at)
            return False
        ends = bool(told["type"] == "end")
        frames = await (voice.finish(_seconds(told, "tail", 0.0) or 0.0) if ends else voice.interrupt())
        if len(frames):
            await connection.send(packed(frames))
        last = {"type": "done", "frames": frames.end} if ends else {"type": "interrupted", "next": frames.end}
        await connection.send(json.dumps(last))
        return ends

    async def _next(self, source: ServerConnection | _Inbox) -> str | bytes:
        try:
            return await asyncio.wait_for(source.recv(), self._idle_s)
        except TimeoutError:
            raise LiveError("idle", f"{self._idle_s:g} s of nothing", "audio", "Connect again.") from None


def _refusal(connection: ServerConnection, code: str) -> Response:
    return connection.respond(http.HTTPStatus(CODES[code].http), CODES[code].meaning + "\n")


class _Inbox:
    """What a client sent ahead, in pieces of at most `PIECE_S`; an interruption forgets audio and end before it.

    With `AHEAD_S` of audio in it no more is read, which the client's sending feels.
    """

    def __init__(self, connection: ServerConnection, bytes_per_second: int, whole: int) -> None:
        self._connection, self._whole = connection, whole
        self._piece = max(whole, int(PIECE_S * bytes_per_second) // whole * whole)
        self._most = AHEAD_S * bytes_per_second
        self._held: deque[str | bytes] = deque()
        self._ahead = 0  # bytes of audio
        self._closed: ConnectionClosed | None = None
        self._changed = asyncio.Condition()

    async def fill(self) -> None:
        """Read until the connection closes."""
        try:
            while True:
                message = await self._connection.recv()
                async with self._changed:
                    self._take(message)
                    self._changed.notify_all()
                    await self._changed.wait_for(lambda: self._ahead < self._most and len(self._held) < _MOST_HELD)
        except ConnectionClosed as error:
            async with self._changed:
                self._closed = error
                self._changed.notify_all()

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._held.append(message)
            self._ahead += len(message)
            return
        if _type_of(message) == "interrupt":
            self._held = deque(one for one in self._held if isinstance(one, str) and _type_of(one) != "end")
            self._ahead = 0
        self._held.append(message)

    async def recv(self) -> str | bytes:
        """The next message or piece of audio. Raises ConnectionClosed after the last."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._held or self._closed)
            if not self._held:
                assert self._closed is not None
                raise self._closed
            message = self._held.popleft()
            if isinstance(message, bytes):
                if len(message) > self._piece and len(message) % self._whole == 0:
                    self._held.appendleft(message[self._piece :])
                    message = message[: self._piece]
                self._ahead -= len(message)
            self._changed.notify_all()
            return message


def _type_of(message: str) -> Any:
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return found.get("type") if isinstance(found, dict) else None


def _control(message: str | bytes, *types: str) -> dict[str, Any]:
    """A JSON message of one of the types."""
    expected = f"a JSON message of type {' or '.join(types)}"
    if isinstance(message, bytes):
        raise LiveError("out_of_order", "binary audio", expected, "Send the header first.")
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise LiveError("bad_message", f"{message[:40]!r}", expected, "Send JSON as documented.")
    if found["type"] not in types:
        known = found["type"] in ("header", "set", "interrupt", "end")
        raise LiveError("out_of_order" if known else "bad_message", found["type"], expected, "Correct the type.")
    return found


def _seconds(told: dict[str, Any], name: str, otherwise: float | None) -> float | None:
    value = told.get(name, otherwise)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 86400:
        raise LiveError("bad_message", f"{name} {value!r}", "seconds, 0 to 86400", f"Correct {name}.")
    return float(value)
