#!/usr/bin/env bash
# Configures and builds one of the presets of CMakePresets.json (default: release), and nothing else.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
preset=${1:-release}
cmake --preset "$preset" -Wno-dev >"build-configure.log" 2>&1 || { cat build-configure.log >&2; exit 1; }
rm -f build-configure.log
cmake --build --preset "$preset"
