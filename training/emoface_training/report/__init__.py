"""Reports of `emoface eval`: text, and a folder with one self-contained page, pictures, a video and the figures."""
