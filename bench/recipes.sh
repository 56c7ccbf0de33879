#!/usr/bin/env bash
# Time to accuracy: recipe fast for 15 minutes against recipe original for 30, from the pretrained backbone, two seeds, and
# recipe fast for 30 minutes from random weights; pooled lesion Dice on the validation part of a patient-wise fold. Needs a
# machine with nothing else to do for two and a half hours; what is finished is not trained again. PULMOSEG_RECIPE_MINUTES
# (15) is the time of recipe fast, half of that of the others.
#   bash bench/recipes.sh DATASET RESULTS [FOLD]      DATASET: 256x256, from `pulmoseg prepare`; FOLD 1/5
set -euo pipefail
dataset=$(realpath -- "$1") results=$(realpath -m -- "$2") fold=${3:-1/5} minutes=${PULMOSEG_RECIPE_MINUTES:-15}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/build/bench/src/cli:$PATH"
bash scripts/fetch_backbone.sh .deps/backbone.pth
mkdir -p "$results"

# Both recipes in the same number format, so that the difference is the recipe's. A run that was interrupted is trained anew.
precision=$(grep -q 'avx512_bf16\|amx_bf16' /proc/cpuinfo && echo bf16 || echo fp32)
train() {
  local name=$1
  shift
  if [ ! -e "$results/$name" ]; then
    rm -rf "$results/$name.partial"
    pulmoseg train "$dataset" --run "$results/$name.partial" --split patient --fold "$fold" --split-seed 0 \
      --precision "$precision" "$@"
    mv "$results/$name.partial" "$results/$name"
  fi
  [ -f "$results/$name-validation/metrics.json" ] ||
    pulmoseg evaluate "$results/$name" "$dataset" --part validation --out "$results/$name-validation"
}

twice=$(awk "BEGIN {print 2 * $minutes}")
for seed in 0 1; do
  train "fast-$seed" --recipe fast --seed "$seed" --init .deps/backbone.pth --max-minutes "$minutes"
  train "original-$seed" --recipe original --seed "$seed" --init .deps/backbone.pth --max-minutes "$twice"
done
train fast-random --recipe fast --epochs 6 --max-minutes "$twice"

build/bench/bench/bench_draw_histories "$results/recipes.png" \
  "$(basename "$dataset"), patient-wise fold $fold, validation part; images of recipe fast grow, so its first points are of smaller ones" \
  "original, seed 0=$results/original-0" "original, seed 1=$results/original-1" "fast, seed 0=$results/fast-0" \
  "fast, seed 1=$results/fast-1" "fast, random weights=$results/fast-random"
for name in fast-0 original-0 fast-1 original-1 fast-random; do
  python3 - "$name" "$results/$name-validation/metrics.json" <<'END'
import json, sys
metrics = json.load(open(sys.argv[2]))
print(f"{sys.argv[1]}: pooled Dice {metrics['pooled']['dice']:.4f} on {metrics['slices']} validation slices")
END
done
echo "$results/recipes.png"
