#!/usr/bin/env bash
# Recipe robust against 2-D nnU-Net: the same slices, patients, wall time and cores, lesion Dice on the test part of a
# patient-wise fold. Ours starts from a backbone that was pretrained on chest CT, nnU-Net from random weights, the only ones
# that it has; ours from random weights stands beside them. What is finished is not trained again.
#   bash bench/nnunet.sh DATASET RESULTS [FOLD [MINUTES]]     DATASET: 256x256, from `pulmoseg prepare`; FOLD 1/5; MINUTES 30
set -euo pipefail
dataset=$(realpath -- "$1") results=$(realpath -m -- "$2") fold=${3:-1/5} minutes=${4:-30}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/build/bench/src/cli:$PATH"
bash scripts/fetch_backbone.sh .deps/backbone.pth
bash bench/setup_python.sh nnunet
mkdir -p "$results"

train() {
  local name=$1
  shift
  if [ ! -e "$results/$name" ]; then
    rm -rf "$results/$name.partial"
    pulmoseg train "$dataset" --run "$results/$name.partial" --recipe robust --classes lung+lesion --split patient --fold "$fold" \
      --split-seed 0 --max-minutes "$minutes" "$@"
    mv "$results/$name.partial" "$results/$name"
  fi
  [ -f "$results/$name-test/metrics.json" ] ||
    pulmoseg evaluate "$results/$name" "$dataset" --part test --out "$results/$name-test"
}

train pretrained --init .deps/backbone.pth
train random
[ -f "$results/nnunet-test.json" ] ||
  .deps/peers/bin/python bench/nnunet.py "$dataset" "$results/pretrained" "$results" --minutes "$minutes" --part test

python3 - "$results" <<'END'
import json, pathlib, sys
results = pathlib.Path(sys.argv[1])
for name, start in (("pretrained", "chest-CT backbone"), ("random", "random weights")):
    metrics = json.load(open(results / f"{name}-test/metrics.json"))
    print(f"pulmoseg, {start}: pooled {metrics['pooled']['dice']:.4f}, mean case {metrics['case_mean']['dice']:.4f}")
peer = json.load(open(results / "nnunet-test.json"))
print(f"nnU-Net 2-D, random weights: pooled {peer['pooled_dice']:.4f}, mean case {peer['mean_case_dice']:.4f} "
      f"({peer['samples']} samples in {peer['minutes']:.0f} minutes)")
END
