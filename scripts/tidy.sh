#!/usr/bin/env bash
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Runs clang-tidy over the programs, which between them use every header.
# Usage: scripts/tidy.sh [file ...]
set -euo pipefail
cd "$(dirname "$0")/.."

files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(git ls-files 'examples/*.cpp' 'benchmarks/*.cpp')

# The compile commands of the release build name GCC's precompiled headers, which clang cannot read.
flags=(-std=c++20 -Iinclude -I. -isystem "$(pg_config --includedir)" -Wall -Wextra)
for name in CONSENT_BROKER_VERSION TABLE_EDITOR_VERSION TABLE_EDITOR_WEB VOICE_SIGNALING_VERSION \
    VOICE_SIGNALING_WEB; do
    flags+=("-D$name=\"\"")
done

printf '%s\0' "${files[@]}" | xargs -0 -P "$(nproc)" -I{} sh -c '
    file=$1
    shift
    clang-tidy-16 --quiet "$file" -- "$@" 2>/dev/null && echo "clang-tidy: $file: clean"' sh {} "${flags[@]}"
