#!/usr/bin/env bash
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Installs the Debian 12 packages that parley needs. Usage: scripts/setup.sh demo|test|worker
# As root, or as a user with sudo. Does nothing when they are all there. `test` includes `worker`, unless
# PARLEY_SKIP_MEDIASOUP=1, or PARLEY_MEDIASOUP_WORKER is set, wherever it points.
set -euo pipefail

packages=(g++ cmake ninja-build ccache
          libboost1.81-dev libboost-json1.81-dev libcrypto++-dev libsoci-dev libsqlite3-dev
          libpq-dev libhiredis-dev libssl-dev libcli11-dev libspdlog-dev)
# What scripts/mediasoup-worker.sh builds mediasoup's worker with.
worker_packages=(g++ cmake ninja-build ccache pkg-config openssl libssl-dev libuv1-dev libsrtp2-dev
                 libusrsctp-dev libabsl-dev nlohmann-json3-dev)
case "${1:-}" in
    demo) ;;
    worker)
        packages=("${worker_packages[@]}")
        command -v npm >/dev/null || packages+=(npm)
        ;;
    test)
        packages+=(libboost-test1.81-dev libbenchmark-dev clang-16 clang-format clang-tidy-16
                   libclang-rt-16-dev python3 python3-websockets python3-cryptography openssl
                   sqlite3 postgresql redis-server chromium curl git)
        # A newer Node.js than Debian's serves as well.
        command -v node >/dev/null || packages+=(nodejs)
        command -v npm >/dev/null || packages+=(npm)
        if [ "${PARLEY_SKIP_MEDIASOUP:-}" != 1 ] && [ -z "${PARLEY_MEDIASOUP_WORKER:-}" ]; then
            packages+=("${worker_packages[@]}")
        fi
        ;;
    *)
        echo "usage: scripts/setup.sh demo|test|worker" >&2
        exit 2
        ;;
esac

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "These packages are missing, and there is no sudo: run as root" >&2
        echo "    apt-get install ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "Installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
