#!/usr/bin/env bash
# Counts the gates of each preset's blocks anew: Verilog from `hw verilog`, gates from Yosys (scripts/setup.sh rtl).
#   scripts/gates.sh            loihi and seneca, into sim/gates/
#   scripts/gates.sh P.toml     a platform of your own, into ./P.gates.json for `sim cost --gates`
# Both kinds of core are counted. The Verilog's folder holds a blocks.toml that names each block, its top module and its
# memories (`sim gates --help`).
set -euo pipefail
case "${1:-}" in -h|--help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
root=$(cd "$(dirname "$0")/.." && pwd)
command -v yosys >/dev/null || { echo "yosys is not installed: scripts/setup.sh rtl" >&2; exit 2; }
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

one() { # PLATFORM OUTPUT
  for delays in ring-buffer shared-queue; do
    cargo run -q --release --manifest-path "$root/Cargo.toml" -p hw -- \
      verilog --platform "$1" --delays $delays --output "$work/$delays"
  done
  cargo run -q --release --manifest-path "$root/Cargo.toml" -p sim -- \
    gates "$work/ring-buffer/blocks.toml" "$work/shared-queue/blocks.toml" --platform "$1" --output "$2"
  rm -rf "$work/ring-buffer" "$work/shared-queue"
}
if [ $# -gt 0 ]; then
  one "$1" "$(basename "$1" .toml).gates.json"
else
  for preset in loihi seneca; do one "$preset" "$root/sim/gates/$preset.json"; done
fi
