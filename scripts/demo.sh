#!/usr/bin/env bash
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Sets up a fresh Debian 12 machine, builds the consent broker, and shows a handshake happen.
# Arguments go to `consent-broker demo`.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh demo
echo "Building the consent broker (some minutes the first time)"
cmake --preset release -DPARLEY_BUILD_TESTS=OFF -DPARLEY_BUILD_BENCHMARKS=OFF >/dev/null
cmake --build --preset release --target consent-broker
echo
exec build/examples/consent_broker/consent-broker demo "$@"
