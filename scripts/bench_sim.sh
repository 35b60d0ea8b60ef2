#!/bin/sh
# Every figure of the README's Speed; status 1 where memory exceeds what is promised (timings decide nothing). Loops (testbenches/examples/hot.rs) in CPU time, each in turn with its rivals, five times;
# the tables give medians. Then whole runs of `sim`, once each: seconds, CPU seconds, most memory.
# The functional floor is the plain C program floor.c in $DELAYLINE_BENCH (default: `bench` beside $DELAYLINE_DATA);
# where it is not there, our own floor in Rust stands alone. Whole runs need python3, which sees how much memory they took.
#   scripts/bench_sim.sh [ROUNDS]
set -eu
cd "$(dirname "$0")/.."
data=${DELAYLINE_DATA:-../shared/data}
bench=${DELAYLINE_BENCH:-$data/../bench}
rounds=${1:-5}
cargo build --locked --release -q -p testbenches -p sim -p compiler --bins --example hot --example synthetic
target=${CARGO_TARGET_DIR:-target}/release
hot=$target/examples/hot
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
        "$folder/floor" "$folder/network" 100 |
            awk '{ s = 100 * $8 / ($14 * 1e6); print "floor.c", 100, s, s, $8, s }'
    fi
    "$hot" floor 100
    for structure in ring-buffer shared-queue; do
        "$hot" $structure 100
        "$hot" statistics-$structure 100
    done
    "$hot" mesh 100
    for structure in ring-buffer shared-queue; do
        "$hot" load-$structure 40
        "$hot" writer-$structure 20
        "$hot" vcd-$structure 20
        "$hot" cores-1-$structure 2000
        "$hot" cores-256-$structure 8
    done
    echo "round $round of $rounds" >&2
done >"$folder/runs"
sort "$folder/runs" | awk '
    function median(of, name,   n, i, j, t, a) {
        n = count[name]
        for (i = 1; i <= n; i++) a[i] = of[name, i]
        for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j] < a[j - 1]; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
        return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
    }
    { value[$1, ++count[$1]] = $3 / $2; total[$1, count[$1]] = $4 / $2; clock[$1, count[$1]] = $6 / $2; work[$1] = $5; if (count[$1] == 1) names[++n] = $1 }
    function line(what, x) { printf "%-66s %8.2f\n", what, x }
    function ratio(what, a, b) { if (a in work && b in work) line(what, work[a] / median(value, a) * median(value, b) / work[b]) }
    END {
        printf "%-28s %12s %14s %16s\n", "loop", "ms a run", "work of a run", "million a CPU s"
        for (i = 1; i <= n; i++) {
            m = median(value, names[i])
            printf "%-28s %12.3f %14d %16.2f\n", names[i], 1000 * m, work[names[i]], work[names[i]] / m / 1e6
        }
        print ""
        for (i = 1; i <= 2; i++) {
            s = i == 1 ? "ring-buffer" : "shared-queue"
            ratio(s " / floor.c", s, "floor.c")
            ratio(s " with statistics / floor.c", "statistics-" s, "floor.c")
            ratio(s " / floor in Rust", s, "floor")
            ratio(s ": as VCD, busier of two threads / wave writer alone", "vcd-" s, "writer-" s)
            line(s ": as VCD, both threads / wave writer alone", median(total, "writer-" s) / median(total, "vcd-" s))
            line(s ": as VCD, on the clock / wave writer alone", median(clock, "writer-" s) / median(clock, "vcd-" s))
            ratio(s ": 1 core / 256 cores, time an event", "cores-1-" s, "cores-256-" s)
        }
    }'
command -v python3 >/dev/null || { echo "no python3: whole runs of sim are not measured" >&2; exit 0; }
# NAME MOST COMMAND..: what it took, and whether that was more than so many MiB.
whole() {
    python3 -c '
import resource, subprocess, sys, time
name, most, *command = sys.argv[1:]
start = time.monotonic()
subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
seconds, used = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
memory = used.ru_maxrss / 1024
print("%-52s %8.2f %8.2f %8.0f" % (name, seconds, used.ru_utime + used.ru_stime, memory), flush=True)
if memory > float(most):
    sys.exit(f"{name}: more than {most} MiB")
' "$@"
}
sim=$target/sim
network=testbenches/golden/reference_256
"$target/compiler" $network.safetensors --platform loihi --output "$folder/reference.bin" >/dev/null
"$target/examples/synthetic" 1024 64 153 50 "$folder/big.bin"
printf '\n%-52s %8s %8s %8s\n' "run of sim" "seconds" "CPU s" "MiB"
for structure in ring-buffer shared-queue; do
    run() {
        name=$1; most=$2; shift 2
        whole "$structure: $name" "$most" "$sim" --delays $structure --quiet "$@"
    }
    run "2264 samples of 8000 spikes, 2 threads" 4096 --image shd.bin --random-input 2264,8000,1 --threads 2
    run "the same with --stats" 4096 --image shd.bin --random-input 2264,8000,1 --threads 2 --stats "$folder/stats.json"
    run "1024 cores, 10 million synapses" 4096 --image "$folder/big.bin"
    # Ten times as much as VCD takes no more memory but for what the run itself does.
    for steps in 0..25 0..250; do
        run "reference_256, steps $steps as VCD" 32 --image "$folder/reference.bin" --input $network.npz \
            --vcd-steps $steps --vcd "$folder/out.vcd"
    done
    run "shd.bin as VCD" 64 --image shd.bin --vcd "$folder/out.vcd"
    run "shd.bin as FST" 512 --image shd.bin --fst "$folder/out.fst"
    wc -c "$folder/out.vcd" "$folder/out.fst" | awk -v s=$structure '
        { size[NR] = $1 }
        END { printf "%-52s %8.1f\n", s ": VCD of shd.bin, MB", size[1] / 1e6; printf "%-52s %8.1f\n", s ": VCD / FST", size[1] / size[2] }'
done
