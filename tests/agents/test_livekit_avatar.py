"""The LiveKit avatar with LiveKit's session, runner and sources, in an environment of its own; the room stands in."""

from __future__ import annotations

import pytest
from needs import lacking
from test_pipecat_processor import of, sound, spoken

from emoface.live.voice import REST_S

pytestmark = pytest.mark.skipif(bool(lacking("livekit")), reason=lacking("livekit") or "met")


def test_speech_and_pictures_reach_the_tracks() -> None:
    answer = spoken("livekit", "plain")
    said = bytes.fromhex(answer["said"])
    heard = sound(answer)
    assert heard[: len(said)] == said and not any(heard[len(said) :])
    assert answer["tracks"] == ["KIND_AUDIO SOURCE_MICROPHONE", "KIND_VIDEO SOURCE_CAMERA"]
    pictures = of(answer, "picture")
    assert all(row["size"] == [96, 96] for row in pictures)
    # those that were drawn differ, whatever was left out on a busy machine; the last is the face at rest again
    frames = len(said) // 2 * 30 // 24000 + round(REST_S * 30)
    drawn = frames - answer["skipped"]
    assert drawn > 1 and len({row["hash"] for row in pictures}) > drawn / 2
    assert pictures[-1]["hash"] == pictures[0]["hash"]
    (finished,) = of(answer, "finished")
    assert not finished["interrupted"] and finished["position"] == pytest.approx(len(said) / 48000, abs=1 / 30)
    assert [row["code"] for row in of(answer, "refused")] == ["too_many"] and answer["voices"] == 0


def test_an_interruption_stops_the_sound_and_the_face_rests() -> None:
    answer = spoken("livekit", "interrupted")
    (begin,) = (row["at"] for row in of(answer, "interrupt"))
    (finished,) = of(answer, "finished")
    assert finished["interrupted"] and 0 < finished["position"] < 2
    late = [row for row in of(answer, "sound") if row["at"] > begin + 0.1]
    assert not late
    pictures = [row["hash"] for row in of(answer, "picture")]
    assert len(set(pictures)) > 1 and pictures[-1] == pictures[0]  # at rest again
