#!/bin/sh
# Speed of the simulator in CPU time, each loop in turn with its rivals, five times; the table gives medians.
# The functional floor is the plain C program floor.c in $DELAYLINE_BENCH (default: `bench` beside $DELAYLINE_DATA);
# where it is not there, our own floor in Rust stands alone.
#   scripts/bench_sim.sh [ROUNDS]
set -eu
cd "$(dirname "$0")/.."
data=${DELAYLINE_DATA:-../shared/data}
bench=${DELAYLINE_BENCH:-$data/../bench}
rounds=${1:-5}
cargo build --release -q -p testbenches --example hot
hot=${CARGO_TARGET_DIR:-target}/release/examples/hot
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
rival=
if [ -f "$bench/floor.c" ]; then
    ${CC:-gcc} -O3 -march=native "$bench/floor.c" -o "$folder/floor"
    "$hot" flatten "$folder/network"
    rival=1
else
    echo "no $bench/floor.c: only our own floor is measured" >&2
fi
for round in $(seq "$rounds"); do
    if [ -n "$rival" ]; then
        # Seconds of one run, from the steps of a sample and the steps a second that it prints.
        "$folder/floor" "$folder/network" 100 | awk '{ print "floor.c", 100, 100 * $8 / ($14 * 1e6), $8 }'
    fi
    "$hot" floor 100
    "$hot" ring-buffer 100
    "$hot" shared-queue 100
    "$hot" mesh 40
    for structure in ring-buffer shared-queue; do
        "$hot" load-$structure 20
        "$hot" writer-$structure 10
        "$hot" vcd-$structure 10
        "$hot" cores-1-$structure 1000
        "$hot" cores-256-$structure 4
    done
    echo "round $round of $rounds" >&2
done >"$folder/runs"
sort "$folder/runs" | awk '
    function median(name,   n, i, j, t, a) {
        n = count[name]
        for (i = 1; i <= n; i++) a[i] = value[name, i]
        for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
        return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
    }
    { value[$1, ++count[$1]] = $3 / $2; work[$1] = $4; if (count[$1] == 1) names[++n] = $1 }
    function rate(name) { return work[name] / median(name) }
    function ratio(what, a, b) { if (a in work && b in work) printf "%-60s %8.2f\n", what, rate(a) / rate(b) }
    END {
        printf "%-28s %12s %14s %16s\n", "loop", "ms a run", "work of a run", "million a CPU s"
        for (i = 1; i <= n; i++)
            printf "%-28s %12.3f %14d %16.2f\n", names[i], 1000 * median(names[i]), work[names[i]], rate(names[i]) / 1e6
        print ""
        for (i = 1; i <= 2; i++) {
            s = i == 1 ? "ring-buffer" : "shared-queue"
            ratio(s " / floor.c", s, "floor.c")
            ratio(s " / floor in Rust", s, "floor")
            ratio(s ": everything as VCD / wave writer alone", "vcd-" s, "writer-" s)
            ratio(s ": 1 core / 256 cores, time an event", "cores-1-" s, "cores-256-" s)
        }
    }'
