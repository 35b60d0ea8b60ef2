#!/usr/bin/env bash
# One training step against PyTorch, in alternating rounds on the same inputs and weights.
#   scripts/bench_trainer.sh [--rounds N] [--quick]
# PyTorch (the CPU build will do) is taken from the Python in $PYTHON, default python3:
#   python3 -m venv /tmp/torch && /tmp/torch/bin/pip install torch numpy safetensors
#   PYTHON=/tmp/torch/bin/python scripts/bench_trainer.sh
set -euo pipefail
cd "$(dirname "$0")/.."
case "${1:-}" in -h|--help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
cargo build --quiet --release -p model --example train_step
exec "${PYTHON:-python3}" scripts/bench_trainer.py target/release/examples/train_step "$@"
