#!/usr/bin/env bash
# Installs the optional tools from Debian's packages.
#   scripts/setup.sh           everything
#   scripts/setup.sh ci        what the tests need
#   scripts/setup.sh rtl|waves|data|bench|pages   one group
set -euo pipefail

declare -A groups=(
  [rtl]="iverilog verilator yosys z3"
  [waves]="gtkwave xvfb xdotool imagemagick"
  [data]="curl espeak-ng unzip python3"
  [bench]="hyperfine valgrind gcc python3"
  [pages]="chromium"
)
groups[ci]="${groups[rtl]} ${groups[pages]} valgrind"

case "${1:-all}" in
  -h|--help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  all) packages="${groups[rtl]} ${groups[waves]} ${groups[data]} ${groups[bench]} ${groups[pages]}" ;;
  *) packages="${groups[$1]:-}"; [ -n "$packages" ] || { echo "no group \`$1\`; see --help" >&2; exit 2; } ;;
esac

missing=()
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || { echo "all there: $packages"; exit 0; }
sudo=""; [ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}"
