#!/usr/bin/env bash
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Sets up a fresh Debian 12 machine, builds everything, and runs every test: the suites, the
# independent clients, the consumers, the compile errors, the sanitizers, and the format.
# Builds mediasoup's worker too, once a machine, for the release tests that need it;
# PARLEY_SKIP_MEDIASOUP=1 skips them, and PARLEY_MEDIASOUP_WORKER names a worker that is there already.
# Usage: scripts/test.sh [step ...]; a further step, `tidy`, lints. Without steps, in this order:
steps=(release asan tsan format)
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 0 ] || steps=("$@")

scripts/setup.sh test

say() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

declare -A builds=([release]=build [asan]=build-asan [tsan]=build-tsan)

# Builds a preset and runs its tests; more arguments go to ctest.
suite() {
    local preset=$1
    shift
    say "$preset: configure and build"
    cmake --preset "$preset" >/dev/null
    cmake --build --preset "$preset"
    say "$preset: test"
    ctest --preset "$preset" --no-tests=error --parallel "$(nproc)" "$@"
    # What each test runner said at its end.
    grep -hE '^(Running [0-9]+ test|\*\*\* |Ran [0-9]+ test|OK$|. (tests|pass|fail) [0-9]+)' \
        "${builds[$preset]}/Testing/Temporary/LastTest.log"
}

# Says where mediasoup's worker is, to the tests that need it; it is built unless it is there.
find_worker() {
    if [ "${PARLEY_SKIP_MEDIASOUP:-}" = 1 ]; then
        unset PARLEY_MEDIASOUP_WORKER
        say "PARLEY_SKIP_MEDIASOUP=1: the tests that need mediasoup's worker are skipped"
        return
    fi
    [ -z "${PARLEY_MEDIASOUP_WORKER:-}" ] || return 0
    say "mediasoup's worker (some eight minutes the first time; PARLEY_SKIP_MEDIASOUP=1 skips it)"
    PARLEY_MEDIASOUP_WORKER=$(scripts/mediasoup-worker.sh) || {
        echo "mediasoup's worker could not be made: see above. It is fetched with npm, which needs a way to" \
            "its registry; PARLEY_SKIP_MEDIASOUP=1 scripts/test.sh tests without it." >&2
        exit 1
    }
    export PARLEY_MEDIASOUP_WORKER
    echo "$PARLEY_MEDIASOUP_WORKER"
}

for step in "${steps[@]}"; do
    case "$step" in
        release)
            (cd tests/e2e && npm ci --silent --no-audit --no-fund)
            (find_worker; suite release) # under the sanitizers those tests would take too long
            ;;
        asan | tsan) suite "$step" -L sanitized ;;
        format)
            say "format"
            git ls-files '*.hpp' '*.cpp' | xargs clang-format --dry-run --Werror
            echo "clang-format: clean"
            ;;
        tidy)
            say "tidy"
            scripts/tidy.sh
            ;;
        *)
            echo "unknown step '$step'; there are: release asan tsan format tidy" >&2
            exit 2
            ;;
    esac
done
say "all passed"
