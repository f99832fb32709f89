#!/usr/bin/env bash
# What a deployer's CI does: profile the package in use and a candidate on the same machine, and fail if it got worse.
#
#     examples/profile_and_compare.sh [BEFORE.emoface] [AFTER.emoface] [FOLDER]
#
# Set SECONDS_OF_AUDIO for longer runs (60 gives a p99 worth the name) and LIMIT for another tolerance. Exit codes: 0 no
# regression, 1 regression, else an error of the command.
set -euo pipefail

before=${1:-default}
after=${2:-default}
folder=${3:-profile}
seconds=${SECONDS_OF_AUDIO:-60}
limit=${LIMIT:-10%}
emoface=${EMOFACE:-emoface}

mkdir -p "$folder"
# One block of 40 ms per step; the same settings for both, or the comparison is refused.
common=(--seconds "$seconds" --block-ms 40 --threads 1)

"$emoface" profile "$before" "${common[@]}" --json "$folder/before.json"
echo
"$emoface" profile "$after" "${common[@]}" --json "$folder/after.json" \
    --trace "$folder/after.trace.json" --plot "$folder/after.png"
echo
# The trace opens in https://ui.perfetto.dev; the picture shows the steps' durations.
"$emoface" profile --diff "$folder/before.json" "$folder/after.json" --fail-above "$limit" --json "$folder/diff.json"
