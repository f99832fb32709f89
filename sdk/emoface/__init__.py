"""EmoFace: speech in, moving face out."""
