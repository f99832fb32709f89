"""The command `emoface`."""
