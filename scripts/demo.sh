#!/usr/bin/env bash
# The main job on the 36 CC0 chest-CT slices that ship with the project: the shipped model finds lung and lesion in them, and is
# measured against the lesions that a radiologist drew.
#   bash scripts/demo.sh [--train] [RESULTS]      results go to demo-results/ unless another folder is named
# With --train also the whole road, which takes longer: a model of one's own from those slices, evaluated and used. Too few
# slices and too short a training for a good one: it shows that everything works, and what comes out.
set -euo pipefail
train= preset=inference-only
if [ "${1:-}" = --train ]; then
  train=yes preset=release
  shift
else
  export PULMOSEG_TRAINING=OFF
fi
results=demo-results
[ $# -eq 0 ] || results=$(realpath -m -- "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
size=${PULMOSEG_DEMO_SIZE:-128}
epochs=${PULMOSEG_DEMO_EPOCHS:-24}
slices=(--image data/medseg/tr_im.nii.gz --lesion-mask data/medseg/tr_mask.nii.gz --unrelated-slices)

made=(masks dataset evaluation own-dataset run own-evaluation own-masks)
for folder in "${made[@]}"; do
  if [ -e "$results/$folder" ] && ! [ -f "$results/.demo" ]; then
    echo "$results: holds a $folder/ that this demo did not make; name another folder for its results" >&2
    exit 1
  fi
done

say() { printf '\n== %s\n' "$*"; }

say "Set-up"
bash scripts/setup.sh
say "Build"
bash scripts/build.sh "$preset" pulmoseg
export PATH="$PWD/build/$preset/src/cli:$PATH"
mkdir -p "$results"
touch "$results/.demo"
for folder in "${made[@]}"; do rm -rf "${results:?}/$folder"; done

say "Segment: lung and lesion in the 512 x 512 file, by the model that ships with the program"
pulmoseg segment data/medseg/tr_im.nii.gz --out "$results/masks"

say "Evaluate: the same model against the lesions that a radiologist drew, slice by slice"
pulmoseg prepare "${slices[@]}" "$results/dataset"
pulmoseg evaluate models/lung-lesion.onnx "$results/dataset" --part all --out "$results/evaluation"

if [ -n "$train" ]; then
  say "Pretrained chest-CT backbone"
  init=(--init .deps/backbone.pth)
  if ! [ -f .deps/backbone.pth ] && ! bash scripts/fetch_backbone.sh .deps/backbone.pth; then
    echo "Goes on from random weights, because the backbone cannot be had: expect a much lower Dice"
    init=()
  fi

  say "Prepare: 36 slices to $size x $size arrays"
  pulmoseg prepare "${slices[@]}" --size "$size" "$results/own-dataset"

  say "Train: $epochs epochs"
  pulmoseg train "$results/own-dataset" --run "$results/run" "${init[@]}" --epochs "$epochs"

  say "Evaluate: the test slices"
  pulmoseg evaluate "$results/run" "$results/own-dataset" --out "$results/own-evaluation"

  say "Segment: the original 512 x 512 file"
  pulmoseg segment data/medseg/tr_im.nii.gz --model "$results/run" --out "$results/own-masks"
fi

say "Look at"
cat <<END
$results/masks/tr_im.png           slices with lung and lesions outlined; beside it the masks and their measurements
$results/masks/tr_im.html          a report of it, for a browser or two A4 pages
$results/evaluation/figures/       CT, reference and prediction: best, median, worst and random slices
$results/evaluation/metrics.json   Dice, IoU, precision, recall, … on slices that the model has never seen
models/README.md                   what the model was trained on, what it is worth, where it fails
END
[ -z "$train" ] || cat <<END
$results/run/history.png           loss curves of your own model
$results/own-evaluation/           the same figures of it, on 6 slices that it did not see
$results/own-masks/                its masks
END
echo "Research use only. Not a medical device."
