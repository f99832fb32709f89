"""Stage B: the whole model under the paper's losses and a training scheme (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from emoface_training import losses
from emoface_training.batches import (
    UNKNOWN_EMOTION,
    ClipStore,
    Conditions,
    conditions,
    seed_step,
    step_generator,
)
from emoface_training.data.sample import DatasetFace
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.inference import Rollout, animate
from emoface_training.losses import LossWeights
from emoface_training.metrics import VertexMetrics
from emoface_training.motion_targets import Face, clip_offsets, motion_targets
from emoface_training.nn.decoder import MotionOutputs
from emoface_training.nn.emoface import EmoFace
from emoface_training.options import OptionsError, StageBOptions
from emoface_training.schedules import ground_truth_probability, mix

ENCODE_BATCH = 8


@dataclass(frozen=True)
class Features:
    """Encoder outputs of one whole clip at frame rate: content, emotion [T, D]."""

    content: Tensor
    emotion: Tensor


@dataclass(frozen=True)
class Rows:
    """One decoder batch: self rows first, then the cross rows (swapped content) with the same targets.

    motion: the targets' codes (`MotionTargets.window`), [B, T, width].
    """

    content: Tensor
    emotion: Tensor
    mask: Tensor
    frame_weights: Tensor
    motion: Tensor
    given: Conditions
    own: int


class StageB:
    """The task that `loop.run` drives: batches, equation 9, validation, and what is saved."""

    name = "stage_b"
    extra = None

    def __init__(
        self,
        model: EmoFace,
        train: ClipStore,
        validation: ClipStore,
        rig: Face,
        options: StageBOptions,
        seed: int,
    ) -> None:
        self.model, self.train, self.validation, self.rig = model, train, validation, rig
        self.options, self.seed = options, seed
        self._check_data(train)
        self.targets = motion_targets(rig, train, model.decoder.basis)
        self.weights = LossWeights(
            options.loss_self, options.loss_cross, options.loss_velocity, options.loss_classification
        )
        vertices = model.config.vertices
        self.vertex_weights = losses.region_weights(vertices, rig.masks, options.loss_regions)
        self.cache: list[Features] | None = None
        self.frozen = False
        for name in options.frame_gains:
            if name not in RIG_PARAMETERS:
                raise OptionsError(f"got frame_gains.{name}, expected one of {', '.join(RIG_PARAMETERS)}")
        for encoder in self._encoders:
            encoder.feature_extractor.requires_grad_(False)  # the paper keeps wav2vec2's CNN fixed
        if options.freeze_encoders_for > 0:
            self._freeze()

    def _check_data(self, train: ClipStore) -> None:
        """Raises OptionsError for options that this data cannot serve."""
        recorded = isinstance(self.rig, DatasetFace)
        if recorded and self.options.frame_gains:
            raise OptionsError("got frame_gains, expected none: this dataset has vertices and no rig parameters")
        unlabelled = sum(clip.emotion == UNKNOWN_EMOTION for clip in train.clips)
        if self.options.classification and unlabelled:
            raise OptionsError(
                f"got classification: true with {unlabelled} clips of unknown emotion, expected labels for every clip: "
                "set stage_b.classification to false (L_cls is off on such data)"
            )

    @property
    def face(self) -> DatasetFace | None:
        """What a checkpoint keeps as `face.npz`; the synthetic head needs no copy."""
        return self.rig if isinstance(self.rig, DatasetFace) else None

    @property
    def _encoders(self) -> tuple:
        return self.model.content_encoder.encoder, self.model.emotion_encoder.encoder

    def _freeze(self) -> None:
        self.frozen = True
        self.model.content_encoder.requires_grad_(False)
        self.model.emotion_encoder.encoder.requires_grad_(False)

    def _unfreeze(self) -> None:
        self.cache, self.frozen = None, False
        for encoder in self._encoders:
            encoder.requires_grad_(True)
            encoder.feature_extractor.requires_grad_(False)

    def parameter_groups(self) -> list[dict]:
        """Encoders at their own rate; their frozen front ends in neither group."""
        fixed = {id(p) for e in self._encoders for p in e.feature_extractor.parameters()}
        encoders = [p for e in self._encoders for p in e.parameters() if id(p) not in fixed]
        fusion = list(self.model.mesh_attention.parameters())
        known = fixed | {id(p) for p in [*encoders, *fusion]}
        others = [p for p in self.model.parameters() if id(p) not in known]
        return [
            {"params": others, "factor": 1.0},
            {"params": encoders, "factor": self.options.encoder_rate_factor},
            {"params": fusion, "factor": self.options.fusion_rate_factor},
        ]

    def prepare(self) -> None:
        """Encode the split once, if the encoders are frozen at first."""
        if self.frozen:
            self.fill_cache()

    # -- features ---------------------------------------------------------------------------------------------

    def _encode(self, clips: list[int]) -> list[Features]:
        """Whole clips through both encoders; zero padding behind a clip is the silence a flush would feed."""
        stored = [self.train.clips[i] for i in clips]
        audio = torch.zeros(len(stored), max(len(clip.audio) for clip in stored))
        for row, clip in enumerate(stored):
            audio[row, : len(clip.audio)] = torch.from_numpy(clip.waveform())
        with torch.autocast("cpu", torch.bfloat16, enabled=self.options.bfloat16):
            content, emotion, _ = self.model.encode(audio)
        content, emotion = content.float(), emotion.float()
        return [Features(content[r, : c.frames], emotion[r, : c.frames]) for r, c in enumerate(stored)]

    @torch.no_grad()
    def fill_cache(self) -> None:
        """Encode the whole split once (half precision in memory), while the encoders are frozen."""
        training = self.model.training
        self.model.eval()
        ends = np.cumsum([clip.frames for clip in self.train.clips])
        # One block for all clips: many small ones between large temporaries would fragment the heap by gigabytes
        memory = torch.empty(2, int(ends[-1]), self.model.config.width, dtype=torch.float16)
        self.cache = [
            Features(memory[0, end - clip.frames : end], memory[1, end - clip.frames : end])
            for clip, end in zip(self.train.clips, ends.tolist(), strict=True)
        ]
        order = sorted(range(len(self.cache)), key=lambda i: -self.train.clips[i].frames)
        for first in range(0, len(order), ENCODE_BATCH):
            rows = order[first : first + ENCODE_BATCH]
            for i, features in zip(rows, self._encode(rows), strict=True):
                self.cache[i].content.copy_(features.content)
                self.cache[i].emotion.copy_(features.emotion)
        self.model.train(training)

    def features(self, clips: list[int], progress: float) -> dict[int, Features]:
        """Features of whole clips by index, from the cache while the encoders are frozen."""
        wanted = sorted(set(clips), key=lambda i: self.train.clips[i].frames)
        if progress < self.options.freeze_encoders_for:
            if self.cache is None:
                self.prepare()
            return {i: Features(self.cache[i].content.float(), self.cache[i].emotion.float()) for i in wanted}
        if self.frozen:
            self._unfreeze()
        return dict(zip(wanted, self._encode(wanted), strict=True))

    # -- one step ---------------------------------------------------------------------------------------------

    def rows(self, generator: np.random.Generator, progress: float) -> Rows:
        """Draw clips, their pseudo partners, a window of each, and the conditions."""
        o = self.options
        clips = [int(i) for i in self.train.draw(generator, o.batch_size)]
        partners = [
            int(generator.choice(self.train.partners[i])) if o.pairs and self.train.partners[i] else -1 for i in clips
        ]
        takes = self._neutral_takes(clips, generator.spawn(1)[0])
        features = self.features([*clips, *(p for p in partners if p >= 0), *takes.values()], progress)
        means = {clip: features[take].emotion.mean(0) for clip, take in takes.items()}
        for clip, mean in means.items():
            features[clip] = Features(features[clip].content, features[clip].emotion - mean)
        frames = [min(o.max_frames, self.train.clips[i].frames) for i in clips]
        rooms = [self.train.clips[i].frames - n + 1 for i, n in zip(clips, frames, strict=True)]
        starts = [int(generator.integers(0, room)) for room in rooms]
        cross = [row for row, partner in enumerate(partners) if partner >= 0]
        total, longest = len(clips) + len(cross), max(frames)
        width = self.model.config.width
        content, emotion = torch.zeros(total, longest, width), torch.zeros(total, longest, width)
        motion = torch.zeros(total, longest, self.targets.width)
        mask = torch.zeros(total, longest, dtype=torch.bool)
        frame_weights = torch.zeros(total, longest)
        chosen = [self.train.clips[i] for i in clips]
        given = conditions(self.train, chosen, generator, o.emotion_dropped, o.style_dropped)
        content, emotion = list(content), list(emotion)
        for row in range(total):
            item = row if row < len(clips) else cross[row - len(clips)]
            clip, start, n = clips[item], starts[item], frames[item]
            window = slice(start, start + n)
            source = features[clip].content[window]
            if row >= len(clips):
                source = self._swapped(clip, partners[item], features[partners[item]].content)[window]
            pad = (0, 0, 0, longest - n)
            content[row] = torch.nn.functional.pad(source, pad)
            emotion[row] = torch.nn.functional.pad(features[clip].emotion[window], pad)
            motion[row, :n] = self.targets.window(clip, start, start + n)
            mask[row, :n] = True
            frame_weights[row, :n] = self._frame_weights(clip, window)
        index = torch.tensor(list(range(len(clips))) + cross)
        given = Conditions(given.style[index], given.level[index], given.emotion_class[index])
        self._labels = torch.tensor([clip.emotion for clip in chosen])
        self._pooled = torch.stack([features[i].emotion.mean(0) for i in clips])
        return Rows(torch.stack(content), torch.stack(emotion), mask, frame_weights, motion, given, len(clips))

    def _neutral_takes(self, clips: list[int], generator: np.random.Generator) -> dict[int, int]:
        """For some of the clips another one with neutral speech of the same voice."""
        chosen = [i for i in sorted(set(clips)) if generator.random() < self.options.calibrated]
        takes = self.train.neutral_takes
        return {i: int(generator.choice(takes[i])) for i in chosen if takes[i]}

    def _frame_weights(self, clip: int, window: slice) -> Tensor:
        """1 + sum of gain x parameter for the frames of a window, [n]."""
        parameters = torch.from_numpy(self.train.clips[clip].parameters[window].astype(np.float32))
        gains = torch.zeros(parameters.shape[1])
        for name, gain in self.options.frame_gains.items():
            gains[RIG_PARAMETERS.index(name)] = gain
        return 1.0 + parameters.clamp(0.0, 1.0) @ gains

    def _swapped(self, clip: int, partner: int, content: Tensor) -> Tensor:
        """The partner's content resampled to the clip's length (by phoneme boundaries where both takes match)."""
        own, other = self.train.clips[clip], self.train.clips[partner]
        time = np.linspace(0.0, other.frames - 1.0, own.frames)
        if self.options.pair_alignment == "phonemes":
            same = [p[0] for p in own.phonemes] == [p[0] for p in other.phonemes]
            if same and own.phonemes:
                here = [s for _, s, _ in own.phonemes] + [own.phonemes[-1][2]]
                there = [s for _, s, _ in other.phonemes] + [other.phonemes[-1][2]]
                fps = self.train.fps
                time = np.interp(np.arange(own.frames) / fps, here, there) * fps
        time = np.clip(time, 0.0, other.frames - 1.0)
        before = torch.from_numpy(np.minimum(time.astype(np.int64), max(0, other.frames - 2)))
        share = (torch.from_numpy(time) - before).float()[:, None]
        after = (before + 1).clamp(max=other.frames - 1)
        return content[before] * (1 - share) + content[after] * share

    def _vertices(self, generator: torch.Generator) -> Tensor | None:
        """A weighted sample of vertices for this step's losses, None for all."""
        count = self.options.loss_vertices
        if not count or count >= len(self.vertex_weights) or self.targets.to_basis is None:
            return None
        return torch.multinomial(self.vertex_weights, count, generator=generator)

    def _fusion_weight(self, rows: Rows, vertices: Tensor | None, progress: float) -> Tensor:
        """Mesh Attention's w_e [B, T, V or S]; one half everywhere before `fusion_from`."""
        if progress < self.options.fusion_from and not self.model.mesh_attention.adds:
            count = self.model.config.vertices if vertices is None else len(vertices)
            return rows.content.new_full((*rows.content.shape[:2], count), 0.5)
        return self.model.mesh_attention.whole(rows.content, rows.emotion, vertices)

    def decode(self, rows: Rows, weight: Tensor, fed: Tensor, vertices: Tensor | None) -> MotionOutputs:
        g = rows.given
        return self.model.decode_given(
            rows.content, rows.emotion, weight, fed, g.style, g.level, g.emotion_class, vertices
        )

    def loss(self, step: int, progress: float) -> tuple[Tensor, dict[str, float]]:
        """Equation 9 for one step, and its parts for the log."""
        generator = seed_step(self.seed, self.name, step)
        rows = self.rows(step_generator(self.seed, self.name, step), progress)
        vertices = self._vertices(generator)
        target = self.targets.offsets(rows.motion, vertices)
        truth = target.flatten(2) if self.targets.to_basis is None else rows.motion @ self.targets.to_basis
        scheme = self.options.scheme
        late = scheme == "self-growing" and progress >= self.options.rollout_from
        rollout = late or scheme == "autoregressive"
        probability = 0.0 if rollout else ground_truth_probability(progress, scheme)
        # The weights depend on audio alone: one evaluation serves both passes
        weight = self._fusion_weight(rows, vertices, progress)
        fed = truth
        if probability < 1.0:
            fed = mix(truth, self._predicted_codes(rows, weight, truth, vertices, rollout), probability, generator)
        outputs = self.decode(rows, weight, fed, vertices)
        weights = self.vertex_weights if vertices is None and self.options.loss_regions else None
        terms, parts = self._terms(outputs, target, rows, weights)
        total = losses.total(terms, self.weights)
        parts |= {name: float(value.detach()) for name, value in terms.items()}
        return total, parts | {"ground_truth": probability}

    @torch.no_grad()
    def _predicted_codes(
        self, rows: Rows, weight: Tensor, truth: Tensor, vertices: Tensor | None, rollout: bool
    ) -> Tensor:
        """P of equation 4: pass 1 on ground truth, or the model's own rollout."""
        if not rollout:
            return self.model.decoder.motion_code(self.decode(rows, weight, truth, vertices).fused, vertices)
        g = rows.given
        inputs = {"content": rows.content, "emotion": rows.emotion, "emotion_weight": weight}
        inputs |= {"style": g.style, "level": g.level, "emotion_class": g.emotion_class}
        return self.model.decoder.rollout_codes(inputs, vertices)

    def _terms(
        self, outputs: MotionOutputs, target: Tensor, rows: Rows, weights: Tensor | None
    ) -> tuple[dict[str, Tensor], dict[str, float]]:
        own, parts, terms = rows.own, {}, {}
        groups = {"self": slice(0, own)}
        if target.shape[0] > own:
            groups["cross"] = slice(own, None)
        speed = target.new_zeros(())
        for name, rows_of in groups.items():
            mask = rows.mask[rows_of]
            counted = rows.frame_weights[rows_of]
            branches = losses.reconstruction(*(o[rows_of] for o in outputs), target[rows_of], counted, weights)
            terms[name] = sum(branches.values())
            parts |= {f"{name}_{branch}_mm": 1000.0 * float(value.detach()) for branch, value in branches.items()}
            speed = speed + losses.velocity(outputs.fused[rows_of], target[rows_of], mask, weights)
        terms["velocity"] = speed
        if self.options.classification:
            terms["classification"] = losses.classification(
                self.model.emotion_encoder.classifier(self._pooled), self._labels
            )
        return terms, parts

    # -- the rest of the task -----------------------------------------------------------------------------------

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """LVE, EVE and FDD of autoregressive inference on validation clips, emotion not given."""
        metrics = VertexMetrics.of(self.rig)
        clips = self.validation.spread(self.options.validation_clips)
        for index, offsets in animate(self.model, self.validation, clips, Rollout(emotion="auto")):
            metrics.add(offsets, clip_offsets(self.rig, clips[index]))
        return {key: value for key, value in metrics.figures().items() if not isinstance(value, str)}

    def set_train(self, training: bool) -> None:
        self.model.train(training)

    def finish(self) -> None:
        """Nothing to do: all that was trained lies in the model."""
