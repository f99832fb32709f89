"""What band mode costs a full-context encoder, before and after `emoface distill`, on a teacher trained here.

    python benchmarks/distillation.py --data CORPUS --work DIR [--teacher-minutes 2] [--steps 250] [--band 50,6]

Trains a small wav2vec2 (transformers' model, group norm, 128 positional taps, unlimited attention) to name the phoneme
of every 20 ms of the corpus' train split, saves it as transformers does, and distils it with `emoface distill`. The
held-out clips are those of the validation split. Minutes are CPU minutes.

Figures: `error_before`, `error_after`: RMS difference of the features over the teacher's RMS about its mean;
`cosine_before`, `cosine_after`; `accuracy_teacher`, `accuracy_before`, `accuracy_after`: share of 20 ms frames whose
phoneme the teacher's own output layer names correctly from the teacher's features, from those of the band without
distillation, and from those after it.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

import measure
from emoface_training.clips.unlabelled_speech import load_speech
from emoface_training.data.corpus import Corpus
from emoface_training.data.sample import Clip
from emoface_training.data.synthetic.phonemes import PHONEME_INDEX, PHONEMES
from emoface_training.encoders import distill
from emoface_training.encoders.pretrained import load_pretrained
from emoface_training.loop.learning_rate import one_cycle

CROP, BATCH, IGNORED = 150, 8, -1  # features, clips, label
SMALL = {
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 256,
    "conv_dim": (64,) * 7,
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "activation_dropout": 0.0,
    "layerdrop": 0.0,
    "apply_spec_augment": False,
}


def labels(clip: Clip) -> np.ndarray:
    """Phoneme numbers int64 [T] of the clip's features, by the middle of what each covers."""
    count = (len(clip.audio) - 400) // 320 + 1
    middle = (np.arange(count) * 320 + 200) / 16000
    out = np.full(count, IGNORED)
    for phoneme, start, end in clip.phonemes:
        out[(middle >= start) & (middle < end)] = PHONEME_INDEX[phoneme]
    return out


def normal(audio: np.ndarray) -> np.ndarray:
    return (audio - audio.mean()) / np.sqrt(audio.var() + 1e-7)


def train_teacher(corpus: Corpus, folder: Path, minutes: float, seed: int = 0) -> None:
    """Save the teacher with its preprocessor, and its output layer beside it."""
    torch.manual_seed(seed)
    model, head = Wav2Vec2Model(Wav2Vec2Config(**SMALL)).train(), nn.Linear(SMALL["hidden_size"], len(PHONEMES))
    parameters = [*model.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.01, fused=True)
    random, clips = np.random.default_rng(seed), [c for c in corpus.clips("train") if c.samples >= 320 * (CROP + 1)]
    began, step, losses = time.process_time(), 0, []
    while (progress := (time.process_time() - began) / (60 * minutes)) < 1:
        audio, target = [], []
        for index in random.integers(len(clips), size=BATCH):
            clip = clips[index].load()
            first = random.integers(len(clip.audio) // 320 - CROP)
            audio.append(normal(clip.audio)[320 * first : 320 * (first + CROP) + 80])
            target.append(labels(clip)[first : first + CROP])
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(progress, 1e-3)
        logits = head(model(torch.from_numpy(np.stack(audio))).last_hidden_state)
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), torch.from_numpy(np.concatenate(target)), ignore_index=IGNORED
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        losses.append(float(loss.detach()))
        if step % 50 == 0:
            print(f"teacher {100 * progress:5.1f}% step {step} loss {sum(losses[-50:]) / 50:.3f}", flush=True)
    model.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    torch.save(head.state_dict(), folder / "phoneme_layer.pt")


@torch.no_grad()
def accuracy(work: distill.Distillation, corpus: Corpus, head: nn.Linear, student: bool, count: int = 40) -> float:
    """Share of labelled features named correctly, over `count` validation clips."""
    refs = corpus.clips("validation")
    right = total = 0
    for index in np.linspace(0, len(refs) - 1, min(count, len(refs))).astype(int):
        clip = refs[index].load()
        target = torch.from_numpy(labels(clip))
        audio = torch.from_numpy(clip.audio)[None, : 320 * len(target) + 80]
        features: Tensor = work.student.whole(audio) if student else work.target(audio)
        hit = head(features[0]).argmax(-1) == target
        right, total = right + int(hit.sum()), total + int((target != IGNORED).sum())
    return right / total


def main() -> None:
    arguments = measure.parser(__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="corpus made by `emoface data synth`")
    arguments.add_argument("--work", type=Path, required=True, help="folder for teacher and student")
    arguments.add_argument("--teacher-minutes", type=float, default=2.0)
    arguments.add_argument("--steps", type=int, default=250, help="of the distillation")
    arguments.add_argument("--band", default="50,6")
    choices = arguments.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    corpus, teacher, out = Corpus.open(choices.data), choices.work / "teacher", choices.work / "student"
    if not (teacher / "config.json").is_file():
        teacher.mkdir(parents=True, exist_ok=True)
        train_teacher(corpus, teacher, choices.teacher_minutes)
    left, look_ahead = distill.parse_band(choices.band)
    options = distill.DistillOptions(left, look_ahead, steps=choices.steps, crop_seconds=4.0, learning_rate=1e-3)
    clips = load_speech(choices.data)
    head = nn.Linear(SMALL["hidden_size"], len(PHONEMES))
    head.load_state_dict(torch.load(teacher / "phoneme_layer.pt", weights_only=True))
    work = distill.Distillation(teacher, clips, options)
    figures = {
        "accuracy_teacher": accuracy(work, corpus, head, student=False),
        "accuracy_before": accuracy(work, corpus, head, student=True),
    }
    began = time.process_time()
    report = distill.run(
        teacher, clips, options, out, (out / distill.STATE).is_file(), lambda line: print(line, flush=True)
    )
    figures["distill_cpu_seconds"] = time.process_time() - began
    work.student = load_pretrained(out).eval()
    figures["accuracy_after"] = accuracy(work, corpus, head, student=True)
    for name in ("error", "cosine"):
        figures |= {f"{name}_{when}": report[when][name] for when in ("before", "after")}
    print(json.dumps(report["options"]))
    measure.finish("distillation", figures, choices.json)


if __name__ == "__main__":
    main()
