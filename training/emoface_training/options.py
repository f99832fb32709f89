"""Training configuration: one YAML file with the model, the two stages and what they share."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from emoface_training.errors import OptionsError

SCHEMES = ("self-growing", "teacher-forcing", "autoregressive")
# Of any stage that has them
POSITIVE = (
    *("max_steps", "max_epochs", "max_minutes", "batch_size", "accumulate", "learning_rate", "clip_norm"),
    *("validate_every_steps", "checkpoint_every_steps", "log_every_steps", "validation_clips"),
    *("crop_seconds", "clips_per_speaker", "max_frames", "length_buckets"),
)


@dataclass(frozen=True)
class StageOptions:
    """What both stages share. A stage ends when either limit is reached; the schedules follow the used share.

    max_epochs: an epoch is as many draws as the training split has clips. max_minutes counts wall time or, with
    clock="cpu", process time divided by `threads` (a fair budget on a shared machine). Only a run that no
    time limits is reproducible to the bit.
    batch_size: clips per optimiser step, over all processes and micro-batches. accumulate: micro-batches per step and
    process, for less memory; the loss curve stays.
    clip_norm: largest norm of a step's gradient, None for no limit (the papers name none). Losses share one norm: where
    equation 9 multiplies one by 1000 and L_cls by 1e-4, a limit of 1 brings L_cls down to Adam's epsilon.
    checkpoint_every_steps and validate_every_steps replace the minutes.
    bfloat16, float16: the encoders' precision (float16 with loss scaling, on a GPU alone); all else stays float32.
    """

    max_steps: int | None = None
    max_epochs: float | None = None
    max_minutes: float | None = None
    clock: Literal["wall", "cpu"] = "wall"
    batch_size: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    clip_norm: float | None = 1.0
    validate_every_minutes: float = 3.0
    validate_every_steps: int | None = None
    checkpoint_every_minutes: float = 3.0
    checkpoint_every_steps: int | None = None
    log_every_steps: int = 20
    validation_clips: int = 48
    emotion_dropped: float = 0.5
    style_dropped: float = 0.35
    bfloat16: bool = False
    float16: bool = False

    def __post_init__(self) -> None:
        if self.max_steps is None and self.max_epochs is None and self.max_minutes is None:
            raise OptionsError("no max_steps, max_epochs or max_minutes", "at least one", "Give the stage a limit.")
        if self.bfloat16 and self.float16:
            raise OptionsError("bfloat16 and float16", "one of them at most", "Leave one out.")
        for name in POSITIVE:
            value = getattr(self, name, None)
            if value is not None and not value > 0:
                raise OptionsError(f"{name} {value}", "more than 0", "Correct the config or the command line.")

    def steps_for(self, clips: int) -> int | None:
        """Steps after which the stage ends, for a training split of that many clips; None where time alone ends it."""
        limits = [] if self.max_steps is None else [self.max_steps]
        if self.max_epochs is not None:
            limits.append(math.ceil(self.max_epochs * clips / self.batch_size))
        return min(limits, default=None)


@dataclass(frozen=True)
class StageAOptions(StageOptions):
    """Encoders with a coefficient head (ours; the paper starts from pretrained encoders).

    clips_per_speaker: crops of one voice in a batch, the first of them neutral; calibrated: chance that the others'
    emotion features are relative to the mean of that one's, as `Animator.calibrate` makes them. streams="emotion"
    trains the emotion encoder alone: the content encoder and the front end rest, a step costs less than half.
    Recording conditions (gain_db to second_voice_probability): `emoface_training.clips.recording_conditions`.
    """

    crop_seconds: float = 3.0
    learning_rate: float = 1.5e-3
    phoneme_weight: float = 0.3
    emotion_weight: float = 0.15
    velocity_weight: float = 0.5
    speed_change: float = 0.12
    speed_change_probability: float = 0.5
    gain_db: float = 8.0
    noise_probability: float = 0.5
    equaliser_db: float = 3.0
    rumble_probability: float = 0.0
    quiet_probability: float = 0.0
    second_voice_probability: float = 0.0
    clips_per_speaker: int = 1
    calibrated: float = 0.5
    streams: Literal["both", "emotion"] = "both"


@dataclass(frozen=True)
class StageBOptions(StageOptions):
    """The whole model with the losses of its family's paper; options of losses that a family lacks mean nothing to it.

    length_buckets: batches of clips of similar length, see `LengthBuckets` (1: of any). freeze_encoders_for: a share of
    the stage (1 = to its end; features are then computed once). rollout_from: from this share on, what is fed back is
    the model's own rollout instead of equation 4's (which is always one step away from ground truth), a declared
    deviation; 1 = never. fusion_from: share of the stage in which Mesh Attention rests and both branches count half, so
    that neither is given up before it has learned its part (ours; steps without Mesh Attention also cost a fraction);
    fusion_rate_factor: Mesh Attention's learning rate over the rest's, 0 = fixed (its gradient is most of a step's
    time). loss_regions: extra weight of named regions, a declared deviation. loss_vertices: with a motion basis, losses
    on a random sample of that many vertices per step, drawn by those weights (0 = all vertices, the paper's).
    frame_gains: by rig parameter, how much more a frame counts in L_self and L_cross where that parameter is 1 (short
    closures would otherwise drown in open frames), a declared deviation. loss_closure: weight of a price for missed
    closures of the lips and of one for closing where they should not (`stages.closure`), a declared deviation.
    rollout_gradient: whether, where the model's own rollout is fed back, gradients flow through it (FaceFormer's
    training; costs a step's memory per frame) or only through the last pass; None: as the family's paper.
    """

    learning_rate: float = 1e-4
    batch_size: int = 8
    max_frames: int = 100
    scheme: str = "self-growing"
    freeze_encoders_for: float = 0.0
    encoder_rate_factor: float = 1.0
    rollout_from: float = 1.0
    rollout_gradient: bool | None = None
    fusion_from: float = 0.0
    fusion_rate_factor: float = 1.0
    length_buckets: int = 1
    pairs: bool = True
    pair_alignment: Literal["phonemes", "linear"] = "linear"
    classification: bool = True
    loss_regions: dict[str, float] = field(default_factory=dict)
    loss_vertices: int = 0
    frame_gains: dict[str, float] = field(default_factory=dict)
    calibrated: float = 0.0
    loss_self: float = 1000.0
    loss_cross: float = 1000.0
    loss_velocity: float = 500.0
    loss_classification: float = 1e-4
    loss_closure: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scheme not in SCHEMES:
            raise OptionsError(f"scheme {self.scheme!r}", f"one of {', '.join(SCHEMES)}", "Correct stage_b.scheme.")


@dataclass(frozen=True)
class TrainingOptions:
    """model: fields of EmoFaceConfig, or with `family: faceformer` of FaceFormerConfig (styles, vertices and fps are
    filled in from the corpus and the rig)."""

    model: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    train_split: str = "train"
    validation_split: str = "validation"
    stage_a: StageAOptions | None = None
    stage_b: StageBOptions | None = None

    def __post_init__(self) -> None:
        for name in (self.train_split, self.validation_split):
            if name.startswith("test_"):
                raise OptionsError(
                    f"split {name!r} for training",
                    "a split that is not held out",
                    "Splits whose name starts with test_ are for `emoface eval` alone.",
                )
        if self.seed < 0:
            raise OptionsError(f"seed {self.seed}", "0 or more", "Correct the config.")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def build(cls: type, data: dict[str, Any], where: str) -> Any:
    """A dataclass from plain data. Raises OptionsError naming the first unknown or unusable field."""
    if not isinstance(data, dict):
        raise OptionsError(f"{where} {data!r}", "a mapping of option to value", "Correct the config.")
    names = {f.name for f in dataclasses.fields(cls)}
    for key in data:
        if key not in names:
            raise OptionsError(f"{where}.{key}", f"one of {', '.join(sorted(names))}", "Correct the config.")
    kinds = get_type_hints(cls)
    return cls(**{key: _value(kinds[key], value, f"{where}.{key}") for key, value in data.items()})


def _value(kind: Any, value: Any, name: str) -> Any:
    """The value of a field annotated as `kind`. Raises OptionsError where it is of another type."""
    allowed = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    if value is None and NoneType in allowed:
        return None
    kind = next((one for one in allowed if one is not NoneType), None)
    if get_origin(kind) is Literal:
        fits, wanted = value in get_args(kind), " or ".join(map(repr, get_args(kind)))
    elif kind is float:
        if isinstance(value, str):  # YAML reads 1e-4, without a point, as text
            value = _number(value)
        fits, wanted = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    elif kind is int:
        fits, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif kind in (bool, str):
        fits, wanted = isinstance(value, kind), {bool: "true or false", str: "text"}[kind]
    else:
        return value
    if not fits:
        raise OptionsError(f"{name} {value!r}", f"{wanted}", "Correct the config.")
    return value


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def parse(data: dict[str, Any]) -> TrainingOptions:
    """Options from the YAML's plain data."""
    data = dict(data)
    for key, cls in (("stage_a", StageAOptions), ("stage_b", StageBOptions)):
        if data.get(key) is not None:
            data[key] = build(cls, data[key], key)
    return build(TrainingOptions, data, "config")


def load(path: Path) -> TrainingOptions:
    """Options from a YAML file. Raises OptionsError when it is missing or no mapping."""
    path = Path(path)
    if not path.is_file():
        raise OptionsError(f"{path}, which is no file", "a configuration", "Give one such as configs/default.yaml.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        words = " ".join(str(error).split())
        raise OptionsError(f"{path}, which is no YAML ({words})", "a configuration", "Correct it.") from error
    if not isinstance(data, dict):
        raise OptionsError(
            f"{type(data).__name__} at the top of {path}",
            "a mapping with `model` and `stage_b`",
            "See configs/default.yaml.",
        )
    return parse(data)
