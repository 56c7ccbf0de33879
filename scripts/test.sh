#!/usr/bin/env bash
# Sets up, builds and tests pulmoseg: what a developer runs before a commit, and what CI runs.
#   bash scripts/test.sh [release|asan|inference-only] [ctest options]      e.g. bash scripts/test.sh release -L slow
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=release
if [[ ${1:-} =~ ^[a-z] ]]; then preset=$1; shift; fi

bash scripts/setup.sh
bash scripts/build.sh "$preset"
if [ $# -eq 0 ]; then set -- --label-exclude slow; fi
ctest --test-dir "build/$preset" --output-on-failure --parallel 2 "$@"
