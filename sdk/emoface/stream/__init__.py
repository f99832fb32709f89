"""The streaming driver: audio in blocks, features to frames, conditions in time, snapshots."""
