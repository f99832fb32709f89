"""Many voices in worker processes, for programs that wait with asyncio.

    async with LiveHost("default", workers=2) as host:
        async with host.open(sample_rate=24000, blendshapes=True) as voice:
            frames = await voice.feed(chunk)

A worker is one process with one thread, which runs its voices one after the other. It is a fresh interpreter: a script
that makes a host does so below `if __name__ == "__main__":`. A voice is admitted only where the worker keeps up with
all of them: by what a second of audio cost there, measured when it started and ever since. A worker that ends takes its
voices along ("lost") and is replaced when the next voice is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import queue
import threading
from collections.abc import AsyncIterator, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from emoface.errors import UsageError
from emoface.live.codes import LiveError
from emoface.live.voice import REST_S, LiveFrames
from emoface.live.worker import Answer, Call, Opened, Request, run
from emoface.options import DEFAULTS

FULL = 0.85
"""Share of a worker's time that its voices may need by measure; the rest is for what is not even."""
_SLOWLY = 0.05  # how fast the measured cost follows


class LiveHost:
    """Workers with voices; to be entered and used within one event loop.

    Args:
        package: name or path of a package.
        workers: processes, at least 1.
        most_voices: at most so many in all; None for as many as keep up.
        full: share of a worker's time that its voices may need, 0 to 1.
        **options: what every voice is made with unless `open` says otherwise: see `emoface.options.AnimatorOptions`.

    Raises:
        UsageError: numbers out of range, an unknown option. On entering: LiveError for a package that cannot be used.
    """

    def __init__(
        self,
        package: str = "default",
        *,
        workers: int = 1,
        most_voices: int | None = None,
        full: float = FULL,
        **options: Any,
    ) -> None:
        if workers < 1 or (most_voices is not None and most_voices < 1) or not 0 < full <= 1:
            raise UsageError(
                f"{workers} workers, {most_voices} voices, {full} of their time",
                "at least one worker and one voice, and a share from 0 to 1",
                "Correct the numbers.",
            )
        for name in options:
            if name not in DEFAULTS:
                raise UsageError(f"an option {name!r}", f"one of {', '.join(DEFAULTS)}", "Correct the name.")
        self.package, self.options = package, options
        self._count, self._most, self._full = workers, most_voices, full
        self._workers: list[_Worker] = []
        self._ended: list[_Worker] = []
        self._draining = False
        self._next = 0

    async def __aenter__(self) -> LiveHost:
        self._workers = [_Worker(str(self.package), self.options) for _ in range(self._count)]
        try:
            await asyncio.gather(*(worker.started() for worker in self._workers))
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in [*self._workers, *self._ended]))

    def _replace_lost(self) -> None:
        for place, worker in enumerate(self._workers):
            if worker.gone:
                self._workers[place] = _Worker(str(self.package), self.options)
                self._ended.append(worker)

    @property
    def voices(self) -> int:
        """Voices that are open."""
        return sum(len(worker.voices) for worker in self._workers)

    @property
    def room(self) -> int:
        """Voices that would be admitted now, one after the other."""
        if self._draining:
            return 0
        free = sum(worker.room(self._full) for worker in self._workers)
        return free if self._most is None else max(0, min(free, self._most - self.voices))

    def drain(self) -> None:
        """Admit no further voices; those that are open go on."""
        self._draining = True

    @contextlib.asynccontextmanager
    async def open(self, *, kept_s: float | None = None, **options: Any) -> AsyncIterator[HostedVoice]:
        """A voice; it is closed on leaving.

        Raises:
            LiveError: "going_away" when draining, "too_many" where the workers would not keep up, "bad_header" and
                others for options that the animator refuses, "lost" when the worker ends.
        """
        self._replace_lost()
        if self._draining:
            raise LiveError("going_away", "a further voice", "none while draining", "Ask another server.")
        if self.room < 1:
            raise LiveError(
                "too_many",
                f"voice {self.voices + 1}",
                f"at most {self.voices} now, that all keep up",
                "Try again later, or start more workers.",
            )
        able = [worker for worker in self._workers if worker.room(self._full)]
        worker = min(able, key=lambda one: len(one.voices) * one.cost)
        number = self._next
        self._next += 1
        worker.voices.add(number)
        try:
            chosen = {**self.options, **options} | ({} if kept_s is None else {"kept_s": kept_s})
            answer = await worker.ask(number, "open", (), chosen)
            yield HostedVoice(worker, number, answer.result)
        finally:
            worker.voices.discard(number)
            worker.post(number, "close")


