#!/usr/bin/env bash
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Refreshes vendor/ from the packages that package-lock.json names, so that the page needs neither npm
# nor a build step to run. Usage: vendor.sh [directory to write to, default vendor/ beside this script]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here/vendor}

# Elsewhere, so that node_modules never lies among the files that are served.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$work"
(cd "$work" && npm ci --silent --no-audit --no-fund --ignore-scripts)

package=$work/node_modules/tabulator-tables
mkdir -p "$target/tabulator"
install -m 644 "$package/LICENSE" "$package/dist/js/tabulator_esm.min.js" \
    "$package/dist/css/tabulator.min.css" "$target/tabulator/"
