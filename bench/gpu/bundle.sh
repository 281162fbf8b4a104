#!/usr/bin/env bash
# Gather in .gpu, which git ignores, what a machine lacks that has torch, torchvision, Lightning and
# their kin, but no network: the other packages as wheels, and the pretrained weights.
# bench/gpu/uninstalled.sh uses it there. The machine's Python is 3.12 unless said, on x86-64.
#
#   bench/gpu/bundle.sh [3.12]
set -euo pipefail
cd "$(dirname "$0")/../.."
version=${1:-3.12}
pip=".venv/bin/python -m pip --quiet"
packages=(hydra-core omegaconf pydantic pydantic-core annotated-types typing-inspection cryptography cffi
  pycparser)

platforms=()
for glibc in 17 24 27 28 31 34; do
  platforms+=(--platform "manylinux_2_${glibc}_x86_64")
done
pinned() {  # the pins of these packages: what they want besides is there
  for name in "$@"; do grep "^$name==" constraints.txt; done
}

rm -rf .gpu
mkdir -p .gpu/wheels .gpu/downloads
# shellcheck disable=SC2046
$pip download --no-deps --only-binary=:all: --python-version "$version" --implementation cp \
  "${platforms[@]}" --platform manylinux2014_x86_64 -d .gpu/wheels $(pinned "${packages[@]}")
# shellcheck disable=SC2046
$pip wheel --no-deps -w .gpu/wheels $(pinned antlr4-python3-runtime)  # comes as source alone

for name in $(.venv/bin/python -c 'from dllab.data.weights import all_weights; print(*all_weights())'); do
  .venv/bin/dllab data get "$name"
  cp -r ".cache/downloads/$name" .gpu/downloads/
done
du -sh .gpu
