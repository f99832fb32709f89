"""The gRPC service that clients of Audio2Face-3D call.

A call is one voice: a header, audio, the end of the audio in; a header, frames with the audio they belong to, an event
and a status out. The status comes last: WARNING where something was asked for that is not there, ERROR with the reason
(a name of `emoface.live.codes.CODES`) where the call could not go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped]

from emoface.audio.chunk import check_rate
from emoface.errors import AudioFormatError, EmoFaceError, UsageError
from emoface.live.a2f import messages
from emoface.live.a2f.parameters import Weights, Wishes, emotions_of, theirs, wishes_of
from emoface.live.access import check_bind, may_enter
from emoface.live.codes import CODES, LiveError, code_of
from emoface.live.host import HostedVoice, LiveHost
from emoface.live.voice import LiveFrames
from emoface.package import Package
from emoface.rig import EmotionBlend
from emoface.rig.timeline import LATEST_S
from emoface.stream.conditions import condition_vector

PORT = 52000
LARGEST = 16 << 20
"""Bytes of one message."""


@dataclass(frozen=True)
class DoorSettings:
    """How the door stands.

    Attributes:
        host, port: where; port 0 takes a free one.
        token: clients send it as metadata `authorization: Bearer TOKEN`; None for none.
        certificate, key: PEM files for TLS; both or none.
        client_authority: PEM file of the authority that signs clients' certificates, which are then demanded.
        idle_s: seconds without a message after which a call is ended.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    token: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_authority: Path | None = None
    idle_s: float = 30.0


class Door:
    """A running service.

    Attributes:
        host: whose voices are served.
        port: where it listens.
    """

    def __init__(self, host: LiveHost, server: Any, port: int, served: Any) -> None:
        self.host, self._server, self.port, self._health = host, server, port, served

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no further calls, say so to those who watch its health, and wait for those that run."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace_s)


async def serve(host: LiveHost, settings: DoorSettings) -> Door:
    """Open the door.

    Raises:
        UsageError: a public address without a token and without clients' certificates.
        LiveError: code "failed" where the port cannot be had or the certificates not be used.
    """
    check_bind(settings.host, settings.token, settings.client_authority is not None)
    files = (settings.certificate, settings.key, settings.client_authority)
    if any(files) and not (settings.certificate and settings.key):
        raise UsageError(
            f"certificate {files[0]}, key {files[1]}, client authority {files[2]}",
            "a certificate and its key, and with them perhaps a client authority",
            "Give both, or none of the three.",
        )
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", LARGEST), ("grpc.so_reuseport", 0)],
    )
    service = _Service(host, settings)
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                messages.SERVICE,
                {
                    messages.METHOD: grpc.stream_stream_rpc_method_handler(
                        service.process,
                        request_deserializer=messages.AudioStream.FromString,
                        response_serializer=messages.AnimationDataStream.SerializeToString,
                    )
                },
            ),
        )
    )
    served = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(served, server)
    address = f"{settings.host}:{settings.port}"
    try:
        if not any(files):
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, _credentials(settings))
    except (RuntimeError, OSError, ValueError) as error:
        raise LiveError(
            "failed", f"{address} ({error})", "a free port, and certificates that fit", "Choose another port or file."
        ) from None
    await server.start()
    for name in ("", messages.SERVICE):
        await served.set(name, health_pb2.HealthCheckResponse.SERVING)
    return Door(host, server, port, served)


def _credentials(settings: DoorSettings) -> Any:
    assert settings.certificate is not None and settings.key is not None
    authority = settings.client_authority
    return grpc.ssl_server_credentials(
        [(settings.key.read_bytes(), settings.certificate.read_bytes())],
        root_certificates=None if authority is None else authority.read_bytes(),
        require_client_auth=authority is not None,
    )


