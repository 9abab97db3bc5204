#!/usr/bin/env bash
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Sets up a fresh Debian 12 machine, builds a program, and shows it at work: without a name, the
# consent broker's handshakes; with `tables`, the table editor, and with `voice`, push-to-talk, in a
# browser. Usage: scripts/demo.sh [broker|tables|voice] [options of the program's `demo`]
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
    tables) program=table-editor folder=table_editor && shift ;;
    voice) program=voice-signaling folder=voice_signaling && shift ;;
    broker) program=consent-broker folder=consent_broker && shift ;;
    -* | '') program=consent-broker folder=consent_broker ;;
    *) echo "unknown demo '$1'; there are: broker, tables, voice" >&2 && exit 2 ;;
esac

scripts/setup.sh demo
echo "Building $program (some minutes the first time)"
cmake --preset release -DPARLEY_BUILD_TESTS=OFF -DPARLEY_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build --preset release --target "$program"
echo
exec "build/examples/$folder/$program" demo "$@"
