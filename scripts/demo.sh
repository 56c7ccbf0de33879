#!/usr/bin/env bash
# The whole road on the 36 CC0 chest-CT slices that ship with the project: prepare, train, evaluate, segment.
#   bash scripts/demo.sh [RESULTS]      results go to demo-results/ unless another folder is named
# Too few slices and too short a training for a good model: it shows that everything works, and what comes out.
set -euo pipefail
results=demo-results
[ $# -eq 0 ] || results=$(realpath -m -- "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
size=${PULMOSEG_DEMO_SIZE:-128}
epochs=${PULMOSEG_DEMO_EPOCHS:-24}

for folder in dataset run evaluation masks; do
  if [ -e "$results/$folder" ] && ! [ -f "$results/.demo" ]; then
    echo "$results: holds a $folder/ that this demo did not make; name another folder for its results" >&2
    exit 1
  fi
done

say() { printf '\n== %s\n' "$*"; }

say "Set-up"
bash scripts/setup.sh
say "Build"
bash scripts/build.sh release pulmoseg
export PATH="$PWD/build/release/src/cli:$PATH"

say "Pretrained chest-CT backbone"
init=(--init .deps/backbone.pth)
if ! [ -f .deps/backbone.pth ] && ! bash scripts/fetch_backbone.sh .deps/backbone.pth; then
  echo "Goes on from random weights, because the backbone cannot be had: expect a much lower Dice"
  init=()
fi

mkdir -p "$results"
touch "$results/.demo"
rm -rf "$results"/{dataset,run,evaluation,masks}

say "Prepare: 36 slices to $size x $size arrays"
pulmoseg prepare --image data/medseg/tr_im.nii.gz --lesion-mask data/medseg/tr_mask.nii.gz --unrelated-slices \
  --size "$size" "$results/dataset"

say "Train: $epochs epochs"
pulmoseg train "$results/dataset" --run "$results/run" "${init[@]}" --epochs "$epochs"

say "Evaluate: the test slices"
pulmoseg evaluate "$results/run" "$results/dataset" --out "$results/evaluation"

say "Segment: the original 512 x 512 file"
pulmoseg segment data/medseg/tr_im.nii.gz --model "$results/run" --out "$results/masks"

say "Look at"
cat <<END
$results/run/history.png           loss curves
$results/evaluation/metrics.json   Dice, IoU, precision, recall, … on slices that the training did not see
$results/evaluation/roc.png        ROC curve
$results/evaluation/figures/       CT, truth, prediction: best, median, worst and random slices
$results/masks/                    the mask on the input's own grid, its measurements, an overlay picture
Research use only. Not a medical device.
END
