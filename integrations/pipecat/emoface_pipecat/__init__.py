"""A talking face for Pipecat; see `EmoFaceProcessor`."""

from emoface_pipecat.processor import EmoFaceProcessor

__all__ = ["EmoFaceProcessor"]
