#!/usr/bin/env bash
# Makes models/lung-lesion.onnx again, with the figures of its card.
#   bash scripts/train_shipped_model.sh COVID20 RESULTS [HU]
# COVID20: rp_im/, rp_msk/, rp_lung_msk/ and cases.csv of Ma et al. (DOI 10.5281/zenodo.3757476), 256x256. HU: a folder with
# ct-64.nrrd, wholeLung-64.nrrd, tb-001.nii.gz, tb-002.nii.gz (needs nibabel, pynrrd and scipy in python3). What is finished in
# RESULTS is not done again.
set -euo pipefail
covid20=$(realpath -- "$1") results=$(realpath -m -- "$2") hu=${3:+$(realpath -- "$3")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v pulmoseg >/dev/null || export PATH="$PWD/build/release/src/cli:$PATH"
model=models/lung-lesion.onnx
[ -f .deps/backbone.pth ] || bash scripts/fetch_backbone.sh .deps/backbone.pth
mkdir -p "$results"

[ -f "$results/covid20/dataset.json" ] ||
  pulmoseg prepare "$covid20" "$results/covid20" --size 256 --hounsfield-window -1250 250
[ -f "$results/medseg/dataset.json" ] ||
  pulmoseg prepare --image data/medseg/tr_im.nii.gz --lesion-mask data/medseg/tr_mask.nii.gz --unrelated-slices "$results/medseg"

# Fold 1 of the cross-validation whose figures stand in docs/evaluation.md.
pulmoseg cross-validate "$results/covid20" --out "$results/folds" --only 1 --recipe robust --classes lung+lesion \
  --init .deps/backbone.pth --split-seed 0 --precision bf16 --threads 2
pulmoseg export "$results/folds/fold-1" --out "$model" --int8 --calibration "$results/covid20" --trainable \
  --licence CC-BY-NC-SA-4.0

for precision in fp32 int8; do
  pulmoseg evaluate "$model" "$results/covid20" --split "$results/folds/fold-1/split.csv" --precision $precision \
    --out "$results/test-$precision" --overwrite
done
# What tests compare the masks of other processors with.
pulmoseg segment data/medseg/tr_im.nii.gz --model "$model" --precision int8 --out "$results/masks" --overwrite
for what in lesion lung; do cp "$results/masks/tr_im_$what.nii.gz" "tests/data/segment/medseg_int8_$what.nii.gz"; done

pulmoseg evaluate "$model" "$results/medseg" --part all --out "$results/medseg-figures" --overwrite
scans=()
segment() {  # FILE WHAT-THE-CARD-CALLS-IT [LUNG-REFERENCE]
  local file=$1 name
  name=$(basename "${file%.nii.gz}" .nrrd)
  pulmoseg segment "$hu/$file" --model "$model" --precision fp32 --out "$results/hu" --overwrite --json >"$results/$name.json"
  scans+=("$results/$name.json" "$2" "$(python3 tests/oracle/lungs.py "$hu/$file" "$results/hu/${name}_lung.nii.gz" "${@:3}")")
}
if [ -n "$hu" ]; then
  segment tb-001.nii.gz "tb-001, tuberculosis, in HU; lung by threshold and fill"
  segment tb-002.nii.gz "tb-002, tuberculosis, in HU; lung by threshold and fill"
  segment ct-64.nrrd "ct-64, no COVID, in HU, 64x64 pixels; lung of its own mask" "$hu/wholeLung-64.nrrd"
fi
python3 scripts/model_facts.py "$results"/test-{fp32,int8}/metrics.json "$results/medseg-figures/metrics.json" "${scans[@]}"