class HostedVoice:
    """A voice in a worker; calls are `LiveVoice`'s, awaited, and run in the order in which they were made.

    Errors arrive as LiveError with their reason as code.

    Attributes:
        facts: rate, latency, names: see `emoface.live.worker.Opened`.
        position: `LiveVoice.position` after the last call that was answered.
    """

    def __init__(self, worker: _Worker, number: int, facts: Opened) -> None:
        self._worker, self._number = worker, number
        self.facts = facts
        self.position = 0.0

    async def feed(self, chunk: Any, dtype: object = None) -> LiveFrames:
        """See `LiveVoice.feed`."""
        heard = self.position
        answer = await self._answer("feed", chunk, dtype=dtype)
        self._worker.measured(answer.busy_s, self.position - heard)
        return answer.result  # type: ignore[no-any-return]

    async def finish(self, tail_s: float = 0.0) -> LiveFrames:
        """See `LiveVoice.finish`."""
        return await self._call("finish", tail_s)  # type: ignore[no-any-return]

    async def set(self, name: str, value: Any, at: float | None = None) -> None:
        """See `LiveVoice.set`."""
        await self._call("set", name, value, at)

    async def set_changes(self, name: str, changes: Sequence[tuple[float, Any]]) -> None:
        """See `LiveVoice.set_changes`."""
        await self._call("set_changes", name, list(changes))

    async def interrupt(self, at: int | None = None, rest_s: float = REST_S) -> LiveFrames:
        """See `LiveVoice.interrupt`."""
        return await self._call("interrupt", at, rest_s)  # type: ignore[no-any-return]

    async def reset(self) -> None:
        """See `LiveVoice.reset`."""
        await self._call("reset")

    async def frames_from(self, frame: int) -> LiveFrames:
        """See `LiveVoice.frames_from`."""
        return await self._call("frames_from", frame)  # type: ignore[no-any-return]

    async def snapshot(self) -> bytes:
        """See `LiveVoice.snapshot`."""
        return await self._call("snapshot")  # type: ignore[no-any-return]

    async def restore(self, data: bytes) -> None:
        """See `LiveVoice.restore`."""
        await self._call("restore", data)

    async def _call(self, call: Call, *arguments: Any) -> Any:
        return (await self._answer(call, *arguments)).result

    async def _answer(self, call: Call, *arguments: Any, **options: Any) -> Answer:
        answer = await self._worker.ask(self._number, call, arguments, options)
        self.position = answer.position
        return answer


class _Worker:
    """The host's end of a process."""

    def __init__(self, path: str, warm: dict[str, Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self.process = context.Process(target=run, args=(theirs, path, warm), daemon=True, name="emoface voices")
        self.process.start()
        theirs.close()
        self.voices: set[int] = set()
        self.cost = 0.0
        self._ready = False
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._number = 0
        self.gone = False
        self._loop = asyncio.get_running_loop()
        self._first: asyncio.Future[Any] = self._loop.create_future()
        self._out: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=work, args=(self._connection,), daemon=True) for work in (self._read, self._write)
        ]
        for thread in self._threads:
            thread.start()

    async def started(self) -> None:
        """Wait for it; LiveError for what keeps it from working."""
        first = await self._first
        if isinstance(first, LiveError):
            raise first

    def room(self, full: float) -> int:
        """How many more voices it keeps up with."""
        if self.gone or not self._ready:
            return 0
        return max(0, int(full / max(self.cost, 1e-6)) - len(self.voices))

    def measured(self, busy_s: float, audio_s: float) -> None:
        """Take a measurement into the cost of a second of audio."""
        if audio_s > 0:
            weight = min(1.0, _SLOWLY * audio_s)
            self.cost += weight * (busy_s / audio_s - self.cost)

    async def ask(self, voice: int, call: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Answer:
        """A request and its answer; LiveError for one that is an error."""
        if self.gone:
            raise _lost()
        future: asyncio.Future[Answer] = self._loop.create_future()
        number = self._number = self._number + 1
        self._asked[number] = future
        self._out.put(Request(number, voice, call, arguments, options))
        answer = await future
        if isinstance(answer.result, LiveError):
            raise answer.result
        return answer

    def post(self, voice: int, call: str) -> None:
        """A request whose answer nobody waits for."""
        self._out.put(Request(0, voice, call))

    def _write(self, connection: Connection) -> None:
        """In a thread of its own, for a busy worker does not read: requests in their order, until "stop"."""
        while True:
            request = self._out.get()
            with contextlib.suppress(OSError, ValueError):  # its end is noticed where answers are read
                connection.send(request)
            if request.call == "stop":
                return

    def _read(self, connection: Connection) -> None:
        """In a thread of its own: answers to those who asked."""
        first = True
        while True:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                break
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
                self._loop.call_soon_threadsafe(self._begun if first else self._take, message)
            first = False
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end)

    def _begun(self, first: Any) -> None:
        if self._first.done():
            return
        if not isinstance(first, LiveError):
            self.cost, self._ready = first, True
        self._first.set_result(first)

    def _take(self, answer: Answer) -> None:
        future = self._asked.pop(answer.number, None)
        if future is not None and not future.done():
            future.set_result(answer)

    def _end(self) -> None:
        self.gone = True
        self._begun(_lost())
        for future in self._asked.values():
            if not future.done():
                future.set_exception(_lost())
        self._asked.clear()

    async def stop(self) -> None:
        """End the process: at once where it is idle, by force where it does not answer within seconds."""
        self.post(0, "stop")
        await asyncio.to_thread(self.process.join, 5)
        if self.process.is_alive():
            self.process.kill()
            await asyncio.to_thread(self.process.join)
        self._connection.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.join, 5)
        self.process.close()


def _lost() -> LiveError:
    return LiveError(
        "lost",
        "a worker process that ended",
        "one that runs",
        "Open another voice and restore a snapshot, or begin anew.",
    )
