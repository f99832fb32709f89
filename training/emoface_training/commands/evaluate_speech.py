"""Command `emoface eval-speech`."""

from __future__ import annotations

import argparse
import json

from emoface.cli.options import add_threads

ENERGY_CLIPS = 300


def register(subparsers: argparse._SubParsersAction) -> None:
    """Add the command. Nothing heavy is imported before it runs."""
    parser = subparsers.add_parser(
        "eval-speech",
        help="measure a model on recorded speech",
        description="Align recordings with PocketSphinx, animate them, and print how the mouth follows the aligned "
        "phonemes: closed and falsely closed lips, tucked lip, pauses, flutter, timing. The transcript is FILE.txt "
        "beside FILE.wav, or --text; without one the recogniser decides what is said. --alignment gives the phonemes' "
        "times instead.",
    )
    parser.add_argument("model", metavar="PACKAGE|CHECKPOINT", help='such as "default" or RUN/stage_b')
    parser.add_argument("sounds", nargs="+", metavar="WAV")
    parser.add_argument("--text", help="what is said, for a single WAV")
    parser.add_argument(
        "--pronounce", action="append", default=[], metavar="WORD=SOUNDS", help="for example 'malia=M AH L IY AH'"
    )
    parser.add_argument(
        "--alignment", metavar="FILE.json", help="texts and phonemes' times by name of the sound: see docs/measures.md"
    )
    parser.add_argument("--emotion", default="auto", help="auto (default), or the class that the model is told")
    parser.add_argument("--level", choices=("normal", "strong"), default="normal")
    parser.add_argument(
        "--corpus", metavar="DIR", help="fit the energy baseline on it, and say which emotion the face shows"
    )
    parser.add_argument(
        "--disturbed",
        action="store_true",
        help="also with an offset, at a low level, with babble and with music behind",
    )
    parser.add_argument("--events", action="store_true", help="list every judged phoneme")
    add_threads(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object to stdout")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from emoface_training.clips.store import ClipStore
    from emoface_training.data.corpus import Corpus
    from emoface_training.data.synthetic.rig import Rig
    from emoface_training.errors import OptionsError
    from emoface_training.evaluation import on_recordings
    from emoface_training.evaluation.given_alignment import read_alignments
    from emoface_training.evaluation.measured_models import open_model
    from emoface_training.loop.processes import use_threads
    from emoface_training.vocabulary import EMOTIONS

    if args.text is not None and len(args.sounds) > 1:
        raise OptionsError(
            f"--text with {len(args.sounds)} sounds", "one", "Put each text into a .txt beside its sound."
        )
    if args.alignment and (args.text is not None or args.pronounce):
        raise OptionsError(
            "--alignment with --text or --pronounce", "one of them", "An alignment holds texts and phonemes."
        )
    if args.emotion not in ("auto", *EMOTIONS):
        raise OptionsError(
            f"--emotion {args.emotion!r}", f"auto or one of {', '.join(EMOTIONS)}", "Choose one of them."
        )
    use_threads(args.threads)
    model = open_model(args.model)
    said = dict(_pronunciation(item) for item in args.pronounce)
    given = read_alignments(args.alignment) if args.alignment else None
    recordings = [on_recordings.read_recording(sound, args.text, said, given) for sound in args.sounds]
    train = []
    if args.corpus:
        references = Corpus.open(args.corpus).clips("train")
        some = references[:: max(1, len(references) // ENERGY_CLIPS)]
        train = ClipStore.load(some, model.fps, len(model.styles)).clips
    report = on_recordings.evaluate(model, Rig.load(), recordings, args.emotion, args.level, train, args.disturbed)
    print(json.dumps(report) if args.json else on_recordings.table(report, args.events))
    return 0


def _pronunciation(item: str) -> tuple[str, str]:
    from emoface_training.data.synthetic.phonemes import PHONEME_INDEX, SIL
    from emoface_training.errors import OptionsError

    word, _, sounds = item.partition("=")
    names = sounds.upper().split()
    if not word or not names or not set(names) <= set(PHONEME_INDEX) - {SIL}:
        raise OptionsError(f"--pronounce {item!r}", "WORD=SOUNDS in ARPAbet without stress", "Write 'hue=HH Y UW'.")
    return word.lower(), " ".join(names)
