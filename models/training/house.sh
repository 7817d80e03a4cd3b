#!/usr/bin/env bash
# Makes the house pack of what the trainings left under runs/, measures it, and writes its card.
# What was not trained anew stays as the pack has it. Its liveness was calibrated by the training, on simulated captures: NUAA
# measures and nothing else, and a map of its eight people would refuse fifteen of a hundred windows of the living.
# usage: ./house.sh MEDIA TEACHERS    MEDIA holds faces-train, lfw-dev, lfw-dev-pairs.csv and nuaa-dev, TEACHERS the public weights
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
media=$(realpath "${1:?usage: house.sh MEDIA TEACHERS}")
teachers=$(realpath "${2:?usage: house.sh MEDIA TEACHERS}")
runs=$(realpath "${RUNS:-runs}")
mkdir -p "$runs/detector" "$runs/refiner" "$runs/embedding" "$runs/liveness"
python=${PYTHON:-python3}
house=$(realpath ../packs/house)
faces=(--models "$house" --journal "$runs/faces.journal")
doorctl() { ${DOORCTL:-cargo run --quiet --all-features --bin doorctl --} "$@"; }

doorctl pack build "$house" --weights "$runs/detector" --weights "$runs/refiner" --weights "$runs/embedding" \
  --weights "$runs/liveness" --weights "$house" --pairs "$media/lfw-dev-pairs.csv" --images "$media/lfw-dev" \
  --data "development subset of LFW: 1,632 people, 3,778 images" --out "$house" --replace
# What an older pack saw is of no use.
rm -f "$runs/faces.journal"
doorctl evaluate pairs "$media/lfw-dev-pairs.csv" --images "$media/lfw-dev" --all-impostors "${faces[@]}" \
  --data "development subset of LFW: 1,632 people, 3,778 images" --html "$runs/pairs.html"
doorctl evaluate identify "$media/lfw-dev" "${faces[@]}" --data "LFW subset, its persons with fewer pictures as strangers" \
  --html "$runs/identify.html"
doorctl evaluate quality "$media/faces-train" "${faces[@]}" --data "UTKFace, 14,000 pictures" --html "$runs/quality.html"
doorctl evaluate pad --bona-fide "$media/nuaa-dev/live" --attack "print=$media/nuaa-dev/print" --models "$house" \
  --data "NUAA photograph imposter database, subjects 0001 to 0008" --html "$runs/pad.html"
doorctl bench packs recommended "$house" --rounds 100 >"$runs/speed.txt"
read -r proposed score < <(sed -n 's/^score_min = //p' "$house/recipe.toml" | paste -s -d ' ')
"$python" detector.py measure "$house/detector.onnx" --refiner "$house/refiner.onnx" --proposal-min "$proposed" \
  --teachers "$teachers" --pictures "$media/lfw-dev" --every 4 --faces "$media/faces-train" --frames 2000 \
  --empty "$media/nuaa-dev" --score-min "$score" --out "$runs/detector/measured.json"
"$python" liveness.py measure --model "$house/liveness.onnx" --teachers "$teachers" --nuaa "$media/nuaa-dev" \
  --report "$runs/liveness/measured.json"
"$python" card.py --runs "$runs" --out "$house"
doorctl evaluate card "$runs/card.md" --report "$runs/pairs.json" --report "$runs/identify.json" \
  --report "$runs/quality.json" --report "$runs/pad.json" --out "$house/CARD.md"
