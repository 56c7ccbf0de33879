#!/usr/bin/env bash
# Configures and builds one of the presets of CMakePresets.json.
#   bash scripts/build.sh [PRESET [TARGET ...]]      default: release, everything
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:-release}
shift || true

log=$(mktemp)
trap 'rm -f "$log"' EXIT
cmake --preset "$preset" -Wno-dev >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
cmake --build "build/$preset" ${1:+--target "$@"}
