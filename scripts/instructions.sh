#!/bin/sh
# Counts the instructions of the simulator's hot loops with callgrind, which no other load on the machine disturbs,
# and compares them with testbenches/instructions.csv: status 1 where one grew by more than 3 %.
#   scripts/instructions.sh           compare
#   scripts/instructions.sh --write   take the counts of today
# Counts depend on the compiler: take them anew when it changes.
set -eu
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is not there: install it (Debian: apt-get install valgrind)" >&2; exit 2; }
table=testbenches/instructions.csv
cargo build --release -q -p testbenches --example hot
hot=${CARGO_TARGET_DIR:-target}/release/examples/hot
count() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$hot" "$1" "$2" 2>&1 | sed -n 's/.*refs: *//p' | tr -d ,
}
found=$(mktemp)
trap 'rm -f "$found"' EXIT
echo "loop,instructions" >"$found"
for loop in floor ring-buffer shared-queue statistics-ring-buffer statistics-shared-queue mesh load-ring-buffer load-shared-queue cores-16-ring-buffer; do
    # Two runs of one process more cost two times the loop, and nothing else.
    echo "$loop,$(( ($(count "$loop" 3) - $(count "$loop" 1)) / 2 ))" >>"$found"
done
if [ "${1:-}" = --write ]; then
    cp "$found" "$table"
    cat "$table"
    exit 0
fi
awk -F, 'NR == FNR { if (FNR > 1) before[$1] = $2; next }
    FNR > 1 {
        change = 100 * ($2 / before[$1] - 1)
        printf "%-22s %12d %12d %+6.1f %%\n", $1, before[$1], $2, change
        if (change > 3) grown = 1
    }
    END { exit grown }' "$table" "$found"
