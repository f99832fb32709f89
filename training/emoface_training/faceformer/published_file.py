"""Public FaceFormer checkpoints (`vocaset.pth`, `biwi.pth`, or your own training's) as models of this project.

A checkpoint is a state dict: FaceFormer's own parameters by its names, the audio encoder's by Hugging Face's. It says
nothing of heads, subjects and data set; those are FaceFormer's constants or the caller's choice. Files are read with
`weights_only=True`, so none of them can run code.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from emoface_training.config import DecoderConfig, EncoderConfig, FaceFormerConfig, Resampling
from emoface_training.data import biwi
from emoface_training.encoders.pretrained import calibrated, convert_weights
from emoface_training.errors import EncoderStatisticsError, FaceFormerFileError, OptionsError
from emoface_training.nn.faceformer import FaceFormer
from emoface_training.nn.motion_decoder import periodic_positions
from emoface_training.nn.wav2vec2 import StreamingWav2Vec2
from emoface_training.nn.windowed import make_encoder

HEADS = 4
ENCODER_HEAD_WIDTH = 64  # of every published wav2vec2
LONGEST_ORIGINAL = 600  # frames: FaceFormer's own limit, and what its attention then sees
AUDIO, LAYER = "audio_encoder.", "transformer_decoder.layers.0."
_CONV, _POSITION = AUDIO + "feature_extractor.conv_layers.", AUDIO + "encoder.pos_conv_embed.conv."
_STRIDES = (5, 2, 2, 2, 2, 2, 2)
# Saved, but not parameters: the table of positions is checked, the others mean nothing to inference
_POSITIONS, _UNUSED = "PPE.pe", ("biased_mask", AUDIO + "masked_spec_embed")
_SAME = {  # FaceFormer's name -> ours
    "audio_feature_map": "audio_feature_map",
    "vertice_map": "motion_map",
    "vertice_map_r": "motion_head",
    LAYER + "self_attn.out_proj": "self_out",
    LAYER + "multihead_attn.out_proj": "cross_out",
    LAYER + "linear1": "linear1",
    LAYER + "linear2": "linear2",
    LAYER + "norm1": "norm1",
    LAYER + "norm2": "norm2",
    LAYER + "norm3": "norm3",
}


@dataclass(frozen=True)
class Variant:
    """What a data set decides. subjects: FaceFormer's training subjects in the order of its one-hot styles."""

    resampling: Resampling
    fps: int
    subjects: tuple[str, ...]
    unit_in_metres: float


VARIANTS = {
    "vocaset": Variant(
        "before-transformer",
        30,
        (
            "FaceTalk_170728_03272_TA",
            "FaceTalk_170904_00128_TA",
            "FaceTalk_170725_00137_TA",
            "FaceTalk_170915_00223_TA",
            "FaceTalk_170811_03274_TA",
            "FaceTalk_170913_03279_TA",
            "FaceTalk_170904_03276_TA",
            "FaceTalk_170912_03278_TA",
        ),
        1.0,
    ),
    "biwi": Variant("none", 25, biwi.SEEN, biwi.Biwi.unit_in_metres),
}
_BY_PERIOD = {30: "vocaset", 25: "biwi"}


