#!/usr/bin/env bash
# The compiled simulator of hw/rtl against Verilator: the same design, stimulus and outputs, alternating in one run.
#   scripts/bench_rtl.sh [ROUNDS [PART]]    5 rounds, of one PART-th of the cycles, by default all
# A copy is an accumulator ring of 64 slots for 64 neurons and 64 time-multiplexed LIF neurons. "sparse": each copy gets
# events a 64th of the time. Prints Mcycle/s (median of the rounds), the ratios with their spread, and the time to the
# first cycle. Single thread. Verilator -O3 --x-assign fast --x-initial fast --noassert, C++ -O3 -march=native; ours
# without checks, and once more with all of them (properties, addresses, sleep). Exit 1 where output hashes differ.
# $BENCH_RTL is our side where it is built already, as by the tests: target/debug/examples/bench_rtl.
set -euo pipefail
case "${1:-}" in -h|--help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
rounds="${1:-5}" part="${2:-1}"
command -v verilator >/dev/null || { echo "needs Verilator: scripts/setup.sh rtl" >&2; exit 2; }
root="$(cd "$(dirname "$0")/.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$root"
ours="${BENCH_RTL:-}"
[ -n "$ours" ] || { cargo build --quiet --release -p rtl --example bench_rtl; ours=target/release/examples/bench_rtl; }
ours="$(realpath "$ours")"

echo "# $(verilator --version), $(rustc --version), $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg)"
declare -A build
for copies in 1 4 64; do
  dir="$work/x$copies"; mkdir "$dir"
  "$ours" emit "$copies" "$dir"
  start=$(date +%s.%N)
  (cd "$dir"
   verilator -cc -O3 --x-assign fast --x-initial fast --noassert --top-module "bench_copies$copies" -Wno-fatal \
     --prefix Vbench --exe "$root/scripts/bench_rtl.cpp" -Mdir built -o bench ./*.v
   make -s -j2 -C built -f Vbench.mk OPT_FAST="-O3 -march=native" OPT_SLOW="-O3 -march=native" \
     OPT_GLOBAL="-O3 -march=native") > "$dir/log" 2>&1 || { cat "$dir/log" >&2; exit 2; }
  build[$copies]=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
done

for round in $(seq "$rounds"); do
  for case in "1 all 6000000" "4 all 3000000" "64 all 150000" "1 sparse 8000000" "4 sparse 4000000" "64 sparse 400000"; do
    read -r copies load cycles <<< "$case"
    cycles=$((cycles / part))
    for engine in verilator jit checked interpreter; do
      case $engine in
        verilator) out=$("$work/x$copies/built/bench" "$load" "$cycles") ;;
        interpreter) # slow: fewer cycles, so no hash to compare, and once is enough
          [ "$round" = 1 ] || continue
          out=$("$ours" run "$copies" "$load" $((cycles / 50)) interpreter) ;;
        *) out=$("$ours" run "$copies" "$load" "$cycles" "$engine") ;;
      esac
      echo "x$copies-$load $engine ${build[$copies]} $out"
    done
  done
done > "$work/results"

awk '
  function median(list, n,   i, j, t, v) {
    split(list, v, " ")
    for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j] + 0 < v[j-1] + 0; j--) { t = v[j]; v[j] = v[j-1]; v[j-1] = t }
    low = v[1]; high = v[n]
    return v[int((n + 1) / 2)]
  }
  {
    speed = $5 / $6 / 1e6
    if (!($1 in seen)) { order[++designs] = $1; seen[$1]; build[$1] = $3 }
    speeds[$1, $2] = speeds[$1, $2] " " speed; n[$1, $2]++
    if ($2 == "verilator") { base = speed; hash = $4 }
    else if ($2 != "interpreter") {
      ratios[$1, $2] = ratios[$1, $2] " " speed / base
      if ($4 != hash) { print "output hashes differ: " $0 > "/dev/stderr"; bad = 1 }
    }
    if ($2 == "jit") first[$1] = first[$1] " " $7 * 1000
  }
  END {
    print "| design | Verilator Mcycle/s | JIT | JIT checked | interpreter | JIT / Verilator (min..max) | checked / Verilator | first cycle ms (min) | Verilator build s |"
    print "|---|---|---|---|---|---|---|---|---|"
    for (i = 1; i <= designs; i++) {
      d = order[i]
      printf "| %s | %.3g | %.3g | %.3g | %.3g", d, median(speeds[d, "verilator"], n[d, "verilator"]), median(speeds[d, "jit"], n[d, "jit"]), median(speeds[d, "checked"], n[d, "checked"]), median(speeds[d, "interpreter"], n[d, "interpreter"])
      m = median(ratios[d, "jit"], n[d, "jit"]); printf " | %.2f (%.2f..%.2f)", m, low, high
      m = median(ratios[d, "checked"], n[d, "checked"]); printf " | %.2f (%.2f..%.2f)", m, low, high
      m = median(first[d], n[d, "jit"]); printf " | %.1f (%.1f)", m, low
      printf " | %s |\n", build[d]
    }
    exit bad
  }' "$work/results"
