#!/usr/bin/env bash
# Sets up, builds and tests pulmoseg: what a developer runs before a commit, and what CI runs.
#   bash scripts/test.sh [release|asan|inference-only|training-only] [ctest options]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=release
if [[ ${1:-} =~ ^[a-z] ]]; then preset=$1; shift; fi

if [ "$preset" = inference-only ]; then export PULMOSEG_TRAINING=OFF; fi  # setup.sh then leaves LibTorch out
bash scripts/setup.sh --tests
bash scripts/build.sh "$preset"
ctest --test-dir "build/$preset" --output-on-failure --parallel 2 "$@"