@dataclass(frozen=True)
class Mode:
    """How the encoder hears: "offline" as the original, "window" or "band" for streaming.

    window, look_ahead, block: features of 20 ms (window mode). left, right: rows of the transformer's rate that a layer
    sees behind and ahead (right is given to the last layers alone), position_right: taps ahead (band mode).
    """

    name: str = "window"
    window: int = 200
    look_ahead: int = 10
    block: int = 10
    left: int = 100
    right: int = 6
    position_right: int = 0

    def of(self, encoder: EncoderConfig) -> EncoderConfig:
        """The encoder in this mode; its group norm still has the utterance's statistics."""
        if self.name == "offline":
            return encoder
        if self.name == "window":
            return dataclasses.replace(
                encoder, window=self.window, window_right=self.look_ahead, window_block=self.block
            )
        layers = encoder.num_hidden_layers
        right = tuple(self.right * (i + 1) // layers - self.right * i // layers for i in range(layers))
        return dataclasses.replace(encoder, left=self.left, right=right, position_right=self.position_right)


MODES = ("window", "band", "offline")


class FaceFormerFile:
    """A checkpoint in memory: its tensors, and what their shapes say.

    Raises FaceFormerFileError for a file that cannot be read or is none of FaceFormer's.
    """

    def __init__(self, path: Path, variant: str | None = None, encoder_heads: int | None = None) -> None:
        self.path = Path(path)
        self.tensors = read_tensors(self.path)
        self._check_names()
        t = self.tensors
        self.width, self.features = t["audio_feature_map.weight"].shape
        self.vertices, rest = divmod(t["vertice_map_r.weight"].shape[0], 3)
        self.styles = t["obj_vector.weight"].shape[1]
        if rest or self.width % HEADS:
            raise self._error(
                f"vertice_map_r.weight {list(t['vertice_map_r.weight'].shape)}", "[3 V, d], d a multiple of 4 heads"
            )
        self.period = self._period(t[_POSITIONS])
        self.variant = VARIANTS[self._variant_name(variant)]
        self.encoder = self._encoder(encoder_heads)

    def config(self, encoder: EncoderConfig, mode: Mode, subjects: Sequence[str] | None = None) -> FaceFormerConfig:
        """The model's configuration with an encoder already in `mode`."""
        names = tuple(subjects) if subjects is not None else self.variant.subjects
        if len(names) != self.styles or len(set(names)) != len(names):
            raise OptionsError(
                f"{len(names)} subjects for {self.path}",
                f"the {self.styles} different ones of obj_vector.weight",
                "Name them with --subjects, in the order of the training's --train_subjects.",
            )
        d = DecoderConfig(width=self.width, heads=HEADS, period=self.period)
        if mode.name == "offline":
            d = dataclasses.replace(d, window=LONGEST_ORIGINAL)
        return FaceFormerConfig(
            vertices=self.vertices,
            styles=names,
            fps=self.variant.fps,
            content_encoder=encoder,
            decoder=d,
            resampling=self.variant.resampling,
        )

    def model(
        self, mode: Mode, subjects: Sequence[str] | None = None, calibration: Sequence[Tensor] = ()
    ) -> FaceFormer:
        """The model in evaluation mode.

        calibration: speech [N] at 16 kHz that replaces what a stream cannot know, the utterance's statistics of a group
        norm (band mode) or its level (encoders with biases before their first norm). Raises EncoderStatisticsError
        where it is needed and missing, BandError, OptionsError.
        """
        encoder = make_encoder(mode.of(self.encoder))
        self._load(encoder, _audio(self.tensors))
        grouped = encoder.config.feat_extract_norm == "group"
        streaming, level = mode.name != "offline", encoder.config.conv_bias
        if streaming and ((grouped and mode.name == "band") or level):
            if not calibration:
                raise EncoderStatisticsError(
                    f"{self.path} in {mode.name} mode without speech to calibrate on",
                    "the statistics that the whole clip has in the original",
                    "Give some minutes of speech with --calibrate, or use the window mode.",
                )
            encoder = calibrated(encoder, calibration, normalise=level)
        model = FaceFormer(self.config(encoder.config, mode, subjects))
        model.content_encoder.encoder.load_state_dict(encoder.state_dict())
        self._load(model.decoder.content_branch, self._branch(model.config.keys))
        return model.eval()

    def _branch(self, keys: int) -> dict[str, Tensor]:
        """The decoder's weights under our names. With one key the query and the key of cross-attention cancel."""
        t, found = self.tensors, {"style_embedding.weight": self.tensors["obj_vector.weight"]}
        for theirs, ours in _SAME.items():
            for kind in ("weight", "bias"):
                found[f"{ours}.{kind}"] = t[f"{theirs}.{kind}"]
        for kind in ("weight", "bias"):
            found[f"self_in.{kind}"] = t[f"{LAYER}self_attn.in_proj_{kind}"]
            query, key, value = t[f"{LAYER}multihead_attn.in_proj_{kind}"].chunk(3)
            found[f"cross_value.{kind}"] = value
            if keys > 1:
                found |= {f"cross_query.{kind}": query, f"cross_key.{kind}": key}
        return found

    def _load(self, module: torch.nn.Module, found: Mapping[str, Tensor]) -> None:
        """Copy weights. Raises FaceFormerFileError naming all that are missing, unknown or of another shape."""
        if isinstance(module, StreamingWav2Vec2):
            found = convert_weights(dict(found), module)
        wanted = module.state_dict()
        faults = [f"{name} is missing" for name in wanted if name not in found]
        faults += [f"{name} is unknown" for name in found if name not in wanted]
        faults += [
            f"{name} has shape {list(found[name].shape)} instead of {list(tensor.shape)}"
            for name, tensor in wanted.items()
            if name in found and found[name].shape != tensor.shape
        ]
        if faults:
            raise self._error("; ".join(faults[:6]) + (f" and {len(faults) - 6} more" if len(faults) > 6 else ""))
        module.load_state_dict(found, strict=True)

    def _check_names(self) -> None:
        expected = {f"{name}.{kind}" for name in _SAME for kind in ("weight", "bias")}
        expected |= {
            f"{LAYER}{part}.in_proj_{k}" for part in ("self_attn", "multihead_attn") for k in ("weight", "bias")
        }
        expected |= {
            "obj_vector.weight",
            _POSITIONS,
            AUDIO + "feature_projection.projection.weight",
            _CONV + "0.conv.weight",
        }
        own = {name for name in self.tensors if not name.startswith(AUDIO) and name not in _UNUSED}
        missing = sorted(expected - set(self.tensors))
        unknown = sorted(own - expected)
        if missing or unknown:
            parts = [f"without {', '.join(missing[:6])}"] if missing else []
            parts += [f"with unknown {', '.join(unknown[:6])}"] if unknown else []
            raise self._error(" and ".join(parts))

    def _period(self, table: Tensor) -> int:
        """Frames after which the saved positions repeat; they must be FaceFormer's own."""
        rows = table.reshape(-1, self.width)
        repeats = [p for p in range(1, len(rows)) if torch.equal(rows[p], rows[0])]
        period = repeats[0] if repeats else len(rows)
        if not torch.allclose(rows[:period], periodic_positions(period, self.width), atol=1e-5):
            raise self._error(f"{_POSITIONS} of another positional encoding", "sines and cosines of t mod period")
        return period

    def _variant_name(self, given: str | None) -> str:
        name = given or _BY_PERIOD.get(self.period)
        if name not in VARIANTS:
            raise OptionsError(
                f"{self.path} with a period of {self.period} frames",
                "30 (VOCASET) or 25 (BIWI)",
                f"Say with --variant which of {', '.join(VARIANTS)} its layout is.",
            )
        return name

    def _encoder(self, heads: int | None) -> EncoderConfig:
        """The audio encoder's architecture from its shapes, unlimited."""
        t, shape = self.tensors, lambda name: self._shape(name)
        layers = 0
        while f"{AUDIO}encoder.layers.{layers}.layer_norm.weight" in t:
            layers += 1
        convs = 0
        while f"{_CONV}{convs}.conv.weight" in t:
            convs += 1
        if convs != len(_STRIDES):
            raise self._error(f"with {convs} convolutions in the audio encoder", "wav2vec2's seven")
        taps = self._taps()
        hidden = shape(AUDIO + "feature_projection.projection.weight")[0]
        if heads is None and hidden % ENCODER_HEAD_WIDTH:
            raise OptionsError(
                f"{self.path} with an audio encoder of width {hidden}",
                f"a multiple of {ENCODER_HEAD_WIDTH}",
                "Say with --encoder-heads how many heads its attention has.",
            )
        every = f"{_CONV}1.layer_norm.weight" in t  # layer norm behind every convolution: the "stable" family
        return EncoderConfig(
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads or hidden // ENCODER_HEAD_WIDTH,
            intermediate_size=shape(AUDIO + "encoder.layers.0.feed_forward.intermediate_dense.weight")[0],
            conv_dim=tuple(shape(f"{_CONV}{i}.conv.weight")[0] for i in range(convs)),
            conv_kernel=tuple(shape(f"{_CONV}{i}.conv.weight")[2] for i in range(convs)),
            conv_stride=_STRIDES,
            conv_bias=f"{_CONV}0.conv.bias" in t,
            feat_extract_norm="layer" if every else "group",
            do_stable_layer_norm=every,
            num_conv_pos_embeddings=taps[2],
            num_conv_pos_embedding_groups=hidden // taps[1],
            left=None,
            right=None,
            position_right=None,
            rate=self.variant.fps if self.variant.resampling == "before-transformer" else 50,
        )

    def _taps(self) -> torch.Size:
        names = ("weight_v", "parametrizations.weight.original1", "weight")
        present = [_POSITION + name for name in names if _POSITION + name in self.tensors]
        return self._shape(present[0] if present else _POSITION + names[0])

    def _shape(self, name: str) -> torch.Size:
        if name not in self.tensors:
            raise self._error(f"without {name}")
        return self.tensors[name].shape

    def _error(
        self, got: str, expected: str = "the keys and shapes of FaceFormer's published checkpoints"
    ) -> Exception:
        return FaceFormerFileError(
            f"{self.path} {got}", f"{expected}", "Give the .pth file that FaceFormer's main.py saved."
        )


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The state dict of a .pth file in float32. Raises FaceFormerFileError naming the file."""
    if not path.is_file():
        raise FaceFormerFileError(
            f"{path}, which is no file", "a FaceFormer checkpoint", "Give one such as vocaset.pth."
        )
    try:
        data: Any = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise FaceFormerFileError(
            f"{path}, which is more than tensors ({str(error).splitlines()[0][:120]})",
            "a state dict",
            "Other pickles can run code and are never loaded.",
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise FaceFormerFileError(
            f"{path}, which cannot be read ({str(error).splitlines()[0][:120]})", "a .pth file", "Copy it again."
        ) from None
    if not isinstance(data, dict) or not all(isinstance(v, Tensor) for v in data.values()) or not data:
        raise FaceFormerFileError(
            f"{path} with a {type(data).__name__}",
            "a state dict of tensors by name",
            "Give what FaceFormer's main.py saved.",
        )
    # Saved from several GPUs, all names begin with "module."
    return {str(name).removeprefix("module."): value.float() for name, value in data.items()}


def _audio(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(AUDIO): v for k, v in tensors.items() if k.startswith(AUDIO) and k not in _UNUSED}
