#!/usr/bin/env bash
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Runs clang-tidy over the programs, which between them use every header.
# Usage: scripts/tidy.sh [file ...]
set -euo pipefail
cd "$(dirname "$0")/.."

files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(git ls-files 'examples/*.cpp' 'benchmarks/*.cpp')

# The compile commands of the release build name GCC's precompiled headers, which clang cannot read.
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -I{} sh -c '
    clang-tidy-16 --quiet "$1" -- -std=c++20 -Iinclude -I. -DCONSENT_BROKER_VERSION=\"\" -Wall -Wextra 2>/dev/null &&
        echo "clang-tidy: $1: clean"' sh {}
