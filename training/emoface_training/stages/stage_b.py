"""Stage B: the whole model under the paper's losses and a training scheme (section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor

from emoface_training.clips.length_buckets import LengthBuckets
from emoface_training.clips.store import ClipStore
from emoface_training.data.sample import DatasetFace
from emoface_training.data.synthetic.parameters import RIG_PARAMETERS
from emoface_training.errors import OptionsError
from emoface_training.loop.split import BatchRows, share_dropout
from emoface_training.loop.step_seeds import encoder_seed, seed_step, step_generator
from emoface_training.measures.mouth import MouthGauge, lacking, tucked_below
from emoface_training.measures.speech import SpeechMeasures
from emoface_training.measures.vertices import VertexMetrics
from emoface_training.models.families import family_of
from emoface_training.models.rollout import Rollout, animate
from emoface_training.motion.targets import Face, clip_offsets, motion_targets
from emoface_training.nn.motion_decoder import MotionOutputs
from emoface_training.nn.talking_model import TalkingModel
from emoface_training.options import StageBOptions
from emoface_training.stages import losses
from emoface_training.stages.closure import closure, lip_gap, lip_pairs
from emoface_training.stages.decoder_rows import DecoderRows
from emoface_training.stages.features import ClipFeatures
from emoface_training.stages.losses import LossWeights
from emoface_training.stages.objectives import objective_of
from emoface_training.stages.schemes import ground_truth_probability, mix
from emoface_training.stages.stage_b_batch import Draw, StageBBatch
from emoface_training.vocabulary import UNKNOWN_EMOTION


class StageB:
    """The task that `loop.run` drives: batches, the family's losses, validation, and what is saved."""

    name = "stage_b"
    extra = None

    def __init__(
        self,
        model: TalkingModel,
        train: ClipStore,
        validation: ClipStore,
        rig: Face,
        options: StageBOptions,
        seed: int,
    ) -> None:
        self.model, self.train, self.validation, self.rig = model, train, validation, rig
        self.objective = objective_of(model.config)
        options = self.objective.effective(options)
        self.options, self.seed = options, seed
        self._check_data(train)
        self.targets = motion_targets(rig, train, model.motion.basis, self.device)
        self.weights = LossWeights(
            options.loss_self,
            options.loss_cross,
            options.loss_velocity,
            options.loss_classification,
            options.loss_closure,
        )
        vertices = model.config.vertices
        self.vertex_weights = losses.region_weights(vertices, rig.masks, options.loss_regions)
        self.lips = lip_pairs(rig).flatten().to(self.device) if options.loss_closure else None
        self.buckets = None
        if options.length_buckets > 1:
            self.buckets = LengthBuckets([clip.frames for clip in train.clips], options.length_buckets)
        self.dropout_rows: BatchRows | None = None
        for name in options.frame_gains:
            if name not in RIG_PARAMETERS:
                raise OptionsError(f"frame_gains.{name}", f"one of {', '.join(RIG_PARAMETERS)}", "Correct the config.")
        self.features = ClipFeatures(model, train, options)
        if options.fusion_rate_factor == 0 and "mesh_attention" in model.stages:
            model.stages["mesh_attention"].requires_grad_(False)  # its gradient is most of a step's time

    def _check_data(self, train: ClipStore) -> None:
        """Raises OptionsError for options that this data, or a model that hears, cannot serve."""
        if "heard" in self.model.streams and self.options.freeze_encoders_for < 1:
            raise OptionsError(
                f"freeze_encoders_for {self.options.freeze_encoders_for:g} with emotion_heard",
                "1: the decoder learns from what the encoders of stage A hear",
                "Correct stage_b.freeze_encoders_for.",
            )
        recorded = isinstance(self.rig, DatasetFace)
        if recorded and self.options.frame_gains:
            raise OptionsError("frame_gains", "none", "This dataset has vertices and no rig parameters.")
        unlabelled = sum(clip.emotion == UNKNOWN_EMOTION for clip in train.clips)
        if self.options.classification and unlabelled:
            raise OptionsError(
                f"classification: true with {unlabelled} clips of unknown emotion",
                "labels for every clip",
                "Set stage_b.classification to false (L_cls is off on such data).",
            )

    @property
    def face(self) -> DatasetFace | None:
        """What a checkpoint keeps as `face.npz`; the corpus's head needs none where spirals tell it."""
        if isinstance(self.rig, DatasetFace):
            return self.rig
        if family_of(self.model.config).stores_spirals:
            return None
        return DatasetFace(
            self.rig.template, self.rig.faces, self.rig.masks, colours=getattr(self.rig, "colours", None)
        )

    def parameter_groups(self) -> list[dict]:
        """Encoders at their own rate; their frozen front ends in neither group."""
        fixed = {id(p) for e in self.model.encoders.values() for p in e.feature_extractor.parameters()}
        encoders = [p for e in self.model.encoders.values() for p in e.parameters() if id(p) not in fixed]
        fusing = self.model.stages.get("mesh_attention")
        fusion = [] if fusing is None else list(fusing.parameters())
        known = fixed | {id(p) for p in [*encoders, *fusion]}
        others = [p for p in self.model.parameters() if id(p) not in known]
        return [
            {"params": others, "factor": 1.0},
            {"params": encoders, "factor": self.options.encoder_rate_factor},
            {"params": fusion, "factor": self.options.fusion_rate_factor},
        ]

    def prepare(self) -> None:
        """Encode the split once, if the encoders are frozen at first."""
        self.features.prepare()

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    # -- one step ---------------------------------------------------------------------------------------------

    def load(self, step: int, rows: range | None = None) -> StageBBatch:
        """The batch of a step, with sound and motion for its `rows` (default: all)."""
        draw = Draw.make(self.train, self.options, step_generator(self.seed, self.name, step), self.buckets)
        rows = range(len(draw.clips)) if rows is None else rows
        return StageBBatch.load(
            draw, rows, self.train, self.targets, self.options.frame_gains, not self.features.frozen
        )

    def rows(self, batch: StageBBatch, progress: float, own: range | None = None, noise: int = 0) -> DecoderRows:
        """Decoder inputs and targets of a batch, or of its `own` rows; noise: seed of the encoders' dropout."""
        own = batch.rows if own is None else own
        features = self.features.of(batch.draw.wanted(own, self.train), progress, batch, noise)
        alignment = self.options.pair_alignment
        return DecoderRows.of(batch, own, features, self.train, alignment, self.features.calibrated, self.device)

    def _vertices(self, generator: torch.Generator) -> Tensor | None:
        """A weighted sample of vertices for this step's losses, None for all."""
        count = self.options.loss_vertices
        if not count or count >= len(self.vertex_weights) or self.targets.to_basis is None:
            return None
        return torch.multinomial(self.vertex_weights, count, generator=generator).to(self.device)

    def inputs(self, rows: DecoderRows, vertices: Tensor | None, progress: float) -> dict[str, Tensor]:
        """What the decoder reads; the fusion rests before `fusion_from`.

        The fusion depends on audio alone: one evaluation serves all passes of a step.
        """
        fused = self.model.fuse(rows.streams, vertices, resting=progress < self.options.fusion_from)
        return rows.streams | fused | vars(rows.given)

    def loss(
        self, step: int, progress: float, batch: StageBBatch | None = None, rows: range | None = None
    ) -> tuple[Tensor, dict[str, Tensor | float]]:
        """The loss of one step (EmoFace: equation 9), or what `rows` of its batch add to it, and its parts."""
        generator = seed_step(self.seed, self.name, step)
        noise = encoder_seed(self.seed, self.name, step)
        rows = self.rows(self.load(step, rows) if batch is None else batch, progress, rows, noise)
        if rows.index is not None and self.dropout_rows is None:
            self.dropout_rows = share_dropout(self.model)
        if self.dropout_rows is not None:
            self.dropout_rows.index, self.dropout_rows.total = rows.index, rows.total
        vertices = self._vertices(generator)
        sampled = None if vertices is None else len(vertices)
        if vertices is not None and self.lips is not None:
            vertices = torch.cat([vertices, self.lips])
        target = self.targets.offsets(rows.motion, vertices)
        truth = target.flatten(2) if self.targets.to_basis is None else rows.motion @ self.targets.to_basis
        scheme = self.options.scheme
        late = scheme == "self-growing" and progress >= self.options.rollout_from
        rollout = late or scheme == "autoregressive"
        probability = 0.0 if rollout else ground_truth_probability(progress, scheme)
        inputs = self.inputs(rows, vertices, progress)
        if rollout and self._rollout_gradient:
            outputs, _ = self.model.motion.rollout(inputs, vertices)
        else:
            fed = truth
            if probability < 1.0:
                predicted = self._predicted_codes(inputs, truth, vertices, rollout)
                fed = mix(truth, predicted, probability, generator, rows.index, rows.total)
            outputs = self.model.motion.given(inputs, fed, vertices)
        weighted = vertices is None and self.options.loss_regions
        weights = self.vertex_weights.to(self.device) if weighted else None
        price = self._closure(outputs.fused, target, rows, sampled)
        outputs = MotionOutputs(*(None if part is None else part[:, :, :sampled] for part in outputs))
        terms, parts = self._terms(outputs, target[:, :, :sampled], rows, weights)
        terms |= price
        total = losses.total(terms, self.weights)
        return total, parts | terms | {"ground_truth": probability}

    @property
    def _rollout_gradient(self) -> bool:
        """Whether gradients flow through what a rollout feeds back."""
        chosen = self.options.rollout_gradient
        return self.objective.rollout_gradient if chosen is None else chosen

    @torch.no_grad()
    def _predicted_codes(
        self, inputs: dict[str, Tensor], truth: Tensor, vertices: Tensor | None, rollout: bool
    ) -> Tensor:
        """P of equation 4: pass 1 on ground truth, or the model's own rollout."""
        motion = self.model.motion
        if rollout:
            return motion.rollout_codes(inputs, vertices)
        return motion.motion_code(motion.given(inputs, truth, vertices).fused, vertices)

    def _closure(self, fused: Tensor, target: Tensor, rows: DecoderRows, sampled: int | None) -> dict[str, Tensor]:
        """The prices of `stages.closure` for offsets [B, T, S, 3] whose vertices behind `sampled` are the lips'."""
        if self.lips is None:
            return {}
        of_lips = self.lips if sampled is None else slice(sampled, None)
        gap, wanted = (lip_gap(offsets[:, :, of_lips]) for offsets in (fused, target))
        total = None
        if rows.totals is not None:  # every frame but the first of a row is one change
            total = sum(changes for _, changes in rows.totals.values()) + rows.total
        return closure(gap, wanted, rows.mask, total)

    def _terms(
        self, outputs: MotionOutputs, target: Tensor, rows: DecoderRows, weights: Tensor | None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        own, parts, terms = rows.own, {}, {}
        groups = {"self": slice(0, own), "cross": slice(own, None)}
        totals = rows.totals or dict.fromkeys(groups if target.shape[0] > own else ["self"], (None, None))
        speed, (unit, factor) = target.new_zeros(()), self.objective.unit
        for name, (frames, changes) in totals.items():
            rows_of = groups[name]
            mask = rows.mask[rows_of]
            counted = rows.frame_weights[rows_of]
            some = MotionOutputs(*(None if o is None else o[rows_of] for o in outputs))
            branches = self.objective.reconstruction(some, target[rows_of], counted, weights, frames)
            terms[name] = sum(branches.values())
            parts |= {f"{name}_{branch}_{unit}": factor * value.detach().double() for branch, value in branches.items()}
            if self.weights.velocity:
                speed = speed + losses.velocity(some.fused, target[rows_of], mask, weights, changes)
        if self.weights.velocity:
            terms["velocity"] = speed
        if self.options.classification:
            clips = None if rows.index is None else self.options.batch_size
            logits = self.model.emotion_encoder.classifier(rows.pooled)
            terms["classification"] = losses.classification(logits, rows.labels, clips)
        return terms, parts

    # -- the rest of the task -----------------------------------------------------------------------------------

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """LVE, EVE and FDD of autoregressive inference on validation clips, emotion not given; on a rig with a mouth
        the measures of speech too."""
        vertices, speech = VertexMetrics.of(self.rig), None
        if not (isinstance(self.rig, DatasetFace) or lacking(self.rig)):
            gauge = MouthGauge(self.rig)
            speech = SpeechMeasures(gauge, self.model.config.fps, tucked_below(gauge, self.rig))
        clips = self.validation.spread(self.options.validation_clips)
        for index, offsets in animate(self.model, self.validation, clips, Rollout(emotion="auto")):
            target = clip_offsets(self.rig, clips[index])
            vertices.add(offsets, target)
            if speech is not None:
                speech.add(clips[index], offsets, target)
        figures = vertices.figures() | ({} if speech is None else speech.figures())
        return {key: value for key, value in figures.items() if not isinstance(value, str)}

    def set_train(self, training: bool) -> None:
        self.model.train(training)

    def data_size(self) -> dict[str, int]:
        """What a checkpoint remembers of its training data."""
        return self.train.size

    def finish(self) -> None:
        """Nothing to do: all that was trained lies in the model."""
