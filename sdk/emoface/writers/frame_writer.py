"""What every writer of animations is: a file that grows with the frames."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from emoface.errors import OutputError
from emoface.frames import Clip, Piece
from emoface.writers.atomic import failures, replacing
from emoface.writers.progress import Progress


class FrameWriter(ABC):
    """Writes one file. What is known before the first frame is refused in the constructor, before any work."""

    @abstractmethod
    def add(self, piece: Piece) -> None:
        """Take the next sound and frames of the clip."""

    @abstractmethod
    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Complete the file after the last piece; `metadata` are the clip's."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held, whether the file was completed or not."""


Opener = Callable[[Path, Clip], FrameWriter]
"""Makes a writer for a temporary path."""


def write_files(files: Sequence[tuple[str | os.PathLike[str], Opener]], clip: Clip, progress: Progress | None) -> None:
    """Write several files in one pass over the pieces of `clip`; they appear when all of them are complete."""
    with ExitStack() as stack:
        writers = [(path, stack.enter_context(_opened(path, opener, clip))) for path, opener in files]
        done = 0
        for piece in clip.pieces():
            for path, writer in writers:
                with failures(path):
                    writer.add(piece)
            done += len(piece.frames)
            if progress is not None and (clip.expected is None or done < clip.expected):
                progress(done, clip.expected)
        for path, writer in writers:
            with failures(path):
                writer.finish(clip.metadata)
        if progress is not None:
            progress(done, done)


@contextmanager
def _opened(path: str | os.PathLike[str], opener: Opener, clip: Clip) -> Iterator[FrameWriter]:
    with replacing(path) as temporary:
        writer = opener(temporary, clip)
        try:
            yield writer
        finally:
            with failures(path):
                writer.close()


def require_vertices(clip: Clip, suffix: str) -> None:
    """OutputError for a clip without vertices, where a file of type `suffix` needs them."""
    if not clip.has_vertices:
        raise OutputError(
            f"an animation without vertices for a {suffix} file",
            "vertices, or a .npz or .csv file",
            "Leave vertices=False (command line: --no-vertices) out.",
        )


def require_frames(count: int | None, suffix: str) -> None:
    """OutputError for a clip that is known to have no frames, where a file of type `suffix` needs one."""
    if count == 0:
        raise OutputError(
            "an animation of 0 frames", f"at least one frame for a {suffix} file", "Give longer audio, or a tail."
        )
