"""A command as a whole process: signals that clean up; streams that may be closed, full or unable to hold a letter."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from emoface.errors import OutputError

BROKEN_PIPE = 141
"""Exit code where the reader of stdout went away: as of programs that SIGPIPE ends."""
_ENDING = ("SIGTERM", "SIGHUP")
_AGAIN_S = 0.05


class Ended(BaseException):
    """A signal that ends the process; what is open is released on its way up. `exit_code` is 128 + its number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def run_process(command: Callable[[], int]) -> int:
    """Run a command as the whole of a process; returns its exit code.

    SIGTERM and SIGHUP unwind it as Ctrl-C does (a signal that is ignored, as under nohup, stays so), also where they
    come while a C library calls back. Text that a stream cannot encode is escaped. Results that stdout does not take,
    since it is full or closed, are an error.
    """
    _open_standard_streams()
    for name in _ENDING:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    sys.unraisablehook = _unraisable
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _guarded(command)
        return _guarded(lambda: _flushed(code))
    except Ended as ended:
        say(f"emoface: ended by {ended}")
        return ended.exit_code
    except KeyboardInterrupt:
        say("emoface: interrupted")
        return 128 + signal.SIGINT
    finally:
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            _give_up(2)  # a full one would turn the exit code into the interpreter's 120


def say(text: str) -> None:
    """One message on stderr, where that can be written."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _guarded(command: Callable[[], int]) -> int:
    try:
        return command()
    except BrokenPipeError:
        _give_up(1)
        return BROKEN_PIPE
    except SystemExit as stop:  # argparse: help, version, wrong usage
        code = stop.code if isinstance(stop.code, int) else 2
    return _guarded(lambda: _flushed(code))


def _flushed(code: int) -> int:
    """`code`, once stdout has taken everything; a failure that came before is told rather than one of stdout."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        _give_up(1)
        say(f"emoface: error: {_stdout_error(error)}")
        return code or OutputError.exit_code
    return code


def _stdout_error(error: OSError | ValueError) -> OutputError:
    return OutputError(
        f"{getattr(error, 'strerror', None) or error} while writing to stdout",
        "a standard output that takes the results",
        "Open it, or free space.",
    )


def _give_up(number: int) -> None:
    """Keep the interpreter from failing on what stdout (1) or stderr (2) still holds when it ends."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)
    if number == 1 and isinstance(sys.stdout, _Closed):
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- as long as the process


def _end(number: int, frame: FrameType | None) -> None:
    stop = KeyboardInterrupt() if number == signal.SIGINT else Ended(number)
    while frame is not None:
        if frame.f_code.co_filename.endswith("soundfile.py") and frame.f_code.co_name.startswith("vio_"):
            # What is raised here ends the read alone, since C swallows it: again when that has returned.
            _lost.append(stop)
            again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
            again.daemon = True
            again.start()
            break
        frame = frame.f_back
    raise stop


_lost: list[BaseException] = []


def raise_lost() -> None:
    """Raise what a signal raised where that could not unwind the command: no failure that it caused is told instead."""
    if _lost:
        raise _lost[-1]


def _unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    if not any(unraisable.exc_value is stop for stop in _lost):
        sys.__unraisablehook__(unraisable)


class _Closed(io.TextIOBase):
    """A standard output that was closed: results for it are an error."""

    def write(self, text: str, /) -> int:
        raise _stdout_error(OSError(errno.EBADF, os.strerror(errno.EBADF)))


def _open_standard_streams() -> None:
    """No file of ours may get the number of a standard stream that is closed: libraries print to these numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = _Closed()
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 -- as long as the process
