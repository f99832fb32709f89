#!/usr/bin/env bash
# Build Console.exe with Mono's compiler into a folder (default: build/csharp). With .NET: `dotnet run` (Console.csproj).
#
#   examples/csharp/Console/build.sh [FOLDER]
#   LD_LIBRARY_PATH=folder-of-libemoface mono build/csharp/Console.exe default.emoface speech.wav
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../../build/csharp}
mkdir -p "$out"
mcs -langversion:7.2 -unsafe -warnaserror -out:"$out/Console.exe" \
    "$here"/../../../bindings/unity/Runtime/Core/*.cs "$here"/*.cs
echo "$out/Console.exe"
