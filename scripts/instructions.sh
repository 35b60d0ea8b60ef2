#!/bin/sh
# Counts the instructions of the simulator's hot loops with callgrind, which no other load on the machine disturbs,
# and compares them with testbenches/instructions.csv: status 1 where one grew by more than 4 %.
#   scripts/instructions.sh           compare
#   scripts/instructions.sh --write   take the counts of today
# The same compiler gives the same counts (within a thousandth); those of another are shown, but not held against the table,
# which the gate (CI=true) does not let pass: there the table is to be taken anew.
set -eu
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is not there: install it (scripts/setup.sh bench)" >&2; exit 2; }
table=testbenches/instructions.csv
# The packages of scripts/bench_sim.sh: with others, features would differ, and all would be built anew.
cargo build --locked --release -q -p testbenches -p sim -p compiler --bins --example hot --example synthetic
hot=${CARGO_TARGET_DIR:-target}/release/examples/hot
loops="floor ring-buffer shared-queue statistics-ring-buffer statistics-shared-queue mesh
load-ring-buffer load-shared-queue cores-16-ring-buffer cores-16-shared-queue idle-256-ring-buffer idle-256-shared-queue
vcd-ring-buffer vcd-shared-queue writer-ring-buffer"
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
export hot found
# Only what runs inside of `repeat` is counted, two runs of the loop; of waves the thread that writes them too: it runs once
# before the loop as well, so that the difference of three runs and one is taken.
printf '%s\n' $loops | xargs -P "$(nproc)" -I LOOP sh -c '
    count() {
        valgrind --tool=callgrind --callgrind-out-file=/dev/null --collect-atstart=no "--toggle-collect=*hot::repeat*" "$@" 2>&1 |
            sed -n "s/.*Collected : *//p"
    }
    case LOOP in
        vcd-*)
            for times in 1 3; do count "--toggle-collect=*vcd::player::Player::run*" "$hot" LOOP $times; done |
                { read -r one && read -r three && echo $((three - one)); } ;;
        *) count "$hot" LOOP 2 ;;
    esac >"$found/LOOP"'
{
    rustc --version | cut -d" " -f1-2
    echo "loop,instructions"
    for loop in $loops; do echo "$loop,$(($(cat "$found/$loop") / 2))"; done
} >"$found/table"
if [ "${1:-}" = --write ]; then
    cp "$found/table" "$table"
    cat "$table"
    exit 0
fi
awk -F, '
    FNR == 1 { compiler[NR > 1] = $1; next }
    FNR == 2 { next }
    NR == FNR { before[$1] = $2; next }
    !($1 in before) { print $1 " is not in the table"; missing = 1; next }
    {
        change = 100 * ($2 / before[$1] - 1)
        printf "%-26s %12d %12d %+6.1f %%\n", $1, before[$1], $2, change
        if (change > 4) grown = 1
    }
    END {
        if (compiler[0] != compiler[1]) {
            print "The table is of " compiler[0] ", this is " compiler[1] ": not compared. Take the counts anew: scripts/instructions.sh --write"
            exit ENVIRON["CI"] == "true"
        }
        if (grown || missing) {
            print "Find what grew: valgrind --tool=callgrind target/release/examples/hot LOOP 3, then callgrind_annotate."
            print "Where it is wanted, take the counts anew: scripts/instructions.sh --write, and say why in the commit."
            exit 1
        }
    }' "$table" "$found/table"
