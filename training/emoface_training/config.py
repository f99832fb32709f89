"""Model configuration: plain dataclasses, saved as `config.json` beside the weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

from emoface_training.errors import OptionsError
from emoface_training.vocabulary import EMOTIONS, SAMPLE_RATE

EMOTION_CLASSES = len(EMOTIONS)
_CORRECT = "Correct the model's configuration."


@dataclass(frozen=True)
class EncoderConfig:
    """A wav2vec2-family encoder and its attention band.

    The architecture fields carry Hugging Face's names, so that a saved wav2vec2 folder maps one to one.
    Three modes, all counted in features of 20 ms:
    - band: `left`, `right` (per layer) and `position_right` limit what a feature sees;
    - window: `window` features of audio are encoded again for every block of `window_block`, the last `window_right`
      of them as look-ahead; the encoder itself stays as it was trained;
    - unlimited: none of these; whole clips only, the original non-streaming behaviour. `normalised` then brings every
      clip to mean 0 and variance 1 first, as the preprocessor (do_normalize) of most wav2vec2 models does; FaceFormer's
      clips always are.

    `num_buckets` and `max_bucket_distance` are WavLM's relative position bias (`num_buckets=None`: there is none).
    `input_gain` multiplies the audio, in place of a normaliser that would need the whole utterance.
    `level_decay` brings every voice to one level, in a band: the loudest 20 ms so far set the gain, and are forgotten
    by so many dB per second (`emoface_training.nn.input_level`); None leaves the level as it is.
    `rate`: rows per second that the transformer sees, 50 (the convolutions' own) or FaceFormer's 30 for VOCASET, for
    which features are interpolated between convolutions and transformer; `left`, `right` and `position_right` then
    count rows of 1 / `rate` s, while windows still count features of 20 ms.
    The rest is regularisation in training, under Hugging Face's names and with its meaning: chances of dropout
    (behind the feature projection, behind attention and feed-forward, inside either), of leaving out a layer, and
    SpecAugment's masks over time and channels. All are off by default and mean nothing outside training.
    """

    hidden_size: int = 192
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    intermediate_size: int = 768
    conv_dim: tuple[int, ...] = (96,) * 7
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_bias: bool = False
    feat_extract_norm: Literal["layer", "group"] = "layer"
    do_stable_layer_norm: bool = True
    num_conv_pos_embeddings: int = 64
    num_conv_pos_embedding_groups: int = 16
    layer_norm_eps: float = 1e-5
    left: int | None = 100
    right: tuple[int, ...] | None = (1, 1, 1, 1)
    position_right: int | None = 0
    group_norm_statistics: Literal["utterance", "fixed"] = "utterance"
    num_buckets: int | None = None
    max_bucket_distance: int = 800
    input_gain: float = 1.0
    level_decay: float | None = None
    window: int | None = None
    window_right: int = 0
    window_block: int = 5
    rate: int = 50
    normalised: bool = False
    feat_proj_dropout: float = 0.0
    hidden_dropout: float = 0.0
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    layerdrop: float = 0.0
    mask_time_prob: float = 0.0
    mask_time_length: int = 10
    mask_time_min_masks: int = 2
    mask_feature_prob: float = 0.0
    mask_feature_length: int = 10
    mask_feature_min_masks: int = 0

    def __post_init__(self) -> None:
        _check_chances(self)
        if self.level_decay is not None and not 0 < self.level_decay <= 60:
            raise OptionsError(f"level_decay {self.level_decay}", "more than 0, at most 60 dB per second", _CORRECT)
        for name in ("mask_time_length", "mask_feature_length"):
            if getattr(self, name) < 1:
                raise OptionsError(f"{name} {getattr(self, name)}", "1 or more", _CORRECT)

    @property
    def look_ahead(self) -> int:
        """R: features of future context, the delay of the streamed output (rows of 1 / `rate` s in band mode)."""
        if self.window is not None:
            return self.window_right
        if self.left is None or self.right is None or self.position_right is None:
            raise OptionsError(
                "an unlimited band", "one with a finite look-ahead", "Give left, right and position_right."
            )
        return self.position_right + sum(self.right)

    @property
    def delay_features(self) -> int:
        """The look-ahead in features of 20 ms, whatever the rate."""
        return self.look_ahead if self.window is not None else self.look_ahead * 50 // self.rate

    @property
    def unlimited(self) -> bool:
        """Whether every feature sees the whole clip."""
        return self.window is None and (self.left, self.right, self.position_right) == (None, None, None)

    @property
    def streams(self) -> bool:
        if self.window is not None:
            return True
        limited = self.left is not None and self.right is not None and self.position_right is not None
        return limited and (self.feat_extract_norm == "layer" or self.group_norm_statistics == "fixed")


@dataclass(frozen=True)
class MeshAttentionConfig:
    """Mesh Attention of the EmoFace paper (section 3.2, Table 4); `fusion="add"` is its ablation."""

    kernel: int = 18
    dilation: int = 2
    delta: int = 3
    fusion: Literal["mesh-attention", "add"] = "mesh-attention"


@dataclass(frozen=True)
class DecoderConfig:
    """FaceFormer-style decoder (one post-norm layer) with a finite self-attention window.

    `motion_rank=None` is the papers' dense head (d -> 3V); an integer lets heads and feedback share one basis
    [rank, 3V], a declared deviation.
    `emotional_content=True` gives level and emotion class to EmoFace's content branch too, since they decide how wide
    one articulates; in the paper the emotion branch alone has the level. A declared deviation.
    dropout acts in the layer, behind attention and feed-forward and inside the latter; attention_dropout on attention's
    weights; position_dropout behind the positions (None: `dropout` in FaceFormer, none in EmoFace).
    """

    width: int = 64
    heads: int = 4
    period: int = 30
    window: int = 300
    dropout: float = 0.1
    attention_dropout: float = 0.0
    position_dropout: float | None = None
    motion_rank: int | None = None
    emotional_content: bool = False

    def __post_init__(self) -> None:
        _check_chances(self)


def _check_chances(config: EncoderConfig | DecoderConfig) -> None:
    """Raises OptionsError for a field of dropout or masks that is no chance."""
    for name, value in vars(config).items():
        if name.endswith(("dropout", "layerdrop", "_prob")) and not 0.0 <= (value or 0.0) <= 1.0:
            raise OptionsError(f"{name} {value}", "a chance, 0 to 1", _CORRECT)


class _Saved:
    """What every family's configuration does: plain data in and out, in a checkpoint's `config.json`."""

    _nested: ClassVar[dict[str, type]]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build from nested plain data. Raises OptionsError naming the first unknown field."""
        values: dict[str, Any] = {}
        for key, value in _known_fields(cls, data).items():
            nested = cls._nested.get(key)
            values[key] = value if nested is None else nested(**_known_fields(nested, value))
        return cls(**values)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(self.to_dict(), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        return cls.from_dict(json.loads(path.read_text()))


@dataclass(frozen=True)
class EmoFaceConfig(_Saved):
    """The whole two-stream model. Shapes: V vertices, n styles, D = encoder width, d = decoder width.

    whole_clips: both encoders have full context (no band, no window), as the paper's wav2vec2 has: every clip is heard
    as a whole, and the model cannot stream.
    emotion_heard: where the emotion class is `unknown` (`auto`), the decoder gets the class that the emotion encoder
    hears, frame by frame and as far as it is sure of it (`nn.hearing`). A declared deviation.
    """

    vertices: int = 5023
    styles: tuple[str, ...] = ("default",)
    fps: int = 30
    sample_rate: int = SAMPLE_RATE
    content_encoder: EncoderConfig = field(default_factory=EncoderConfig)
    emotion_encoder: EncoderConfig = field(default_factory=EncoderConfig)
    mesh_attention: MeshAttentionConfig = field(default_factory=MeshAttentionConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    whole_clips: bool = False
    emotion_heard: bool = False
    family: str = "emoface"

    _nested: ClassVar[dict[str, type]] = {
        "content_encoder": EncoderConfig,
        "emotion_encoder": EncoderConfig,
        "mesh_attention": MeshAttentionConfig,
        "decoder": DecoderConfig,
    }

    def __post_init__(self) -> None:
        if self.content_encoder.hidden_size != self.emotion_encoder.hidden_size:
            raise OptionsError(
                f"encoders of width {self.content_encoder.hidden_size} (content) and "
                f"{self.emotion_encoder.hidden_size} (emotion)",
                "one width",
                _CORRECT,
            )
        if {self.content_encoder.rate, self.emotion_encoder.rate} != {50}:
            raise OptionsError(
                f"encoders of rate {self.content_encoder.rate} and {self.emotion_encoder.rate}",
                "rate 50 of both: frames are interpolated behind them",
                _CORRECT,
            )
        if self.width % 16:
            raise OptionsError(f"encoder width {self.width}", "a multiple of 16 (C/16 of Mesh Attention)", _CORRECT)
        if not self.styles:
            raise OptionsError("no styles", "at least one", _CORRECT)
        if not isinstance(self.emotion_heard, bool):
            raise OptionsError(f"emotion_heard {self.emotion_heard!r}", "true or false", _CORRECT)
        if self.emotion_heard and self.whole_clips:
            raise OptionsError(
                "emotion_heard with whole_clips",
                "one of them at most: what is heard runs along a stream",
                "Leave one out.",
            )
        limited = [name for name, encoder in self.encoders.items() if not encoder.unlimited]
        if self.whole_clips and limited:
            raise OptionsError(
                f"whole_clips with a band or a window of the {' and the '.join(limited)} encoder",
                "encoders of full context",
                "Give left, right and position_right as null (a folder that was not distilled has no band), or leave "
                "whole_clips out.",
            )

    @classmethod
    def allows_whole_clips(cls, section: Mapping[str, Any]) -> bool:
        """Whether encoders of full context may serve under this `model` section: only where it asks for them."""
        return section.get("whole_clips") is True

    @property
    def hears_whole_clips(self) -> bool:
        return self.whole_clips

    @property
    def width(self) -> int:
        return self.content_encoder.hidden_size

    @property
    def voice_width(self) -> int:
        """Size of `speaker_mean`: the features', and one more for the sound's level where the emotion is heard."""
        return self.width + self.emotion_heard

    @property
    def encoders(self) -> dict[str, EncoderConfig]:
        """Encoders by short name."""
        return {"content": self.content_encoder, "emotion": self.emotion_encoder}


Resampling = Literal["before-transformer", "after-transformer", "none"]


@dataclass(frozen=True)
class FaceFormerConfig(_Saved):
    """FaceFormer: one encoder, one decoder. Shapes: V vertices, n styles, D = encoder width, d = decoder width.

    resampling says how 50 features per second become frames:
    - before-transformer: features are interpolated between the encoder's convolutions and its transformer (VOCASET),
      one key per frame; `content_encoder.rate` is then fps;
    - none: two features per frame, both of them keys of its cross-attention (BIWI at 25 fps);
    - after-transformer: the encoder's outputs are interpolated (ours, as EmoFace does it), one key per frame; an
      encoder trained for EmoFace serves as it is.
    """

    vertices: int = 5023
    styles: tuple[str, ...] = ("default",)
    fps: int = 30
    sample_rate: int = SAMPLE_RATE
    content_encoder: EncoderConfig = field(default_factory=EncoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    resampling: Resampling = "after-transformer"
    family: str = "faceformer"

    _nested: ClassVar[dict[str, type]] = {"content_encoder": EncoderConfig, "decoder": DecoderConfig}

    def __post_init__(self) -> None:
        if self.resampling not in get_args(Resampling):
            raise OptionsError(f"resampling {self.resampling!r}", f"one of {get_args(Resampling)}", _CORRECT)
        rate = self.fps if self.resampling == "before-transformer" else 50
        if self.content_encoder.rate != rate:
            raise OptionsError(
                f"content_encoder.rate {self.content_encoder.rate}",
                f"{rate} for resampling {self.resampling} at {self.fps} fps",
                _CORRECT,
            )
        if self.resampling == "none" and self.fps != 25:
            raise OptionsError(f"{self.fps} fps", "25: resampling none takes two of 50 features per frame", _CORRECT)
        if not self.styles:
            raise OptionsError("no styles", "at least one", _CORRECT)

    @property
    def width(self) -> int:
        return self.content_encoder.hidden_size

    @property
    def encoders(self) -> dict[str, EncoderConfig]:
        """Encoders by short name."""
        return {"content": self.content_encoder}

    @classmethod
    def allows_whole_clips(cls, section: Mapping[str, Any]) -> bool:
        """An encoder that cannot stream hears whole clips, as the original does."""
        return True

    @property
    def hears_whole_clips(self) -> bool:
        return not self.content_encoder.streams

    @property
    def keys(self) -> int:
        """Features that a frame's cross-attention sees."""
        return 2 if self.resampling == "none" else 1


ModelConfig = EmoFaceConfig | FaceFormerConfig
CONFIGS: dict[str, type[EmoFaceConfig] | type[FaceFormerConfig]] = {
    "emoface": EmoFaceConfig,
    "faceformer": FaceFormerConfig,
}


def config_class(family: Any) -> type[EmoFaceConfig] | type[FaceFormerConfig]:
    """The configuration of a family. Raises OptionsError for a name that is none."""
    if family not in CONFIGS:
        raise OptionsError(f"model.family {family!r}", f"one of {', '.join(CONFIGS)}", _CORRECT)
    return CONFIGS[family]


def load_config(path: Path) -> ModelConfig:
    """The configuration in a checkpoint's `config.json`, of whichever family it is."""
    data = json.loads(path.read_text())
    return config_class(data.get("family", EmoFaceConfig.family)).from_dict(data)


def _known_fields(cls: type, data: dict[str, Any]) -> dict[str, Any]:
    names = {f.name for f in dataclasses.fields(cls)}
    for key in data:
        if key not in names:
            raise OptionsError(f"field {key!r} of {cls.__name__}", f"one of {', '.join(sorted(names))}", _CORRECT)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
