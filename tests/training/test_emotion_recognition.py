"""Which emotion is heard, with and without calibration: takes, voices, counts; package and checkpoint hear alike."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
import torch
from synthetic_corpus import TinyRig, ToneCorpus
from tiny_run import tiny_options

from emoface_training.clips.store import ClipStore, StoredClip
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.errors import OptionsError
from emoface_training.evaluation import emotion_recognition, measured_models, on_dataset
from emoface_training.evaluation.emotion_recognition import calibration, learn_voices, listener, recognition
from emoface_training.evaluation.measured_models import CheckpointModel
from emoface_training.evaluation.on_dataset import Request
from emoface_training.evaluation.tables import table
from emoface_training.runs import training_run
from emoface_training.vocabulary import EMOTIONS, SAMPLE_RATE

RIG = TinyRig()


def clip(emotion: int, level: int = 0, speaker: str = "", actor: str = "a", seconds: float = 1.0) -> StoredClip:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = (3000 * (1 + emotion) * np.sin(2 * np.pi * (150 + 40 * emotion) * time)).clip(-32768, 32767)
    parameters = np.zeros((int(30 * seconds), len(RIG_PARAMETERS)), np.float16)
    return StoredClip(sound.astype(np.int16), parameters, [], emotion, level, actor, -1, -1, speaker=speaker)


class LoudnessListener:
    """Hears a class in the loudness less that of the voice's neutral speech."""

    width = 1

    def voice(self, sound: np.ndarray) -> np.ndarray | None:
        return np.array([np.abs(sound).max()], np.float32) if len(sound) >= 2 * SAMPLE_RATE else None

    def names(self, clips: Sequence[StoredClip], voices: Sequence[np.ndarray] | None = None) -> Iterator[int]:
        for index, each in enumerate(clips):
            heard = np.abs(each.waveform()).max() - (0.0 if voices is None else float(voices[index][0]))
            yield round(heard * 32768 / 3000) % 8


def test_takes_are_neutral_normal_level_first_and_left_out_of_the_test() -> None:
    clips = [clip(0, 1, "x"), clip(0, 0, "x"), clip(0, 0, "x"), clip(2, 0, "x"), clip(0, 0, "y", seconds=3.0), clip(1)]
    sounds, left = calibration(clips, 2.0)
    assert sorted(sounds) == ["x", "y"]
    expected = np.concatenate([clips[1].waveform(), clips[2].waveform()])[: 2 * SAMPLE_RATE]
    np.testing.assert_array_equal(sounds["x"], expected)
    np.testing.assert_array_equal(sounds["y"], clips[4].waveform()[: 2 * SAMPLE_RATE])
    assert [id(each) for each in left] == [id(clips[i]) for i in (0, 3, 5)]
    nothing, every = calibration(clips, 0.0)
    assert (nothing, len(every)) == ({}, 6)


@pytest.mark.parametrize("seconds", [-1.0, 1.9, 121.0, float("nan"), float("inf")])
def test_seconds_that_nothing_can_be_calibrated_on_are_refused(seconds: float) -> None:
    with pytest.raises(OptionsError, match=rf"got {seconds:g} s of speech .* 0 \(none\) or 2 to 120"):
        calibration([clip(0)], seconds)


def test_silence_is_neither_neutral_speech_nor_a_question() -> None:
    """A corpus labels its clips of room noise neutral; whoever names them so has heard nothing."""
    silence, said = clip(0, speaker="x", seconds=3.0), clip(0, 1, speaker="x", seconds=2.0)
    silence.phonemes.append(("SIL", 0.0, 3.0))
    said.phonemes.extend([("SIL", 0.0, 0.5), ("AA", 0.5, 2.0)])
    sounds, left = calibration([silence, said, clip(2, speaker="x")], 2.0)
    np.testing.assert_array_equal(sounds["x"], said.waveform())
    assert [each.emotion for each in left] == [0, 2] and left[0] is silence
    figures = recognition(LoudnessListener(), left, [np.ones(1, np.float32)] * 2)
    assert (figures["clips"], figures["calibrated_clips"]) == (1, 1)
    assert np.sum(figures["confusion"]) == 1


def test_without_a_speaker_the_actor_names_the_voice() -> None:
    sounds, left = calibration([clip(0, actor="ada"), clip(3, actor="ada"), clip(0, actor="ben", speaker="ada")], 9.0)
    assert list(sounds) == ["ada"] and len(sounds["ada"]) == 2 * SAMPLE_RATE and len(left) == 1


def test_accuracy_is_counted_before_and_after_calibration() -> None:
    # classes 1..3 are heard one too high, since neutral itself is as loud as a class
    test = [clip(1, speaker="x"), clip(2, speaker="x"), clip(3, speaker="x"), clip(2, speaker="nobody")]
    sounds, left = calibration([*test, clip(0, speaker="x", seconds=2.0)], 2.0)
    heard = LoudnessListener()
    voices = learn_voices(heard, left, sounds)
    assert [float(voice[0]) > 0 for voice in voices] == [True, True, True, False]
    unknown = clip(len(EMOTIONS), speaker="x")  # no class to be right about
    figures = recognition(heard, [*left, unknown], [*voices, voices[0]])
    assert (figures["clips"], figures["calibrated_clips"]) == (4, 3)
    assert figures["emotion_accuracy"] == figures["emotion_accuracy_before"] == 0.0
    assert figures["emotion_accuracy_calibrated"] == 1.0
    confusion = np.array(figures["confusion"])
    assert confusion.sum() == 4 and (confusion[1, 1], confusion[2, 2], confusion[3, 3], confusion[2, 3]) == (1, 1, 1, 1)
    assert recognition(heard, left, None).keys() == {"clips", "emotion_accuracy", "confusion"}
    short = learn_voices(heard, left, {"x": np.ones(100, np.float32)})  # too little speech: not calibrated
    assert not np.any(short)


