#!/usr/bin/env bash
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Prints the path of mediasoup's worker, which it fetches and builds (some eight minutes on two cores)
# unless that was done on this machine before. Usage: scripts/mediasoup-worker.sh [--path]
# With --path it only says where the worker is, or will be. What is built stays below
# ${XDG_CACHE_HOME:-~/.cache}/parley. `scripts/setup.sh worker` installs what it takes.
set -euo pipefail

version=3.12.16
integrity=yLk/OBlHKrosfFBWKVGLpAQ55tssQ/9+EteOrt/C5xgS8OHOpGTIIrP0/OFjfCA/lhxAr1xV8qUTXM3D7NGxJA==

here=$(cd "$(dirname "$0")" && pwd)
project=$here/../cmake/mediasoup-worker
compiler=${CXX:-c++}
key=$({ "$compiler" --version; cat "$0" "$project/CMakeLists.txt"; } | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/parley/mediasoup-worker-$version-$key
binary=$cache/mediasoup-worker

say() { echo "mediasoup-worker: $*" >&2; }

# Leaves the package's files in $cache/package.
fetch() {
    local work
    work=$(mktemp -d "$cache/fetch.XXXXXX")
    say "fetching mediasoup $version"
    (cd "$work" && npm pack --silent "mediasoup@$version" >/dev/null) || {
        rm -rf "$work"
        say "npm could not fetch mediasoup $version"
        return 1
    }
    local archive=$work/mediasoup-$version.tgz found
    found=$(openssl dgst -sha512 -binary "$archive" | base64 -w 0)
    if [ "$found" != "$integrity" ]; then
        rm -rf "$work"
        say "mediasoup $version from npm is not what was pinned: expected sha512-$integrity," \
            "found sha512-$found"
        return 1
    fi
    tar -xzf "$archive" -C "$work"
    mv "$work/package" "$cache/package"
    rm -rf "$work"
}

case "${1:-}" in
    --path)
        echo "$binary"
        exit
        ;;
    '') ;;
    *)
        echo "usage: scripts/mediasoup-worker.sh [--path]" >&2
        exit 2
        ;;
esac

if [ ! -x "$binary" ]; then
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock -n 9 || {
        say "another build of it runs; waiting"
        flock 9
    }
fi
# A build that was interrupted goes on where it stood.
if [ ! -x "$binary" ]; then
    [ -d "$cache/package" ] || fetch
    say "building in $cache"
    CXX=$compiler cmake -G Ninja -S "$project" -B "$cache/build" -DCMAKE_BUILD_TYPE=Release \
        "-DPACKAGE=$cache/package" >"$cache/configure.log" || {
        cat "$cache/configure.log" >&2
        exit 1
    }
    cmake --build "$cache/build" >&2
    strip -o "$cache/mediasoup-worker.new" "$cache/build/mediasoup-worker"
    mv "$cache/mediasoup-worker.new" "$binary"
    rm -rf "$cache/build" "$cache/package"
    say "built $binary"
fi
echo "$binary"
