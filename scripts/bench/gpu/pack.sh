#!/usr/bin/env bash
# Packs the program, its measurements and onnxruntime's CUDA provider for an x86-64 Linux machine that has a GPU and CUDA's
# libraries, but neither Node nor a network.
#
#   usage: bash scripts/bench/gpu/pack.sh PROVIDER.whl [OUT=.gpu] [ARCHITECTURE=90]      in the project's root, after npm ci
#   there: for archive in OUT/*.tar.xz; do tar xJf $archive; done; OUT=results bash scripts/bench/gpu/measure.sh all
#
# PROVIDER.whl is PyPI's onnxruntime-gpu of package.json's version. Of the provider only the code for one architecture stays
# (90: Hopper). app.tar.xz (Node and packages) and provider.tar.xz change with versions alone, code.tar.xz with the source.
set -euo pipefail
wheel=$(realpath "$1") out=$(realpath -m "${2:-.gpu}") architecture=${3:-90}
mkdir -p "$out"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
here=$(dirname "$(realpath "$0")")
libraries=node_modules/onnxruntime-node/bin/napi-v6/linux/x64

npm run build && npx tsc -p scripts
tar -c --exclude='*.map' --exclude='*.d.ts' dist build bin package.json models.json scripts/bench/gpu test/golden | xz -T0 > "$out/code.tar.xz"
if [ ! -s "$out/app.tar.xz" ]; then
  cp "$(readlink -f "$(command -v node)")" "$work/node"
  strip "$work/node" || true
  npm ls --omit=dev --all --parseable | tail -n +2 | sed "s|^$PWD/||" |
    tar -c --exclude='*.map' --exclude='*musl*' --exclude='*/darwin' --exclude='*/win32' --exclude='*/linux/arm64' -T - -C "$work" node |
    xz -T0 > "$out/app.tar.xz"
fi
if [ ! -s "$out/provider.tar.xz" ]; then
  mkdir -p "$work/$libraries"
  unzip -q -j "$wheel" 'onnxruntime/capi/libonnxruntime_providers_cuda.so' 'onnxruntime/capi/libonnxruntime_providers_shared.so' -d "$work/$libraries"
  python3 "$here/keep_architecture.py" "$work/$libraries/libonnxruntime_providers_cuda.so" "$architecture"
  tar -C "$work" -c "$libraries" | xz -T0 > "$out/provider.tar.xz"
fi
ls -l "$out"
