#!/usr/bin/env bash
# Downloads the Spiking Heidelberg Digits (Cramer et al. 2022, CC BY 4.0) and checks them.
#   scripts/get_shd.sh [FOLDER]     default: shd
# 8156 training and 2264 test samples, about 350 MB unpacked; nothing in the project needs them.
set -euo pipefail

case "${1:-}" in -h|--help) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
folder=${1:-shd}
site=${SHD_SITE:-https://zenkelab.org/datasets}
declare -A sums=(
  [shd_train]=f3252aeb598ac776c1b526422d90eecb
  [shd_test]=1503a5064faa34311c398fb0a1ed0a6f
)
for tool in curl md5sum unzip; do
  command -v "$tool" >/dev/null || { echo "error: needs $tool: scripts/setup.sh data" >&2; exit 2; }
done
mkdir -p "$folder"
for name in shd_train shd_test; do
  if [ -e "$folder/$name.h5" ]; then echo "$folder/$name.h5 is there"; continue; fi
  zip="$folder/$name.h5.zip"
  # A part that is there is continued; a server that cannot do that starts again.
  curl --fail --location --retry 3 --continue-at - --output "$zip.part" "$site/$name.h5.zip" ||
    { echo "error: $site/$name.h5.zip cannot be fetched; try again, or fetch it by hand to $zip.part" >&2; exit 2; }
  if ! echo "${sums[$name]}  $zip.part" | md5sum --check --status; then
    rm -f "$zip.part"
    echo "error: $site/$name.h5.zip has another check sum than the published ${sums[$name]}; it was removed, try again" >&2
    exit 1
  fi
  # Unpacked beside, then renamed: a file that is there is whole.
  unzip -q -o -j "$zip.part" "$name.h5" -d "$folder/unpacking"
  mv "$folder/unpacking/$name.h5" "$folder/$name.h5"
  rmdir "$folder/unpacking"
  rm -f "$zip.part"
  echo "$folder/$name.h5"
done
