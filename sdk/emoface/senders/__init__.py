"""Frames to programs that already have a face: Live Link Face, VMC, OSC, on the clock of the audio.

A sink makes the bytes of one frame; `emoface.senders.paced.Paced` sends them when they are due. What a frame is here is
`emoface.senders.frame.SentFrame`: weights by name, an emotion, the head's pose, a time.
"""
