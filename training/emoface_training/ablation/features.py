"""Encoder outputs of whole splits, computed once and kept on disk: rows then cost their decoders alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from emoface_training.clips.store import ClipStore, heard_batch
from emoface_training.nn.talking_model import TalkingModel

BATCH = 8


class SplitFeatures:
    """Streams float16 [frames of all clips, sum of their widths] at frame rate, memory-mapped."""

    def __init__(self, path: Path, store: ClipStore, widths: dict[str, int]) -> None:
        self.rows = np.load(path, mmap_mode="c", allow_pickle=False)
        self.ends = np.cumsum([clip.frames for clip in store.clips]).tolist()
        self.store, self.widths = store, widths

    def clip(self, index: int) -> dict[str, torch.Tensor]:
        """Streams float16 [T, D] of one clip by name."""
        end = self.ends[index]
        rows = torch.from_numpy(self.rows[end - self.store.clips[index].frames : end])
        return dict(zip(self.widths, rows.split(list(self.widths.values()), -1), strict=True))


def split_features(
    model: TalkingModel, store: ClipStore, folder: Path, name: str, progress: Callable[[Iterable], Iterable]
) -> SplitFeatures:
    """The split's features from `folder`, computed and written there if they are not yet.

    The file's name carries a hash of the encoders and of the sound, so features never serve other encoders or data.
    """
    path = folder / f"{name}-{encoder_hash(model)[:12]}-{audio_hash(store)[:12]}.npy"
    if not path.is_file():
        _write(model, store, path, progress)
    return SplitFeatures(path, store, model.stream_widths)


def encoder_hash(model: TalkingModel) -> str:
    """SHA-256 of the configuration and weights of the encoders, and of what hears with them."""
    digest = hashlib.sha256()
    for name, encoder in model.encoders.items():
        digest.update(repr((name, encoder.config)).encode())
        hearing = getattr(model.stages[name], "hearing", None)
        tensors = encoder.state_dict() | ({} if hearing is None else hearing.state_dict(prefix="hearing."))
        for key, tensor in sorted(tensors.items()):
            digest.update(key.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def audio_hash(store: ClipStore) -> str:
    """SHA-256 that tells what models hear of a split, clip by clip."""
    digest = hashlib.sha256(f"{store.fps} without offset".encode())  # what is made of the stored sound
    for clip in store.clips:
        digest.update(str(clip.frames).encode() + clip.audio.tobytes())
    return digest.hexdigest()


@torch.no_grad()
def _write(model: TalkingModel, store: ClipStore, path: Path, progress: Callable[[Iterable], Iterable]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".tmp")
    ends = np.cumsum([clip.frames for clip in store.clips])
    widths = model.stream_widths
    shape = (int(ends[-1]), sum(widths.values()))
    rows = np.lib.format.open_memmap(fresh, mode="w+", dtype=np.float16, shape=shape)
    order = sorted(range(len(store.clips)), key=lambda i: store.clips[i].frames)
    batches = [order[first : first + BATCH] for first in range(0, len(order), BATCH)]
    training, device = model.training, next(model.parameters()).device
    model.eval()
    for batch in progress(batches):
        clips = [store.clips[i] for i in batch]
        streams = model.encode_streams(heard_batch(clips).to(device), [len(clip.audio) for clip in clips])
        for row, index in enumerate(batch):
            frames = clips[row].frames
            place = slice(int(ends[index]) - frames, int(ends[index]))
            rows[place] = torch.cat([streams[name][row, :frames] for name in widths], -1).cpu().numpy()
    model.train(training)
    rows.flush()
    del rows
    fresh.replace(path)