def test_a_checkpoint_names_what_its_classifier_makes_of_the_mean_feature() -> None:
    torch.set_num_threads(1)
    corpus = ToneCorpus(3)
    store = ClipStore.load(corpus.clips("train"), 30, 2)
    network = training_run.new_model(tiny_options(), ("a", "b"), RIG, store).eval()
    heard = listener(measured_models.CheckpointModel(network))
    whole = torch.from_numpy(np.stack([each.waveform() for each in store.clips]))
    with torch.no_grad():
        padded, _ = network.pad_audio(whole)
        features = network.emotion_encoder.encoder.whole(padded)[:, : whole.shape[1] // 320]
        expected = network.emotion_encoder.logits(features).argmax(-1).tolist()
    assert list(heard.names(store.clips)) == expected
    sound = np.concatenate([each.waveform() for each in store.clips])
    mean = heard.voice(sound)
    assert mean.shape == (heard.width,) and mean.dtype == np.float32
    # all of it is audible but the quiet ends of the tones: near the mean of all features
    with torch.no_grad():
        everything = network.emotion_encoder.encoder.whole(network.pad_audio(torch.from_numpy(sound)[None])[0])[0]
    assert np.abs(mean - everything.mean(0).numpy()).max() < 0.5 * float(everything.std())
    assert heard.voice(np.zeros(4 * SAMPLE_RATE, np.float32)) is None


def test_package_and_checkpoint_hear_the_same_and_learn_the_same_voice(tiny_checkpoint, tiny_package) -> None:
    torch.set_num_threads(1)
    clips = [clip(emotion, seconds=1.2) for emotion in range(8)]
    package = listener(measured_models.open_model(f"{tiny_package}@fp32"))
    checkpoint = listener(measured_models.open_model(str(tiny_checkpoint)))
    assert package.width == checkpoint.width
    sound = np.concatenate([each.waveform() for each in clips])
    means = [each.voice(sound) for each in (package, checkpoint)]
    np.testing.assert_allclose(*means, rtol=0, atol=1e-4)
    assert package.voice(sound[: SAMPLE_RATE // 2]) is None
    # a package's last frame lies between the last two features: random weights may call a tie either way
    classify = checkpoint.network.emotion_encoder.classifier
    for mean in (np.zeros_like(means[0]), means[0]):
        with torch.no_grad():
            logits = [
                classify(checkpoint._features(each.waveform()).mean(0) - torch.from_numpy(mean)) for each in clips
            ]
        best = [values.topk(2).values for values in logits]
        clear = [each for each, (first, second) in zip(clips, best, strict=True) if first - second > 0.02]
        assert len(clear) >= 3
        voices = [mean] * len(clear)
        assert list(package.names(clear, voices)) == list(checkpoint.names(clear, voices))


def test_evaluation_calibrates_every_model_that_listens() -> None:
    torch.set_num_threads(1)
    corpus = ToneCorpus(9)
    store = ClipStore.load(corpus.clips("train"), 30, 2)
    network = training_run.new_model(tiny_options(), ("a", "b"), RIG, store).eval()
    plain = on_dataset.evaluate([CheckpointModel(network)], corpus, RIG)
    report = on_dataset.evaluate([CheckpointModel(network)], corpus, RIG, Request(calibrate=4.0))
    assert (plain["clips"], report["clips"]) == (9, 6)  # three neutral takes of 1.5 s make the 4 s
    heard = report["emotion_recognition"]["model"]
    assert (heard["clips"], heard["calibrated_clips"]) == (6, 6)
    assert "emotion_accuracy_calibrated" not in plain["emotion_recognition"]["model"]
    # the voice's mean changes what the decoder sees, not the truth
    assert report["rows"]["model"]["expression_r2"] != plain["rows"]["model"]["expression_r2"]
    assert report["rows"]["mean"]["shown_emotion"] <= 1.0
    assert report["rows"]["ground_truth"]["expression_r2"] == 1.0
    text = table(report)
    assert "model hears the emotion of" in text and "calibrated" in text
    with pytest.raises(OptionsError, match="beside those to calibrate on"):
        on_dataset.evaluate([CheckpointModel(network)], Neutral(), RIG, Request(calibrate=60.0))


class Neutral(ToneCorpus):
    """Nothing but neutral speech."""

    def clips(self, split: str):  # type: ignore[no-untyped-def]
        return [reference for reference in super().clips(split) if reference.clip.emotion == 0]


def test_a_family_that_hears_nothing_is_left_out() -> None:
    class Silent:
        network = torch.nn.Linear(1, 1)

    assert emotion_recognition.listener(Silent()) is None
