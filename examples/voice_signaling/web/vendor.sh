#!/usr/bin/env bash
# Distributed under the Boost Software License, Version 1.0. See LICENSE.
# Bundles vendor/ from the packages that package-lock.json names, so that the page needs neither npm nor
# a build step to run. Usage: vendor.sh [directory to write to, default vendor/ beside this script]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:-$here/vendor}"
target=$(cd "${1:-$here/vendor}" && pwd)

# Elsewhere, so that node_modules never lies among the files that are served.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$work"
cd "$work"
npm ci --silent --no-audit --no-fund --ignore-scripts

# Only what the page uses; the rest is left out of the bundle.
echo "export { Device } from 'mediasoup-client';" >entry.js
node_modules/.bin/esbuild entry.js --bundle --minify --format=esm --target=es2022 --platform=browser \
    --legal-comments=none --metafile=meta.json --log-level=warning \
    --outfile="$target/mediasoup-client.js"

# The licence of every package of which something is in the bundle.
node - "$target/mediasoup-client.LICENSE.txt" <<'EOF'
const fs = require('node:fs');
const inputs = Object.keys(JSON.parse(fs.readFileSync('meta.json')).inputs);
const folders = new Set(inputs.map((path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]));
folders.delete(undefined);
const parts = [...folders].sort().map((folder) => {
  const { name, version, license } = JSON.parse(fs.readFileSync(`${folder}/package.json`));
  const file = fs.readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
  const text = file ? fs.readFileSync(`${folder}/${file}`, 'utf8').trim() : '(no licence file)';
  return `${name} ${version} (${license})\n\n${text.replaceAll('\r\n', '\n')}\n`;
});
fs.writeFileSync(process.argv[2], parts.join(`\n${'-'.repeat(80)}\n\n`));
EOF