class _Service:
    def __init__(self, host: LiveHost, settings: DoorSettings) -> None:
        self._host, self._settings = host, settings
        self._manifest = Package.load(host.package).manifest

    async def process(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        """One call."""
        if self._settings.token is not None:
            given = dict(context.invocation_metadata()).get("authorization", "")
            if not may_enter(str(given), self._settings.token):
                code = CODES["unauthorised"]
                await context.abort(grpc.StatusCode[code.grpc], code.meaning)
        warnings = list[str]()
        try:
            async with aclosing(
                self._frames(requests, warnings)
            ) as answers:  # a client that is gone frees its voice now
                async for answer in answers:
                    yield answer
        except EmoFaceError as error:
            yield _status(messages.ERROR, f"{code_of(error)}: {error}")
            return
        text = f"{CODES['done'].meaning}; not there: {'; '.join(warnings)}" if warnings else "done"
        yield _status(messages.WARNING if warnings else messages.SUCCESS, text)

    async def _frames(self, requests: AsyncIterator[Any], warnings: list[str]) -> AsyncGenerator[Any, None]:
        header = await self._next(requests)
        if header is None or header.WhichOneof("stream_part") != "audio_stream_header":
            got = "nothing" if header is None else header.WhichOneof("stream_part")
            raise LiveError("out_of_order", got, "audio_stream_header", "Send the header first.")
        header = header.audio_stream_header
        rate = _checked_rate(header.audio_header)
        async with _Call(self._host, self._manifest, rate, wishes_of(header, warnings)) as call:
            yield call.header(header.audio_header)
            while True:
                request = await self._next(requests)
                part = None if request is None else request.WhichOneof("stream_part")
                if part == "audio_with_emotion":
                    for answer in await call.heard(request.audio_with_emotion):
                        yield answer
                elif part == "end_of_audio" or request is None:
                    for answer in await call.ended():
                        yield answer
                    break
                elif part == "audio_stream_header":
                    raise LiveError("out_of_order", "a second header", "audio", "Open another call for another clip.")
                else:
                    raise LiveError("bad_message", "an empty message", "audio or the end of it", "Leave it out.")
        event = messages.AnimationDataStream()
        event.event.event_type = 0
        yield event

    async def _next(self, requests: AsyncIterator[Any]) -> Any:
        """The next message; None where the client sends no more."""
        try:
            return await asyncio.wait_for(anext(requests), self._settings.idle_s)
        except StopAsyncIteration:
            return None
        except TimeoutError:
            raise LiveError(
                "idle", f"no message for {self._settings.idle_s:g} s", "audio, or the end of it", "Call again."
            ) from None


class _Call:
    """The voice of a call."""

    def __init__(self, host: LiveHost, manifest: Any, rate: int, wishes: Wishes) -> None:
        self._host, self._manifest, self._rate, self._wishes = host, manifest, rate, wishes
        self._keys: list[Any] = []
        self._audio = bytearray()  # not echoed yet
        self._echoed = 0  # bytes
        self._blend: EmotionBlend | None = None
        self._earliest = 0.0  # seconds, of a further key
        self._open_things = AsyncExitStack()

    async def __aenter__(self) -> _Call:
        self._voice = await self._open()
        self._weights = Weights(self._voice.facts.blendshapes, self._wishes)
        if not self._weights.names:
            await self._open_things.aclose()
            raise LiveError("failed", "a package without blendshapes", "one with them", "Serve another package.")
        return self

    async def __aexit__(self, *reason: Any) -> None:
        await self._open_things.aclose()

    async def _open(self) -> HostedVoice:
        """The voice with all controls that the package can have; the others become warnings."""
        wishes = self._wishes
        wishes.start = self._there(wishes.start)
        while True:
            opening = self._host.open(
                sample_rate=self._rate, channels=1, blendshapes=True, controls=wishes.rig_controls(),
                auto_strength=wishes.auto_strength,
                emotion=self._weights_by_name(wishes.start) if wishes.start else "auto",
            )  # fmt: skip
            try:
                return await self._open_things.enter_async_context(opening)
            except LiveError as error:
                unfit = next(
                    (name for name in wishes.controls if error.code == "bad_header" and name in str(error)), ""
                )
                if not unfit:
                    raise
                del wishes.controls[unfit]
                wishes.warnings.append(f"{unfit}: {error.got}")

    def _there(self, emotion: dict[str, float]) -> dict[str, float]:
        """Those of the emotions that the package has; the others are named in the warnings."""
        choices = self._manifest.choices("emotion")
        for name in [name for name in emotion if name not in choices]:
            text = f"emotion {name}: the package has none"
            self._wishes.warnings += [] if text in self._wishes.warnings else [text]
        return {name: weight for name, weight in emotion.items() if name in choices}

    def _weights_by_name(self, emotion: dict[str, float]) -> dict[str, float]:
        vector = self._wishes.blending.vector(self._manifest, emotion)
        return dict(zip(self._manifest.choices("emotion"), vector.tolist(), strict=True))

    def header(self, audio: Any) -> Any:
        """Their first answer."""
        answer = messages.AnimationDataStream()
        made = answer.animation_data_stream_header
        made.audio_header.CopyFrom(audio)
        made.skel_animation_header.blend_shapes.extend(self._weights.names)
        made.start_time_code_since_epoch = time.time()
        return answer

    async def heard(self, message: Any) -> Iterator[Any]:
        """Audio, with emotions at times."""
        samples = bytes(message.audio_buffer)
        if len(samples) % 2:
            raise LiveError("bad_audio", f"{len(samples)} bytes", "whole samples of 16 bit", "Cut between samples.")
        for key in sorted(message.emotions, key=lambda one: one.time_code):
            self._key(key)
        self._audio += samples
        end = self._voice.position + len(samples) // 2 / self._rate
        if self._blend is not None and (changes := self._blend.until(end)):
            await self._voice.set_changes("emotion", changes)
        return self._answers(await self._voice.feed(samples, dtype="int16"), last=False)

    def _key(self, key: Any) -> None:
        emotion = self._there(emotions_of(dict(key.emotion), self._wishes.warnings))
        if not 0.0 <= key.time_code <= LATEST_S:
            got = f"an emotion at {key.time_code!r} s"
            raise LiveError("bad_condition", got, f"0 to {LATEST_S:g}", "Give seconds of the audio.")
        if self._blend is None:
            start = self._weights_by_name(self._wishes.start) if self._wishes.start else "auto"
            vector = condition_vector(self._manifest, "emotion", start)
            self._blend = EmotionBlend(self._manifest, self._wishes.blending, vector)
        at = max(key.time_code, self._voice.position, self._earliest)  # a key in the past acts now
        self._earliest = at
        self._blend.key(at, emotion)
        self._keys.append(key)

    async def ended(self) -> Iterator[Any]:
        """The end of the audio."""
        return self._answers(await self._voice.finish(), last=True)

    def _answers(self, frames: LiveFrames, last: bool) -> Iterator[Any]:
        facts, batch = self._voice.facts, frames.batch
        weights = self._weights.sent(batch.blendshape_weights)
        for row in range(len(frames)):
            number = frames.first + row
            answer = self._animation(number / facts.fps, weights[row])
            if batch.emotion.shape[1]:
                self._tell_emotion(answer, number / facts.fps, theirs(facts.emotions, batch.emotion[row].tolist()))
            upto = 2 * ((number + 1) * self._rate // facts.fps)
            if last and row == len(frames) - 1:
                upto = self._echoed + len(self._audio)
            self._echo(answer, number / facts.fps, upto)
            yield answer
        if last and self._audio:  # too short for a frame, or frames that came before their audio's end
            answer = messages.AnimationDataStream()
            self._echo(answer, self._echoed / 2 / self._rate, self._echoed + len(self._audio))
            yield answer

    def _animation(self, at: float, weights: np.ndarray) -> Any:
        answer = messages.AnimationDataStream()
        answer.animation_data.skel_animation.blend_shape_weights.add(time_code=at, values=weights.tolist())
        return answer

    def _tell_emotion(self, answer: Any, at: float, heard: dict[str, float]) -> None:
        aggregate = messages.EmotionAggregate()  # their sample clients stop at a non-empty a2e_output
        aggregate.a2f_smoothed_output.add(time_code=at, emotion=heard)
        for key in self._keys:
            aggregate.input_emotions.add(time_code=key.time_code, emotion=dict(key.emotion))
        self._keys.clear()
        answer.animation_data.metadata["emotion_aggregate"].Pack(aggregate)

    def _echo(self, answer: Any, at: float, upto: int) -> None:
        count = max(0, upto - self._echoed)
        piece = bytes(self._audio[:count])
        del self._audio[:count]
        self._echoed += len(piece)
        audio = answer.animation_data.audio
        audio.time_code, audio.audio_buffer = at, piece


def _checked_rate(audio: Any) -> int:
    found = (audio.audio_format, audio.channel_count, audio.bits_per_sample)
    if found != (0, 1, 16):
        got = f"audio format {found[0]}, {found[1]} channels, {found[2]} bit"
        raise LiveError("bad_header", got, "PCM (0), 1 channel, 16 bit", "Convert the audio.")
    try:
        return check_rate(audio.samples_per_second)
    except AudioFormatError as error:
        raise LiveError("bad_header", error.got, error.expected, error.remedy) from None


def _status(code: int, text: str) -> Any:
    answer = messages.AnimationDataStream()
    answer.status.code, answer.status.message = code, text
    return answer
