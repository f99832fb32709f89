"""The door for Audio2Face-3D's clients: order of messages, weights, echoed audio, warnings, errors, TLS."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

grpc = pytest.importorskip("grpc", reason="needs grpcio (pip install 'emoface[serve]')")

from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: E402

from emoface import Package  # noqa: E402
from emoface.errors import UsageError  # noqa: E402
from emoface.live.a2f import messages  # noqa: E402
from emoface.live.a2f.door import Door, DoorSettings, serve  # noqa: E402
from emoface.live.codes import LiveError  # noqa: E402
from emoface.live.host import LiveHost  # noqa: E402

RATE = 16000


def sound(seconds: float, rate: int = RATE) -> np.ndarray:
    return (np.random.default_rng(0).normal(0, 3000, int(seconds * rate))).astype(np.int16)


def header(rate: int = RATE, channels: int = 1, bits: int = 16) -> Any:
    made = messages.AudioStream()
    audio = made.audio_stream_header.audio_header
    audio.channel_count, audio.samples_per_second, audio.bits_per_sample = channels, rate, bits
    return made


def audio_of(samples: np.ndarray | bytes, *keys: tuple[float, dict[str, float]]) -> Any:
    made = messages.AudioStream()
    made.audio_with_emotion.audio_buffer = samples if isinstance(samples, bytes) else samples.tobytes()
    for time, emotion in keys:
        made.audio_with_emotion.emotions.add(time_code=time, emotion=emotion)
    return made


def end() -> Any:
    made = messages.AudioStream()
    made.end_of_audio.SetInParent()
    return made


def method_of(channel: Any) -> Any:
    return channel.stream_stream(
        f"/{messages.SERVICE}/{messages.METHOD}",
        request_serializer=messages.AudioStream.SerializeToString,
        response_deserializer=messages.AnimationDataStream.FromString,
    )


async def call(channel: Any, requests: Sequence[Any], metadata: tuple[tuple[str, str], ...] = ()) -> list[Any]:
    stream = method_of(channel)(metadata=metadata)
    for request in requests:
        await stream.write(request)
    answers = []
    while (answer := await stream.read()) is not grpc.aio.EOF:
        answers.append(answer)
        if answer.HasField("status"):
            stream.cancel()  # their clients never half-close
            break
    return answers


Work = Callable[[Any, Door], Awaitable[None]]


WithDoor = Callable[..., None]


@pytest.fixture(scope="module")
def with_door(tiny_package: Path) -> Iterator[WithDoor]:
    """Run something against a door of its own; one host serves them all."""

    async def run(work: Work, settings: dict[str, Any]) -> None:
        door = await serve(host, DoorSettings(port=0, **settings))
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
                await asyncio.wait_for(work(channel, door), 60)
        finally:
            await door.stop(0)

    with asyncio.Runner() as runner:
        host = LiveHost(str(tiny_package))
        runner.run(host.__aenter__())
        try:
            yield lambda work, **settings: runner.run(run(work, settings))
        finally:
            runner.run(host.__aexit__(None, None, None))


def test_a_call_gives_the_frames_of_an_animator_and_their_audio(with_door: WithDoor, tiny_package: Path) -> None:
    samples = sound(2.31)
    animator = Package.load(tiny_package).animator(blendshapes=True, channels=1)
    whole = animator.whole(samples)
    cuts = [0, 7, 16000, 16000, 30001, len(samples)]

    async def work(channel: Any, _door: Door) -> None:
        pieces = [audio_of(samples[a:b]) for a, b in pairwise(cuts)]
        answers = await call(channel, [header(), *pieces, audio_of(b""), end()])
        kinds = [answer.WhichOneof("stream_part") for answer in answers]
        assert kinds == [
            "animation_data_stream_header",
            *["animation_data"] * (len(kinds) - 3),
            "event",
            "status",
        ]
        assert answers[-1].status.code == messages.SUCCESS
        head = answers[0].animation_data_stream_header
        assert head.audio_header.samples_per_second == RATE and head.start_time_code_since_epoch > 1e9
        names = list(head.skel_animation_header.blend_shapes)
        assert {name.lower() for name in names} == {name.lower() for name in animator.blendshape_names}
        data = [answer.animation_data for answer in answers[1:-2]]
        rows = [row for one in data for row in one.skel_animation.blend_shape_weights]
        times = [row.time_code for row in rows]
        assert times == [m / animator.fps for m in range(len(whole))]
        order = [[n.lower() for n in names].index(name.lower()) for name in animator.blendshape_names]
        np.testing.assert_array_equal(
            np.array([row.values for row in rows], np.float32)[:, order], whole.blendshape_weights
        )
        assert b"".join(one.audio.audio_buffer for one in data) == samples.tobytes()
        codes = [one.audio.time_code for one in data]
        assert codes == sorted(codes)
        for one in data[:-1]:
            aggregate = messages.EmotionAggregate()
            assert one.metadata["emotion_aggregate"].Unpack(aggregate)
            assert len(aggregate.a2e_output) == 0  # else their sample clients fail
            assert len(aggregate.a2f_smoothed_output) == 1

    with_door(work)


def test_parameters_act_or_are_named_in_a_warning(with_door: WithDoor) -> None:
    samples = sound(1)

    async def work(channel: Any, _door: Door) -> None:
        plain = await call(channel, [header(), audio_of(samples), end()])
        asked = header()
        given = asked.audio_stream_header
        given.face_params.float_params["lowerFaceStrength"] = 1.3
        given.face_params.float_params["saccadeStrength"] = 1.0
        name = plain[0].animation_data_stream_header.skel_animation_header.blend_shapes[0]
        given.blendshape_params.bs_weight_multipliers[name] = 0.5
        given.blendshape_params.bs_weight_offsets[name] = -3.0
        given.blendshape_params.bs_weight_multipliers["Antenna"] = 2.0
        given.emotion_post_processing_params.live_blend_coef = 0.7
        answers = await call(channel, [asked, audio_of(samples, (0.2, {"joy": 0.5, "pain": 1.0})), end()])
        status = answers[-1].status
        assert status.code == messages.WARNING
        for word in ("saccadeStrength", "antenna", "live_blend_coef", "pain"):
            assert word in status.message
        assert "joy" not in status.message and "lowerFaceStrength" not in status.message

        def weights(found: list[Any]) -> np.ndarray:
            data = (row for a in found if a.HasField("animation_data") for row in
                    a.animation_data.skel_animation.blend_shape_weights)  # fmt: skip
            return np.array([row.values for row in data], np.float32)

        changed, before = weights(answers), weights(plain)
        assert changed.shape == before.shape and np.all(changed[:, 0] <= -2.5)
        assert np.abs(changed[:, 1:] - before[:, 1:]).max() > 1e-4
        given.blendshape_params.enable_clamping_bs_weight = True
        assert weights(await call(channel, [asked, audio_of(samples), end()])).min() >= 0.0

    with_door(work)


def test_emotions_at_times_change_the_face_from_then_on(with_door: WithDoor) -> None:
    samples = sound(2)

    async def work(channel: Any, _door: Door) -> None:
        found = []
        for keys in ([], [(1.0, {"anger": 1.0})]):
            answers = await call(channel, [header(), audio_of(samples, *keys), end()])
            assert answers[-1].status.code == messages.SUCCESS
            data = [a.animation_data.skel_animation.blend_shape_weights[0] for a in answers[1:-2]]
            found.append(np.array([row.values for row in data], np.float32))
        np.testing.assert_array_equal(found[0][:30], found[1][:30])
        assert np.abs(found[0][35:] - found[1][35:]).max() > 1e-4

    with_door(work)


@pytest.mark.parametrize(
    ("code", "requests"),
    [
        ("out_of_order", [audio_of(sound(0.1))]),
        ("out_of_order", [end()]),
        ("out_of_order", [header(), header()]),
        ("bad_message", [header(), messages.AudioStream()]),
        ("bad_header", [header(bits=8)]),
        ("bad_header", [header(channels=3)]),
        ("bad_header", [header(rate=0)]),
        ("bad_header", [header(rate=1000)]),
        ("bad_audio", [header(), audio_of(b"abc")]),
        ("bad_condition", [header(), audio_of(sound(0.1), (0.0, {"joy": 7.0}))]),
        ("bad_condition", [header(), audio_of(sound(0.1), (0.0, {"joy": float("nan")}))]),
        ("bad_condition", [header(), audio_of(sound(0.1), (float("nan"), {"joy": 1.0}))]),
        ("bad_condition", [header(), audio_of(sound(0.1), (1e12, {"joy": 1.0}))]),
    ],
)
def test_wrong_calls_end_with_an_error_that_says_why(with_door: WithDoor, code: str, requests: list[Any]) -> None:
    async def work(channel: Any, _door: Door) -> None:
        answers = await call(channel, requests)
        status = answers[-1].status
        assert status.code == messages.ERROR and status.message.startswith(f"{code}: got ")
        assert "expected" in status.message

    with_door(work)


@pytest.mark.parametrize("name", ["lowerFaceStrength", "upperFaceSmoothing", "emotion_strength", "contrast"])
def test_values_out_of_range_are_refused_by_name(with_door: WithDoor, name: str) -> None:
    asked = header()
    given = asked.audio_stream_header
    if name.endswith(("Strength", "Smoothing")):
        given.face_params.float_params[name] = 9.0
    elif name == "contrast":
        given.emotion_post_processing_params.emotion_contrast = 9.0
    else:
        given.emotion_post_processing_params.emotion_strength = 9.0

    async def work(channel: Any, _door: Door) -> None:
        answers = await call(channel, [asked])
        assert answers[-1].status.code == messages.ERROR and "9" in answers[-1].status.message

    with_door(work)


def test_a_silent_client_is_ended_and_a_stopped_door_says_so(with_door: WithDoor) -> None:
    async def work(channel: Any, door: Door) -> None:
        answers = await call(channel, [header(), audio_of(sound(0.5))])
        assert answers[-1].status.message.startswith("idle: ")
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", messages.SERVICE):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(LiveError, match="free port"):
            await serve(LiveHost("default"), DoorSettings(port=door.port))

    with_door(work, idle_s=0.5)


def test_a_token_is_demanded(with_door: WithDoor) -> None:
    async def work(channel: Any, _door: Door) -> None:
        requests = [header(), audio_of(sound(0.2)), end()]
        for metadata in ((), (("authorization", "Bearer no"),)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                _ = [answer async for answer in method_of(channel)(iter(()), metadata=metadata)]
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        answers = await call(channel, requests, (("authorization", "Bearer s3cret"),))
        assert answers[-1].status.code == messages.SUCCESS

    with_door(work, token="s3cret")


def test_clients_without_a_certificate_stay_outside(with_door: WithDoor, tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=tmp_path)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca")
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for who in ("server", "client"):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", "/CN=x")
        openssl("x509", "-req", "-in", f"{who}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{who}.crt", "-extfile", "names")  # fmt: skip

    def channel_to(door: Door, **client: bytes) -> Any:
        credentials = grpc.ssl_channel_credentials((tmp_path / "ca.crt").read_bytes(), **client)
        return grpc.aio.secure_channel(f"127.0.0.1:{door.port}", credentials)

    async def work(channel: Any, door: Door) -> None:
        requests = [header(), audio_of(sound(0.2)), end()]
        own = {
            "private_key": (tmp_path / "client.key").read_bytes(),
            "certificate_chain": (tmp_path / "client.crt").read_bytes(),
        }
        async with channel_to(door, **own) as trusted:
            assert (await call(trusted, requests))[-1].status.code == messages.SUCCESS
        async with channel_to(door) as stranger:
            for outside in (stranger, channel):
                with pytest.raises((grpc.aio.AioRpcError, asyncio.InvalidStateError)):
                    await call(outside, requests)

    files = {"certificate": "server.crt", "key": "server.key", "client_authority": "ca.crt"}
    with_door(work, **{name: tmp_path / file for name, file in files.items()})


@pytest.mark.parametrize("rate", [8000, 44100, 192000])
def test_every_usual_rate_is_heard_and_nothing_may_be_said(with_door: WithDoor, rate: int) -> None:
    async def work(channel: Any, _door: Door) -> None:
        for samples in (sound(0.51, rate), sound(0.0)):
            for requests in ([header(rate), audio_of(samples), end()], [header(rate), audio_of(samples)]):
                stream = method_of(channel)(iter(requests))  # the second one just stops sending
                answers = [answer async for answer in stream]
                assert answers[-1].status.code == messages.SUCCESS
                data = [answer.animation_data for answer in answers if answer.HasField("animation_data")]
                assert sum(len(one.skel_animation.blend_shape_weights) for one in data) == len(samples) * 30 // rate
                assert b"".join(one.audio.audio_buffer for one in data) == samples.tobytes()

    with_door(work)


def test_a_client_that_vanishes_frees_its_voice(with_door: WithDoor) -> None:
    async def work(channel: Any, door: Door) -> None:
        for _ in range(3):
            stream = method_of(channel)()
            await stream.write(header())
            await stream.write(audio_of(sound(2)))
            await stream.read()
            assert door.host.voices == 1
            stream.cancel()
            for _ in range(200):
                if door.host.voices == 0:
                    break
                await asyncio.sleep(0.02)
            assert door.host.voices == 0

    with_door(work)


@pytest.mark.parametrize("given", [("certificate",), ("key",), ("client_authority",), ("key", "client_authority")])
def test_half_of_tls_is_refused_instead_of_plain_text(given: tuple[str, ...]) -> None:
    settings = DoorSettings(port=0, **{name: Path("somewhere.pem") for name in given})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="certificate"):
        asyncio.run(serve(LiveHost("default"), settings))


def test_a_public_address_needs_a_token_or_certificates() -> None:
    with pytest.raises(UsageError, match="without a token"):
        asyncio.run(serve(LiveHost("default"), DoorSettings(host="0.0.0.0", port=0)))
