"""A human head of MakeHuman's CC0 data: geometry, ARKit's shapes, texture and any number of persons of one topology."""

from pathlib import Path

HEAD_FILE = Path(__file__).with_name("head.npz")
"""The canonical head with its twelve identities, as `emoface face make` writes it; its texture is `head.png`."""
