#!/usr/bin/env bash
# Makes the pictures of what delays cost, with their data, and the findings' tables.
#   scripts/costs.sh                                    synthetic sweeps and the golden reference network, into docs/costs
#   scripts/costs.sh NETWORK SPIKES [PLATFORM]          the sweeps and a network of your own
set -euo pipefail
case "${1:-}" in -h|--help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
cd "$(dirname "$0")/.."
cargo run -q --release -p testbenches --example delay_costs -- docs/costs "$@"
