"""eSpeak NG through its C library: the only engine whose interface reports phonemes while it speaks.

The library keeps its state in globals, and what it says depends on what it has said before. So that the same request
always gives the same samples, every list of sentences is spoken by a process of its own: this module, run with ``-m``.
"""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .errors import SpeechEngineError
from .phonemes import Segment, from_espeak
from .speech import Speech, missing, to_16k

LIBRARY = "libespeak-ng.so.1"
PACKAGES = "libespeak-ng1 espeak-ng-data"
WORDS_PER_MINUTE = 165

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
        try:
            self._library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise missing("espeak", f"the library {LIBRARY}", PACKAGES) from error
        self._library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self.rate = self._library.espeak_Initialize(_SYNCHRONOUS, 200, None, _PHONEME_EVENTS)
        if self.rate <= 0:
            raise missing("espeak", "its voice data", PACKAGES)
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

    def speak(self, voice: str, text: str, rate: float) -> Speech:
        # Setting the voice also resets what an earlier sentence may have left behind.
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SpeechEngineError(f"got the eSpeak voice {voice!r}, expected one that 'espeak-ng --voices=en' lists")
        words_per_minute = round(WORDS_PER_MINUTE * rate)
        for parameter, value in ((_RATE, words_per_minute), (_VOLUME, 100), (_PITCH, 50), (_RANGE, 50)):
            self._library.espeak_SetParameter(parameter, value, 0)
        self._chunks, self._events = [], []
        data = text.encode()
        if self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _CHARS_UTF8, None, None) != 0:
            raise SpeechEngineError(f"eSpeak failed on voice {voice!r} and text {text!r}")
        self._library.espeak_Synchronize()
        samples = np.concatenate(self._chunks) if self._chunks else np.zeros(0, np.int16)
        if len(samples) == 0 or not self._events:
            raise SpeechEngineError(f"eSpeak was silent on voice {voice!r} and text {text!r}")
        segments = from_espeak(self._events, len(samples) / self.rate, words_per_minute)
        return Speech(to_16k(samples, self.rate), segments)


def check() -> None:
    """Raise SpeechEngineError when the library or its data is missing."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise missing("espeak", f"the library {LIBRARY}", PACKAGES) from error


def speak(voice: str, texts: Sequence[str], rates: Sequence[float]) -> list[Speech]:
    """Speak each text with an eSpeak voice such as ``en-us+f2`` or ``gmw/en-GB-scotland+m7`` at a relative rate."""
    return speak_all([(voice, text, rate) for text, rate in zip(texts, rates, strict=True)])


def speak_all(requests: Sequence[tuple[str, str, float]]) -> list[Speech]:
    """Speak a list of (voice, text, relative rate) in a fresh process, so that the result depends on the list alone."""
    check()
    root = Path(__file__).resolve().parents[3]
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory(prefix="emoface-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", __spec__.name, folder],
            input=json.dumps(list(requests)),
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        result = Path(folder) / "speech.npz"
        if done.returncode != 0 or not result.exists():
            raise SpeechEngineError(f"eSpeak did not speak: {done.stderr.strip() or f'status {done.returncode}'}")
        with np.load(result, allow_pickle=False) as stored:
            return [
                Speech(
                    stored[f"audio_{i}"],
                    [
                        Segment(str(name), float(start), float(end))
                        for name, (start, end) in zip(stored[f"names_{i}"], stored[f"times_{i}"], strict=True)
                    ],
                )
                for i in range(len(requests))
            ]


def _main(folder: str) -> int:
    try:
        engine = _Engine()
        spoken = [engine.speak(*request) for request in json.load(sys.stdin)]
    except SpeechEngineError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    arrays = {}
    for i, (audio, segments) in enumerate(spoken):
        arrays[f"audio_{i}"] = audio
        arrays[f"names_{i}"] = np.array([segment.phoneme for segment in segments])
        arrays[f"times_{i}"] = np.array([[segment.start, segment.end] for segment in segments])
    np.savez(Path(folder) / "speech.npz", **arrays)
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
