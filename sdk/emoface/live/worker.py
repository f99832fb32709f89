"""The process that runs voices for a `LiveHost`: requests in, answers out, one after the other, on one thread."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from typing import Any, Literal, NamedTuple

import numpy as np

from emoface.errors import EmoFaceError
from emoface.live.codes import LiveError, code_of
from emoface.live.voice import LiveVoice
from emoface.package import Package

Call = Literal["feed", "finish", "set", "set_changes", "interrupt", "reset", "frames_from", "snapshot", "restore"]
"""Methods of `LiveVoice` that a request may name."""


class Request(NamedTuple):
    """number: returned with the answer. call: "open", "close", "stop", or one of `Call`."""

    number: int
    voice: int
    call: str
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Answer(NamedTuple):
    """result: what the call returned, or a LiveError. busy_s: processor time that it took. position: of the voice."""

    number: int
    result: Any
    busy_s: float
    position: float


class Opened(NamedTuple):
    """What is known of a voice that was opened.

    Attributes:
        fps: frames per second.
        sample_rate: of the audio that it hears.
        latency_ms: declared: frame m is handed out once m / fps + this much audio was heard.
        blendshapes: names of the weights, in order.
        emotions: names of the running probabilities, in order.
        vertices: of a frame; 0 without.
        backend, precision: what runs the graphs.
        package: SHA-256 of the package.
    """

    fps: int
    sample_rate: int
    latency_ms: float
    blendshapes: tuple[str, ...]
    emotions: tuple[str, ...]
    vertices: int
    backend: str
    precision: str
    package: str


def run(connection: Connection, path: str, warm: dict[str, Any]) -> None:
    """Answer requests until "stop" or the other end is gone.

    The first message is the number of processor seconds that a second of audio takes here, with the options `warm`; or
    the error that keeps the worker from working.
    """
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the host says when to stop
    try:
        package = Package.load(path)
        connection.send(_cost(package, warm))
    except EmoFaceError as error:
        connection.send(_sent(error))
        return
    voices: dict[int, LiveVoice] = {}
    while True:
        try:
            request: Request = connection.recv()
        except (EOFError, OSError):
            return
        if request.call == "stop":
            return
        begin = time.thread_time()
        result = _answer(package, voices, request)
        voice = voices.get(request.voice)
        position = 0.0 if voice is None else voice.position
        try:
            connection.send(Answer(request.number, result, time.thread_time() - begin, position))
        except (BrokenPipeError, ConnectionResetError):
            return


def _answer(package: Package, voices: dict[int, LiveVoice], request: Request) -> Any:
    try:
        if request.call == "open":
            voices[request.voice] = voice = LiveVoice(package, **request.options)
            return opened(voice)
        if request.call == "close":
            if (gone := voices.pop(request.voice, None)) is not None:
                gone.close()
            return None
        return getattr(voices[request.voice], request.call)(*request.arguments, **request.options)
    except EmoFaceError as error:
        return _sent(error)
    except Exception as error:  # a fault of ours must not end the other voices
        return LiveError("failed", f"{type(error).__name__}: {error}", "no fault in the worker", "Please report it.")


def _sent(error: EmoFaceError) -> LiveError:
    """An error as it travels: errors have constructors of their own, their reason and words are what counts."""
    if isinstance(error, LiveError):
        return error
    return LiveError(code_of(error), error.got, error.expected, error.remedy)


def opened(voice: LiveVoice) -> Opened:
    """What is known of a voice."""
    animator, manifest = voice.animator, voice.animator.package.manifest
    return Opened(
        voice.fps, voice.sample_rate, animator.latency.ms, voice.blendshape_names, tuple(manifest.emotions),
        len(animator.face.template) if animator.has_vertices else 0, animator.backend, animator.precision,
        animator.package.digest,
    )  # fmt: skip


def _cost(package: Package, options: dict[str, Any]) -> float:
    """Processor seconds per second of audio, of the second of two seconds of noise: the first warms up."""
    voice = LiveVoice(package, **options)
    noise = np.random.default_rng(0).normal(0.0, 0.05, 2 * voice.sample_rate).astype(np.float32)
    voice.feed(noise[: voice.sample_rate])
    begin = time.thread_time()
    voice.feed(noise[voice.sample_rate :])
    return time.thread_time() - begin
