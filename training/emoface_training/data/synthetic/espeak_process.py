"""The C library of eSpeak NG, spoken to in a process of its own: ``python -m ...espeak_process FOLDER < requests``.

The library keeps its state in globals, and what it says depends on what it has said before. So that the same request
always gives the same samples, :mod:`.speech_espeak` starts this module anew for every list of sentences. It imports as
little as it can, for it is started often.

Requests are JSON on stdin, a list of (voice, text, words per minute); the answer is FOLDER/speech.npz with, per request
i, ``samples_i`` int16, ``names_i`` and ``times_i`` (phoneme events: mnemonic, seconds), and the common ``rate`` in Hz.
"""

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

LIBRARY = "libespeak-ng.so.1"

_SYNCHRONOUS = 2
_PHONEME_EVENTS = 1
_CHARS_UTF8 = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_LIST_END, _PHONEME = 0, 7


class _Identifier(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identifier),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Engine:
    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self.rate = self._library.espeak_Initialize(_SYNCHRONOUS, 200, None, _PHONEME_EVENTS)
        if self.rate <= 0:
            raise RuntimeError("the library found no voice data: apt-get install espeak-ng-data")
        self._chunks: list[np.ndarray] = []
        self._events: list[tuple[str, float]] = []
        self._callback = _Callback(self._receive)  # kept: the library stores only the pointer
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: Any, count: int, events: Any) -> int:
        if count > 0:
            self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != _LIST_END:
            if events[i].type == _PHONEME:
                name = bytes(events[i].id.string).split(b"\0")[0].decode("utf-8", "replace")
                self._events.append((name, events[i].sample / self.rate))
            i += 1
        return 0

    def speak(self, voice: str, text: str, words_per_minute: int) -> tuple[np.ndarray, list[tuple[str, float]]]:
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"got the eSpeak voice {voice!r}, expected one that 'espeak-ng --voices=en' lists")
        for parameter, value in ((_RATE, words_per_minute), (_VOLUME, 100), (_PITCH, 50), (_RANGE, 50)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._chunks, self._events = [], []
        data = text.encode()
        if self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _CHARS_UTF8, None, None) != 0:
            raise RuntimeError(f"eSpeak failed on voice {voice!r} and text {text!r}")
        self._library.espeak_Synchronize()
        if not self._chunks or not self._events:
            raise RuntimeError(f"eSpeak was silent on voice {voice!r} and text {text!r}")
        return np.concatenate(self._chunks), self._events


def main(folder: str) -> int:
    """Answer the requests on stdin; 1 and a message on stderr when one cannot be spoken."""
    arrays: dict[str, Any] = {}
    try:
        engine = _Engine()
        for i, request in enumerate(json.load(sys.stdin)):
            samples, events = engine.speak(*request)
            arrays[f"samples_{i}"] = samples
            arrays[f"names_{i}"] = np.array([name for name, _ in events])
            arrays[f"times_{i}"] = np.array([time for _, time in events])
    except (OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    np.savez(Path(folder) / "speech.npz", rate=engine.rate, **arrays)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
