#!/usr/bin/env bash
# A picture of waves as GTKWave shows them, from a hidden screen as large as the layout asks for.
#   scripts/waves_picture.sh WAVES.vcd LAYOUT.gtkw PICTURE.png
#   scripts/waves_picture.sh blocks        the two structures alone, from waves/ into docs/
set -euo pipefail
if [ "$*" = blocks ]; then
  cd "$(dirname "$0")/.."
  for block in ring-buffer-block shared-queue-block; do
    scripts/waves_picture.sh "waves/$block.vcd" "waves/$block.gtkw" "docs/waves-$block.png"
  done
  exit
fi
[ $# = 3 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
for tool in gtkwave Xvfb import; do
  command -v "$tool" >/dev/null || { echo "error: no $tool; run scripts/setup.sh waves" >&2; exit 2; }
done
size=$(sed -n 's/^\[size\] \([0-9]*\) \([0-9]*\)$/\1x\2/p' "$2")
screen=$(mktemp)
Xvfb -displayfd 1 -screen 0 "${size:-1600x1000}x24" >"$screen" 2>/dev/null & xvfb=$!
trap 'kill $xvfb 2>/dev/null || true; rm -f "$screen"' EXIT
until [ -s "$screen" ]; do sleep 0.2; done
export DISPLAY=":$(cat "$screen")"
gtkwave "$1" "$2" >/dev/null 2>&1 & viewer=$!
# Shown when its window has stopped changing.
before=
for _ in $(seq 60); do
  sleep 2
  xdotool search --name GTKWave >/dev/null 2>&1 || continue
  now=$(import -window root png:- | md5sum)
  [ "$now" != "$before" ] || break
  before=$now
done
import -window root -colors 64 "$3"
kill "$viewer" 2>/dev/null || true
