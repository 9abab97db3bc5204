#!/bin/sh
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# One program as the README installs it, without the others: it runs, and the page that it has in the
# sources is there. Usage: install_test.sh CMAKE BUILD PROGRAM SOURCE PREFIX, which is emptied first.
set -eu
cmake=$1 build=$2 program=$3 source=$4 prefix=$5

rm -rf "$prefix"
"$cmake" --install "$build" --component "$program" --prefix "$prefix"
"$prefix/bin/$program" --version
found=$(cd "$prefix" && echo bin/* share/*/*/index.html)
expected="bin/$program share/*/*/index.html"
[ ! -e "$source/web" ] || expected="bin/$program share/$program/web/index.html"
[ "$found" = "$expected" ] || {
    echo "expected $expected, found $found" >&2
    exit 1
}
