"""Stage A: both encoders learn from coefficients, before any vertex is touched.

Ours, not the paper's: EmoFace starts from pretrained wav2vec2 encoders; the small default model has none, so its
content encoder learns the rig's speech parameters and the phonemes, its emotion encoder the expression parameters and
the emotion class (L_cls). Both convolutional front ends share one set of weights here (computed once, copied at the
end), which the later stage keeps frozen as the paper does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.clips.conditions import Conditions, conditions
from emoface_training.clips.crops import CropBatch, crop_batch
from emoface_training.clips.phoneme_labels import IGNORED, phoneme_frames
from emoface_training.clips.store import ClipStore, StoredClip, heard_batch, neutral_takes_among
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS, SPEECH_PARAMETERS
from emoface_training.data.synthetic.phonemes import BILABIALS, LABIODENTALS, PHONEMES
from emoface_training.errors import OptionsError
from emoface_training.loop.precision import encoder_precision
from emoface_training.loop.step_seeds import encoder_seed, seed_step, step_generator
from emoface_training.measures.speech import around, inside, is_free
from emoface_training.nn.emoface import EmoFace
from emoface_training.nn.full_context import frame_rows
from emoface_training.nn.hearing import levels
from emoface_training.nn.interpolation import interpolate
from emoface_training.nn.wav2vec2 import HOP
from emoface_training.options import StageAOptions
from emoface_training.stages import losses
from emoface_training.stages.heard_losses import heard_figures, heard_total, hearing_losses
from emoface_training.vocabulary import LEVELS, SAMPLE_RATE, UNKNOWN_EMOTION

SPEECH = len(SPEECH_PARAMETERS)
# What viewers notice: the jaw, closed lips, the tucked lip of /f v/
IMPORTANCE = {"jaw_open": 2.0, "lips_close": 2.0, "lip_tuck": 1.5}
# Parameters whose peaks matter more than their rest: the error at a full peak weighs 1 + PEAK_GAIN
PEAKED = ("lips_close", "lips_round", "lip_tuck")
PEAK_GAIN, PEAK_FROM = 3.0, 0.4
# Phoneme-level checks on rig parameters (validation only; `measures.speech` looks at vertices)
CLOSED_ABOVE, TUCKED_ABOVE = 0.6, 0.4


@dataclass(frozen=True)
class Totals:
    """Counts of a whole batch: frames, changes and phoneme labels that are scored, and clips."""

    frames: int
    changes: int
    labels: int
    clips: int

    @classmethod
    def of(cls, batch: CropBatch) -> Totals:
        labels = int(((batch.phonemes != IGNORED) & batch.mask).sum())
        return cls(int(batch.mask.sum()), int(losses.changes(batch.mask).sum()), labels, len(batch.emotion))


class CoefficientHead(nn.Module):
    """Training-only heads: content -> speech parameters and phonemes, emotion -> expression parameters.

    Works in standardised parameters; `mean` and `deviation` are the training split's.
    """

    def __init__(self, width: int, styles: int, mean: np.ndarray, deviation: np.ndarray, hidden: int = 128) -> None:
        super().__init__()
        given = styles + len(LEVELS)
        expression = len(RIG_PARAMETERS) - SPEECH
        self.speech = nn.Sequential(nn.Linear(width + given, hidden), nn.GELU(), nn.Linear(hidden, SPEECH))
        self.expression = nn.Sequential(
            nn.Linear(width + given + UNKNOWN_EMOTION + 1, hidden), nn.GELU(), nn.Linear(hidden, expression)
        )
        self.phonemes = nn.Linear(width, len(PHONEMES))
        self.register_buffer("mean", torch.from_numpy(np.asarray(mean, np.float32)))
        self.register_buffer("deviation", torch.from_numpy(np.asarray(deviation, np.float32)))

    def forward(self, content: Tensor, emotion: Tensor, given: Conditions) -> tuple[Tensor, Tensor]:
        """content, emotion [B, T, D] -> standardised parameters [B, T, P], phoneme logits [B, T, 40]."""
        frames = content.shape[1]
        shared = torch.cat([given.style, given.level], -1)[:, None].expand(-1, frames, -1)
        labelled = given.emotion_class[:, None].expand(-1, frames, -1)
        speech = self.speech(torch.cat([content, shared], -1))
        expression = self.expression(torch.cat([emotion, shared, labelled], -1))
        return torch.cat([speech, expression], -1), self.phonemes(content)


class StageA:
    """The task that `loop.run` drives: batches, loss, validation, and what is saved."""

    name = "stage_a"

    def __init__(self, model: EmoFace, train: ClipStore, validation: ClipStore, options: StageAOptions, seed: int):
        self.model, self.train, self.validation, self.options, self.seed = model, train, validation, options, seed
        if train.clips[0].vertices is not None:
            raise OptionsError(
                "stage_a with a dataset of vertices",
                "a corpus with rig parameters",
                "Leave stage_a out and start from pretrained encoders, or from those of another run (--encoders).",
            )
        decays = [encoder.config.level_decay for encoder in model.encoders.values()]
        if len(set(decays)) > 1:
            raise OptionsError(
                f"stage_a with level_decay {decays[0]} (content) and {decays[1]} (emotion)",
                "one of both encoders, whose front end is computed once",
                "Correct the configuration.",
            )
        mean, deviation = train.parameter_statistics()
        torch.manual_seed(seed)
        self.head = CoefficientHead(model.config.width, train.styles, mean, deviation).to(self.device)
        weight = torch.ones(len(RIG_PARAMETERS))
        for name, value in IMPORTANCE.items():
            weight[RIG_PARAMETERS.index(name)] = value
        self.importance = weight.to(self.device)
        peaked = [name in PEAKED for name in RIG_PARAMETERS]
        self.peaked = torch.tensor(peaked, dtype=torch.float32, device=self.device)

    def parameter_groups(self) -> list[dict]:
        """Tied front end: the emotion encoder's own is left out."""
        left_out = {id(p) for p in self.model.emotion_encoder.encoder.feature_extractor.parameters()}
        modules = (self.model.content_encoder, self.model.emotion_encoder, self.head)
        if self.emotion_alone:
            self.model.content_encoder.requires_grad_(False)
            modules = (self.model.emotion_encoder, self.head.expression)
        return [{"params": [p for m in modules for p in m.parameters() if id(p) not in left_out], "factor": 1.0}]

    def prepare(self) -> None:
        """Nothing to do before the first step."""

    @property
    def emotion_alone(self) -> bool:
        return self.options.streams == "emotion"

    @property
    def hears(self) -> bool:
        return self.model.config.emotion_heard

    def features(self, audio: Tensor, frames: int, with_content: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """audio [B, 320 T + 80] -> content, emotion [B, frames, D] at frame rate and emotion features [B, T, D].

        Without content its features are zeros.
        """
        content_encoder = self.model.content_encoder.encoder
        emotion_encoder = self.model.emotion_encoder.encoder
        with encoder_precision(self.options, audio.device):
            look_ahead = 0 if content_encoder.config.unlimited else content_encoder.config.look_ahead
            tail = audio.new_zeros(audio.shape[0], HOP * look_ahead)
            local = content_encoder.local_features(torch.cat([audio, tail], 1))
            emotion = emotion_encoder.whole_local(local)
            content = content_encoder.whole_local(local) if with_content else torch.zeros_like(emotion)
        content, emotion = content.float(), emotion.float()
        fps = self.model.config.fps
        rows = frame_rows if self.model.config.whole_clips else interpolate
        return rows(content, frames, fps), rows(emotion, frames, fps), emotion

    def load(self, step: int, rows: range | None = None) -> CropBatch:
        """The batch of a step, with the sound of its `rows` (default: all)."""
        return crop_batch(self.train, step_generator(self.seed, self.name, step), self.options, rows)

    def loss(
        self, step: int, progress: float, batch: CropBatch | None = None, rows: range | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of one step, or what `rows` of its batch add to it, and its parts for the log."""
        o = self.options
        seed_step(self.seed, self.name, step)
        batch = self.load(step, rows) if batch is None else batch
        chances, count, totals = torch.rand(len(batch.neutral)), len(batch.neutral), None
        neutral_first = torch.rand(count) < 0.5 if self.hears else None
        places: Sequence[int] = range(count)
        if rows is not None and len(rows) < count:
            count, totals = len(rows), Totals.of(batch)
            places = batch.with_neutral(rows)
            batch, chances = batch.part(places), chances[places]
            neutral_first = None if neutral_first is None else neutral_first[places]
        batch = batch.to(self.device)
        for number, encoder in enumerate(self.model.encoders.values()):
            encoder.noise.begin(encoder_seed(self.seed, self.name, step) + number, places)
        audio, frames = self.model.pad_audio(batch.audio)
        content, emotion, features = self.features(audio, frames, not self.emotion_alone)
        if neutral_first is not None:
            heard_parts = hearing_losses(
                self.model.emotion_encoder,
                torch.cat([features, levels(audio)[..., None]], -1),
                batch,
                self.model.config.fps,
                (chances[:count] < o.calibrated).to(self.device),
                neutral_first[:count].to(self.device),
                count if totals is None else totals.clips,
            )
        emotion = relative_to_neutral(emotion, batch.mask, batch.neutral, o.calibrated, chances.to(self.device))
        if totals is not None:  # the other parts' neutral rows are not scored here
            batch, content, emotion = batch.first(count), content[:count], emotion[:count]
        predicted, phoneme_logits = self.head(content, emotion, batch.conditions)
        parts = self.coefficient_losses(predicted, batch.parameters, batch.mask, totals)
        labels = batch.phonemes.masked_fill(~batch.mask, IGNORED)
        named = F.cross_entropy(phoneme_logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
        labelled = (labels != IGNORED).sum().clamp(min=1) if totals is None else max(1, totals.labels)
        parts["phonemes"] = named / labelled
        if self.hears:
            heard, of_emotion = heard_total(heard_parts), heard_parts
        else:
            heard = F.cross_entropy(self.model.emotion_encoder.logits(emotion, batch.mask), batch.emotion)
            heard = heard if totals is None else heard * (count / totals.clips)
            of_emotion = {"emotion": heard}
        parts |= of_emotion
        if self.emotion_alone:
            parts = {name: parts[name] for name in ("expression", *of_emotion)}
            return parts["expression"] + o.emotion_weight * heard, parts
        total = (
            parts["speech"]
            + parts["expression"]
            + o.velocity_weight * parts["velocity"]
            + o.phoneme_weight * parts["phonemes"]
            + o.emotion_weight * heard
        )
        return total, parts

    @property
    def device(self) -> torch.device:
        return self.model.spiral.device

    def coefficient_losses(
        self, predicted: Tensor, parameters: Tensor, mask: Tensor, totals: Totals | None = None
    ) -> dict[str, Tensor]:
        """Means over kept frames and parameters. predicted standardised, parameters raw, both [B, T, P].

        totals: of the whole batch that these rows are a part of.
        """
        difference = predicted - (parameters - self.head.mean) / self.head.deviation
        peak = 1.0 + PEAK_GAIN * self.peaked * ((parameters - PEAK_FROM) / (1.0 - PEAK_FROM)).clamp(0.0, 1.0)
        weighted = (0.2 * difference.abs() + 0.8 * difference.square()) * self.importance * peak
        change = (difference[:, 1:] - difference[:, :-1]).square() * self.importance
        frames, changes = (None, None) if totals is None else (totals.frames, totals.changes)
        return {
            "speech": _kept_mean(weighted[..., :SPEECH], mask, frames),
            "expression": _kept_mean(weighted[..., SPEECH:], mask, frames),
            "velocity": _kept_mean(change, losses.changes(mask), changes),
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Coefficient figures on the validation split, emotion not given, style given."""
        return coefficient_figures(self, self.validation.spread(self.options.validation_clips))

    def set_train(self, training: bool) -> None:
        self.model.train(training)
        self.head.train(training)

    face = None

    def data_size(self) -> dict[str, int]:
        """What a checkpoint remembers of its training data."""
        return self.train.size

    def finish(self) -> None:
        """Copy the shared front end to the emotion encoder; also before every checkpoint."""
        source = self.model.content_encoder.encoder.feature_extractor.state_dict()
        self.model.emotion_encoder.encoder.feature_extractor.load_state_dict(source)

    @property
    def extra(self) -> nn.Module:
        return self.head


def relative_to_neutral(
    emotion: Tensor, mask: Tensor, neutral: Tensor, probability: float, chances: Tensor | None = None
) -> Tensor:
    """Subtract from emotion features [B, T, D] the mean of the row `neutral` [B] (-1: none), with a chance per row.

    That mean is what `speaker_mean` is at run time; it counts the frames of mask [B, T]. chances: uniform numbers [B]
    that were drawn before.
    """
    weight = mask.to(emotion.dtype)[..., None]
    means = (emotion * weight).sum(1) / weight.sum(1).clamp(min=1)
    chances = torch.rand(len(neutral)) if chances is None else chances
    chosen = (neutral >= 0) & (chances < probability)
    return emotion - (means[neutral.clamp(min=0)] * chosen[:, None])[:, None]


def _kept_mean(values: Tensor, mask: Tensor, total: int | None = None) -> Tensor:
    return (values.mean(-1) * mask).sum() / (mask.sum().clamp(min=1) if total is None else max(1, total))


def predicted_parameters(task: StageA, clips: list[StoredClip], given: Conditions) -> Iterator[tuple]:
    """Per clip: its position, parameters [T, P], phoneme logits [T, 40], mean emotion feature [D], in batches."""
    order = sorted(range(len(clips)), key=lambda i: clips[i].frames)
    for first in range(0, len(order), 8):
        rows = order[first : first + 8]
        audio = heard_batch([clips[i] for i in rows])
        mask = torch.zeros(len(rows), audio.shape[1] * task.model.config.fps // SAMPLE_RATE, dtype=torch.bool)
        for row, i in enumerate(rows):
            mask[row, : clips[i].frames] = True
        padded, frames = task.model.pad_audio(audio.to(task.device))
        content, emotion, _ = task.features(padded, frames)
        some = given.each(lambda field, rows=rows: field[rows].to(task.device))
        parameters, phonemes = task.head(content, emotion, some)
        parameters = (parameters * task.head.deviation + task.head.mean).cpu()
        phonemes, emotion = phonemes.cpu(), emotion.cpu()
        for row, i in enumerate(rows):
            kept = slice(clips[i].frames)
            yield i, parameters[row, kept], phonemes[row, kept], emotion[row][mask[row]].mean(0)


def coefficient_figures(task: StageA, clips: list[StoredClip]) -> dict[str, float]:
    """Jaw correlation, R2 against predict-the-mean, closures and tucks on rig parameters, classification rates."""
    given = conditions(task.validation, clips)
    unknown = torch.zeros(len(clips), UNKNOWN_EMOTION + 1)
    unknown[:, UNKNOWN_EMOTION] = 1.0
    given = Conditions(given.style, given.level, unknown)
    fps = task.model.config.fps
    errors, targets, outputs = [], [], []
    counts = dict.fromkeys(("closed", "bilabials", "free_closed", "free", "tucked", "labiodentals"), 0)
    phoneme_hits = phoneme_total = 0
    features = torch.zeros(len(clips), task.model.config.width)
    close, tuck = RIG_PARAMETERS.index("lips_close"), RIG_PARAMETERS.index("lip_tuck")
    for index, parameters, phoneme_logits, feature in predicted_parameters(task, clips, given):
        clip, features[index] = clips[index], feature
        target = clip.parameters.astype(np.float32)
        output = parameters.numpy()
        errors.append((output - target) ** 2)
        targets.append(target)
        outputs.append(output)
        labels = phoneme_frames(clip, np.arange(clip.frames) / fps)
        phoneme_hits += int((phoneme_logits.argmax(-1).numpy() == labels)[labels != IGNORED].sum())
        phoneme_total += int((labels != IGNORED).sum())
        for phoneme in clip.phonemes:
            name, span = phoneme[0], output[around(phoneme, fps)]
            if name in BILABIALS and len(span):
                counts["bilabials"] += 1
                counts["closed"] += bool(span[:, close].max() > CLOSED_ABOVE)
            elif name in LABIODENTALS and len(span):
                counts["labiodentals"] += 1
                counts["tucked"] += bool(span[:, tuck].max() > TUCKED_ABOVE)
            elif is_free(phoneme, clip.phonemes) and len(span := output[inside(phoneme, fps)]):
                counts["free"] += 1
                counts["free_closed"] += bool(span[:, close].max() > CLOSED_ABOVE)

    def classifier(rows: Tensor) -> Tensor:
        return task.model.emotion_encoder.classifier(rows.to(task.device)).cpu()

    heard = heard_figures(task.model, clips) if task.hears else emotion_figures(classifier, clips, features)
    error, target, output = np.concatenate(errors), np.concatenate(targets), np.concatenate(outputs)
    spread = (target - task.head.mean.cpu().numpy()) ** 2
    return {
        "jaw_correlation": float(np.corrcoef(output[:, 0], target[:, 0])[0, 1]),
        "speech_r2": float(1 - error[:, :SPEECH].mean() / spread[:, :SPEECH].mean()),
        "expression_r2": float(1 - error[:, SPEECH:].mean() / spread[:, SPEECH:].mean()),
        "closures": counts["closed"] / max(1, counts["bilabials"]),
        "free_closed": counts["free_closed"] / max(1, counts["free"]),
        "tucks": counts["tucked"] / max(1, counts["labiodentals"]),
        "phoneme_accuracy": phoneme_hits / max(1, phoneme_total),
        **heard,
    }


def emotion_figures(
    classifier: Callable[[Tensor], Tensor], clips: list[StoredClip], features: Tensor
) -> dict[str, float]:
    """Share of clips whose emotion the classifier names, from mean features [N, D], without and with calibration.

    Calibrated: less the mean over the other neutral clips of the same speaker, where there are any. Clips without
    speech tell nothing and are left out.
    """
    heard = [i for i, clip in enumerate(clips) if clip.spoken]
    clips, features = [clips[i] for i in heard], features[heard]
    relative, known = features.clone(), []
    for index, takes in enumerate(neutral_takes_among(clips)):
        if takes:
            known.append(index)
            relative[index] -= features[takes].mean(0)
    labels = torch.tensor([clip.emotion for clip in clips])
    hits = classifier(features).argmax(-1) == labels
    figures = {"emotion_accuracy": float(hits.float().mean())}
    if known:
        right = classifier(relative).argmax(-1) == labels
        figures["emotion_accuracy_calibrated"] = float(right[known].float().mean())
    return figures
