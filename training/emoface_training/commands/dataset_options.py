"""Options of the commands that read a dataset."""

from __future__ import annotations

import argparse

KINDS = ("vocaset-raw", "vocaset", "biwi", "ravdess", "synthetic")


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", choices=KINDS, help="layout of the dataset (default: found out)")
    parser.add_argument("--masks", metavar="FILE", help="masks of a recorded dataset: see docs/datasets.md")
    parser.add_argument(
        "--partial", action="store_true", help="leave out missing subjects and takes with problems instead of refusing"
    )
