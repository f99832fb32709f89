#!/usr/bin/env bash
# Environments with the frameworks of integrations/, apart from the project's own, which they must not bind to versions.
#
#   .ci/agent_environments.sh pipecat|livekit
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1-} in
    pipecat) packages=("pipecat-ai==1.14.0" "pillow>=10.1") ;;
    livekit) packages=("livekit-agents==1.8.9" "pillow>=10.1") ;;
    *) echo "usage: $0 pipecat|livekit" >&2; exit 2 ;;
esac
folder=build/agents-$1
[ -x "$folder/bin/python" ] || python3 -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" \
    "numpy>=1.26" "onnxruntime>=1.25" "soundfile>=0.12"
touch "$folder/ready"
