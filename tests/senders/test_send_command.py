"""`emoface send`: from a file, standard input and a live voice; what cannot work is said and ends with its code."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import handmade
import numpy as np
import pytest

from emoface import Package
from emoface.cli.main import main
from emoface.errors import SenderError
from emoface.live.voice import LiveVoice
from emoface.senders.livelink import LiveLink, read_packet
from emoface.senders.sinks import LiveSink, make_sink


def send(named_path, receiver, *options: str) -> int:
    base = ["--package", str(named_path), "--port", str(receiver.port), "--delay", "0", "--backend", "ort-cpu"]
    return main(["send", *options, *base])


def test_a_file_is_sent_frame_by_frame(named_path, wav, receiver, capsys):
    assert send(named_path, receiver, str(wav), "--to", "livelink", "--subject", "Ann", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    got = [read_packet(packet) for packet in receiver.waiting()]
    assert [number for _, _, number, _, _ in got] == list(range(21 + 9)) and report["frames"] == 30
    assert {subject for _, subject, _, _, _ in got} == {"Ann"}
    assert max(values["jawOpen"] for *_, values in got) > 0
    with Package.load(named_path).animator(blendshapes=True, backend="ort-cpu", sample_rate=16000) as animator:
        import soundfile

        frames = animator.step(soundfile.read(wav, dtype="float32")[0])
    names = animator.blendshape_names
    for (*_, values), weights in zip(got, frames.blendshape_weights, strict=False):
        for name in ("jawOpen", "eyeBlinkLeft", "browInnerUp"):
            assert values[name] == pytest.approx(float(weights[names.index(name)]), abs=1e-6)


def test_samples_on_standard_input(named_path, wav, receiver):
    import soundfile

    samples = soundfile.read(wav, dtype="int16")[0].tobytes()
    command = [
        sys.executable,
        "-m",
        "emoface",
        "send",
        "-",
        "--pcm",
        "int16",
        "--to",
        "osc",
        "--visemes",
        "vrm",
        "--json",
    ]
    command += ["--package", str(named_path), "--port", str(receiver.port), "--delay", "0"]
    done = subprocess.run(command, input=samples, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 30
    assert len(receiver.waiting()) >= 30
    done = subprocess.run(command, input=samples[:2001], capture_output=True, timeout=60)
    assert done.returncode == 4 and b"after the last whole sample" in done.stderr


def test_frames_of_a_live_voice_that_is_interrupted(named_path, receiver):
    package = Package.load(named_path)
    voice = LiveVoice(package, blendshapes=True, backend="ort-cpu")
    sink = LiveSink(
        LiveLink(voice.fps), voice.blendshape_names, package.manifest.emotions, port=receiver.port, delay_s=0.0
    )
    sound = (0.2 * np.random.default_rng(1).standard_normal(16000)).astype(np.float32)
    sink.send(voice.feed(sound))
    shown = receiver.take(3)
    begin = time.monotonic()
    rest = voice.interrupt(sink.forget())
    sink.send(rest)
    sink.close()
    assert rest.first < 15  # what the interruption overtook is not shown
    got = [read_packet(packet) for packet in [packet for _, packet in shown] + receiver.waiting()]
    assert [number for _, _, number, _, _ in got] == list(range(rest.end))
    assert max(got[-1][4].values()) == 0.0
    assert time.monotonic() - begin < 0.2 + 3 / 30 + 0.5  # on the clock of before


@pytest.mark.parametrize(
    ("options", "code", "match"),
    [
        (["--to", "facebook"], 2, "the sink 'facebook'; expected one of livelink, vmc, osc"),
        (["--to", "osc", "--host", "no-such-host.invalid"], 2, "the host 'no-such-host.invalid'"),
        (["--to", "osc", "--subject", "Ann"], 2, "--subject with --to osc; expected --to livelink"),
        (["--to", "vmc", "--names", "vrm9"], 2, "names='vrm9'"),
        (["--to", "vmc", "--pcm", "int16"], 2, "--pcm int16 with"),
        (["--to", "vmc", "--microphone"], 2, "a file and --microphone"),
        (["--to", "osc", "--lip-open-offset", "1"], 2, "lip_open_offset=1.0"),
    ],
)
def test_wrong_options(named_path, wav, options, code, match, capsys):
    assert main(["send", str(wav), "--package", str(named_path), *options]) == code
    assert match in capsys.readouterr().err


def test_a_sound_that_is_none_and_none_at_all(named_path, capsys):
    base = ["--package", str(named_path), "--to", "osc"]
    assert main(["send", "nothing.wav", *base]) == 4
    assert main(["send", *base]) == 2
    err = capsys.readouterr().err
    assert "nothing.wav: no such file" in err and "no sound; expected one of the two" in err


def test_packages_without_blendshapes_and_with_others(wav, tmp_path, capsys):
    bare = handmade.write_zip(tmp_path / "bare.emoface", handmade.package_files())
    assert main(["send", str(wav), "--package", str(bare), "--to", "livelink"]) == 2
    assert "the package has no blendshapes" in capsys.readouterr().err
    with pytest.raises(SenderError, match=r"blendshapes are A, B, C, \.\.\.; expected some of ARKit's"):
        LiveSink(LiveLink(30), ("A", "B", "C", "D"), ())
    with pytest.raises(SenderError, match="the sink 'x'"):
        make_sink("x", 30)


def test_a_microphone_without_its_library(named_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["send", "--microphone", "--to", "osc", "--package", str(named_path)]) == 2
    assert "emoface[microphone]" in capsys.readouterr().err
