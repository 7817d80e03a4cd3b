#!/usr/bin/env bash
# Makes the house pack of what the trainings left under runs/, measures it, and writes its card.
# What was not trained anew stays as the pack has it.
# usage: ./house.sh MEDIA TEACHERS    MEDIA holds faces-train, lfw-dev, lfw-dev-pairs.csv and nuaa-dev, TEACHERS the public weights
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
media=$(realpath "${1:?usage: house.sh MEDIA TEACHERS}")
teachers=$(realpath "${2:?usage: house.sh MEDIA TEACHERS}")
runs=$(realpath "${RUNS:-runs}")
mkdir -p "$runs/detector"
python=${PYTHON:-python3}
house=$(realpath ../packs/house)
doorctl() { ${DOORCTL:-cargo run --quiet --all-features --bin doorctl --} "$@"; }

doorctl pack build "$house" --weights "$runs/detector" --weights "$runs/embedding" --weights "$runs/liveness" \
  --weights "$house" --pairs "$media/lfw-dev-pairs.csv" --images "$media/lfw-dev" \
  --data "development subset of LFW: 1,632 people, 3,778 images" \
  --bona-fide "$media/nuaa-dev/live" --attack "print=$media/nuaa-dev/print" \
  --liveness-data "NUAA photograph imposter database, subjects 0001 to 0008" --out "$house" --replace
doorctl evaluate pairs "$media/lfw-dev-pairs.csv" --images "$media/lfw-dev" --all-impostors --models "$house" --json \
  >"$runs/pairs.json"
doorctl evaluate pad --bona-fide "$media/nuaa-dev/live" --attack "print=$media/nuaa-dev/print" \
  --models "$house" --calibration "$runs/liveness.toml" --json >"$runs/presentation.json"
doorctl bench packs recommended "$house" --rounds 100 >"$runs/speed.txt"
score=$(sed -n 's/^score_min = //p' "$house/recipe.toml")
"$python" detector.py measure "$house/detector.onnx" --teachers "$teachers" --pictures "$media/lfw-dev" --every 4 \
  --faces "$media/faces-train" --frames 2000 --empty "$media/nuaa-dev" --score-min "$score" \
  --out "$runs/detector/measured.json"
"$python" card.py --runs "$runs" --out "$house"
