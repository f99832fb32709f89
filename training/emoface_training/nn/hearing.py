"""What the emotion encoder hears in a voice, feature by feature: its class, arousal, valence, and how sure that is.

Ours, not the paper's (`EmoFaceConfig.emotion_heard`). An emotion is how a voice differs from itself, so every feature
is laid beside the voice's own running baseline. All of it is causal, and the same under any cut of the audio: the state
is three leaky sums and the sound's level where the features' look-ahead holds them back.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emoface_training.config import EMOTION_CLASSES, EncoderConfig
from emoface_training.nn.interpolation import FEATURE_RATE
from emoface_training.nn.stage import Stage, State
from emoface_training.nn.wav2vec2 import HOP, OVERLAP
from emoface_training.nn.windowed import make_encoder
from emoface_training.vocabulary import NEUTRAL

BASELINE_S, RECENT_S, SMOOTHING_S = 120.0, 1.5, 0.7  # time constants
FAINTEST = 1e-6  # mean square of a sound that counts as none: -60 dB; half precision holds it
USUAL_LEVEL = -2.5  # of speech, in bels: a level is about 0 there
RECENT_PRIOR = 10.0  # features at the baseline that the recent mean begins with: a pause lets the voice go back to it
PRIOR, CALIBRATED_PRIOR = 100.0, 500.0  # features of speech that the baseline's first guess counts as, before training
KNOWN_FROM = 0.01  # square of a speaker mean's length at which it half counts as given
HIDDEN = 64
PIECE = 256  # features at once in a whole clip: the sums' weights are a square of that
AFFECT_OUTPUTS = ("arousal", "valence", "confidence")


def levels(audio: Tensor) -> Tensor:
    """The sound's level in each feature's own 20 ms, in bels about usual speech: audio [B, 320 n + 80] -> [B, n].

    The front end's normalisation takes the level off its features: they tell how a voice sounds, not how loud it is.
    """
    square = audio[:, :-OVERLAP].unflatten(1, (-1, HOP)).square().mean(-1)
    return torch.log10(square + FAINTEST) - USUAL_LEVEL


def leaky_sums(x: Tensor, before: Tensor, keep: float) -> tuple[Tensor, Tensor]:
    """y[t] = keep y[t - 1] + x[t] for x [B, n, C] after y[-1] = before [B, C]: y [B, n, C] and the last of it."""
    if torch.compiler.is_exporting():  # blocks are short
        sums = _leaky_piece(x, before, keep)
        return sums, sums[:, -1]
    pieces = []
    for piece in x.split(PIECE, 1):
        pieces.append(_leaky_piece(piece, before, keep))
        before = pieces[-1][:, -1]
    return torch.cat(pieces, 1), before


def _leaky_piece(x: Tensor, before: Tensor, keep: float) -> Tensor:
    time = torch.arange(x.shape[1], device=x.device)
    age = time[:, None] - time
    decay = math.log(keep)
    weight = torch.where(age >= 0, torch.exp(decay * age.clamp(min=0).to(x.dtype)), 0.0)
    return weight @ x + torch.exp(decay * (time + 1).to(x.dtype))[:, None] * before[:, None]


class Hearing(nn.Module):
    """Voice features [B, n, S] (S = D + 1: the encoder's and the level, speaker mean off) -> what is heard.

    A learned gate weighs speech against pauses. The baseline is the mean of all speech of the last minutes, begun with
    a prior at the speaker mean whose strength is learned by feature; `recent` is the mean of the last second or two.
    What an MLP makes of both is smoothed, so that nothing flips within a phrase; it begins unsure.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.size = width + 1
        self.gate = nn.Linear(self.size, 1)
        self.log_prior = nn.Parameter(torch.full((self.size,), math.log(PRIOR)))
        self.log_calibrated_prior = nn.Parameter(torch.full((1,), math.log(CALIBRATED_PRIOR)))
        outputs = EMOTION_CLASSES + len(AFFECT_OUTPUTS)
        self.judge = nn.Sequential(
            nn.Linear(2 * self.size + 2, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, outputs, bias=False)
        )
        self.unsure = nn.Parameter(torch.zeros(outputs))
        nn.init.constant_(self.unsure[-1:].data, -2.0)

    def initial_state(self, batch: int) -> State:
        zeros = self.unsure.new_zeros
        sums = {name: zeros(batch, self.size + 1) for name in ("baseline", "recent")}
        return sums | {"smooth": zeros(batch, len(self.unsure))}

    def forward(
        self, voice: Tensor, known: Tensor, state: State, counted: Tensor | None = None, rate: int = FEATURE_RATE
    ) -> tuple[State, State]:
        """What is heard, and the new state.

        Args:
            voice: [B, n, S].
            known: [B, 1], 1 where the speaker mean is of this voice, 0 where it is nobody's.
            counted: [B, n, 1], 0 for what lies before the stream, else 1; None: all is sound.
            rate: features per second of `voice`; at another than 50 the result is close to what it is there.

        Returns:
            gate (logit), probabilities [B, n, 8], arousal, valence, confidence [B, n, 1], and heard [B, n, 8]: the
            probabilities as far as they are sure, neutral for the rest.
        """
        gate = self.gate(voice)
        speech = torch.sigmoid(gate) * (FEATURE_RATE / rate)
        speech = speech if counted is None else speech * counted
        weighed = torch.cat([voice * speech, speech], -1)
        keep = {s: math.exp(-1.0 / (s * rate)) for s in (BASELINE_S, RECENT_S, SMOOTHING_S)}
        baseline, last_baseline = leaky_sums(weighed, state["baseline"], keep[BASELINE_S])
        recent, last_recent = leaky_sums(weighed, state["recent"], keep[RECENT_S])
        count = baseline[..., -1:]
        prior = torch.exp(self.log_prior) + (known * torch.exp(self.log_calibrated_prior))[:, None]
        usual = baseline[..., :-1] / (count + prior)
        now = (recent[..., :-1] + RECENT_PRIOR * usual) / (recent[..., -1:] + RECENT_PRIOR)
        told = torch.cat([torch.log1p(count), known[:, None].expand(-1, voice.shape[1], -1)], -1)
        judged = (1.0 - keep[SMOOTHING_S]) * self.judge(torch.cat([now, now - usual, told], -1))
        smooth, last_smooth = leaky_sums(
            judged if counted is None else judged * counted, state["smooth"], keep[SMOOTHING_S]
        )
        new_state = {"baseline": last_baseline, "recent": last_recent, "smooth": last_smooth}
        return {"gate": gate} | self._outputs(smooth + self.unsure), new_state

    def _outputs(self, raw: Tensor) -> State:
        logits, arousal, valence, confidence = raw.split((EMOTION_CLASSES, 1, 1, 1), -1)
        probabilities, confidence = torch.softmax(logits, -1), torch.sigmoid(confidence)
        neutral = F.one_hot(torch.tensor(NEUTRAL), EMOTION_CLASSES).to(raw)
        return {
            "logits": logits,
            "probabilities": probabilities,
            "arousal": torch.tanh(arousal),
            "valence": torch.tanh(valence),
            "confidence": confidence,
            "heard": neutral + confidence * (probabilities - neutral),
        }


def known_voice(speaker_mean: Tensor) -> Tensor:
    """How far a speaker mean [B, S] is a voice's: 0 for zeros, about 1 after calibration, [B, 1]."""
    square = speaker_mean.square().sum(-1, keepdim=True)
    return square / (square + KNOWN_FROM)


class HearingEmotionEncoder(Stage):
    """audio, speaker_mean [B, S] -> emotion [B, n, D] (speaker mean removed) and what is heard, see `Hearing`.

    `voice` [B, n, S] is what calibration averages: the features and the level, less the speaker mean.
    """

    cadence = "block"
    input_names = ("audio", "speaker_mean")
    output_names = ("emotion", "probabilities", *AFFECT_OUTPUTS, "heard", "voice")

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.encoder = make_encoder(config)
        self.hearing = Hearing(config.hidden_size)

    def initial_state(self, batch: int) -> State:
        held = self.hearing.unsure.new_zeros(batch, self.encoder.config.look_ahead)
        return self.encoder.initial_state(batch) | self.hearing.initial_state(batch) | {"levels": held}

    def step(self, inputs: State, state: State) -> tuple[State, State]:
        features, new_state = self.encoder.step(inputs["audio"], state)
        n, speaker = features.shape[1], inputs["speaker_mean"]
        loudness = torch.cat([state["levels"], levels(inputs["audio"])], 1)
        voice = torch.cat([features, loudness[:, :n, None]], -1) - speaker[:, None]
        first = state["position"] - self.encoder.config.look_ahead
        index = first[:, None] + torch.arange(n, device=voice.device)
        counted = (index >= 0).to(voice.dtype)[..., None]
        outputs, heard_state = self.hearing(voice, known_voice(speaker), state, counted)
        outputs |= {"emotion": voice[..., :-1], "voice": voice}
        new_state = new_state | heard_state | {"levels": loudness[:, n:]}
        return {name: outputs[name] for name in self.output_names}, new_state

    def voice(self, audio: Tensor) -> Tensor:
        """Whole clips [B, 320 T + 80] in one call: features and level, no speaker mean removed, [B, T, S]."""
        return torch.cat([self.encoder.whole(audio), levels(audio)[..., None]], -1)

    def hear(self, voice: Tensor, speaker_mean: Tensor | None = None, rate: int = FEATURE_RATE) -> State:
        """`Hearing` of whole clips: voice [B, T, S] as it comes, speaker_mean [B, S] of it (None: not known)."""
        speaker = voice.new_zeros(len(voice), voice.shape[-1]) if speaker_mean is None else speaker_mean
        state = self.hearing.initial_state(len(voice))
        return self.hearing(voice - speaker[:, None], known_voice(speaker), state, rate=rate)[0]
