#!/usr/bin/env bash
# Fetch ONNX Runtime's C and C++ headers from Debian's or Ubuntu's libonnxruntime-dev into FOLDER/include, installing
# nothing. Debian 12 and Ubuntu 24.04 have no such package: it is taken from a later suite (DEBIAN_SUITE), through apt
# sources of its own. Needs no rights but those to write FOLDER.
#
#   .ci/fetch_onnxruntime_headers.sh FOLDER
#   ONNXRUNTIME_ROOT=FOLDER pip install -e .
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
folder=$1
# shellcheck disable=SC1091
distribution=$(. /etc/os-release && echo "$ID")
case $distribution in
    ubuntu) suite=${DEBIAN_SUITE:-resolute} component=universe ;;
    *) suite=${DEBIAN_SUITE:-trixie} component=main distribution=debian ;;
esac
if [ -f "$folder/include/onnxruntime_cxx_api.h" ]; then
    echo "$folder/include: already there"
    exit 0
fi
for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null ||
        { echo "$0 needs $tool (Debian); elsewhere set ONNXRUNTIME_ROOT to an unpacked ONNX Runtime release" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work"/{lists/partial,cache/archives/partial,parts}
# The mirror this machine already uses
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
echo "deb [signed-by=/usr/share/keyrings/$distribution-archive-keyring.gpg] $mirror $suite $component" >"$work/sources.list"
options=(-qq -o "Dir::Etc::SourceList=$work/sources.list" -o "Dir::Etc::SourceParts=$work/parts"
         -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o "APT::Sandbox::User=root")
apt-get "${options[@]}" update
(cd "$work" && apt-get "${options[@]}" download libonnxruntime-dev)
dpkg-deb -x "$work"/libonnxruntime-dev_*.deb "$work/unpacked"
headers=$(find "$work/unpacked" -name onnxruntime_cxx_api.h -printf '%h\n' -quit)
[ -n "$headers" ] || { echo "libonnxruntime-dev of $suite holds no onnxruntime_cxx_api.h" >&2; exit 1; }
mkdir -p "$folder"
cp -r "$headers" "$folder/include.new"
mv "$folder/include.new" "$folder/include" # whole or not at all
echo "$folder/include: $(grep -m1 -oE 'ORT_API_VERSION [0-9]+' "$folder/include/onnxruntime_c_api.h")"
