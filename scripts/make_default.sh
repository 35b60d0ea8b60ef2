#!/usr/bin/env bash
# Makes the default network and image anew, from model/data/digits.npz.
#   scripts/make_default.sh           trains model/data/shd.safetensors, then compiles shd.bin
#   scripts/make_default.sh image     only compiles shd.bin from the network that is there
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-all}" in
  -h|--help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
  all|image) ;;
  *) echo "what is \`$1\`? see --help" >&2; exit 2 ;;
esac
# The split stands in model/data/digits.toml.
if [ "${1:-all}" = all ]; then
  run=$(mktemp -d); trap 'rm -rf "$run"' EXIT
  cargo run --release -q -p model -- train --name shd \
    --class-names zero,one,two,three,four,five,six,seven,eight,nine,null,eins,zwei,drei,vier,fünf,sechs,sieben,acht,neun \
    --input model/data/digits.npz --samples 0..640 --validation 640..720 --test model/data/digits.npz --test-samples 720..880 \
    --hidden 48,48 --delays 60x4 --epochs 60 --integer-epochs 30 --channel-shift 25 --dropout 0.2 \
    --seed 1 --run "$run" --output model/data/shd.safetensors
fi
cargo run --release -q -p compiler -- model/data/shd.safetensors --platform loihi \
  --stimulus model/data/digits.npz --stimulus-samples 740..748 --output shd.bin
