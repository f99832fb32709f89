"""A talking face for LiveKit Agents; see `EmoFaceAvatar`."""

from emoface_livekit.avatar import EmoFaceAvatar
from emoface_livekit.video import FaceVideo

__all__ = ["EmoFaceAvatar", "FaceVideo"]
