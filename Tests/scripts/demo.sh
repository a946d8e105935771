#!/usr/bin/env bash
# tools/demo, on its own example and on other cine scans where there are some; REPHASE=PATH spares the build.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../tools/lib/environment.sh
source "$root/tools/lib/environment.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
binary=()
if [[ -n ${REPHASE:-} ]]; then binary=(--binary "$REPHASE"); fi

# run FOLDER FRAMES [SCAN]: the demo within five minutes, and what it leaves.
run() {
  local folder=$work/$1 frames=$2
  shift 2
  timeout 300 "$root/tools/demo" "${binary[@]}" --output "$folder" "$@" >"$work/said" 2>&1 \
    || { cat "$work/said" && echo "error: tools/demo failed" && exit 1; }
  local part
  for part in "trained on two patients" "$folder/images.npy" "$folder/sheet.png" "ms a frame" "lines kept"; do
    grep -qF -- "$part" "$work/said" || { cat "$work/said" && echo "error: no '$part'" && exit 1; }
  done
  "$REPHASE_PYTHON" - "$folder" "$frames" <<'PYTHON'
import sys
import numpy as np
from PIL import Image

folder, frames = sys.argv[1], int(sys.argv[2])
images = np.load(folder + "/images.npy")
assert images.shape == (frames, 192, 128) and images.dtype == np.float32, images.shape
assert np.isfinite(images).all() and images.std() > 0
sheet = Image.open(folder + "/sheet.png")
sheet.load()
pixels = np.asarray(sheet.convert("RGB"))
assert min(sheet.size) > 300 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100, sheet.size
print(f"{frames} frames, sheet of {sheet.size[0]} x {sheet.size[1]}")
PYTHON
  local file
  for file in resnet4.{o,h,json} libresnet4.{a,so}; do
    [[ -s $folder/library/$file ]] || { echo "error: no $file" && exit 1; }
  done
}

# gain FOLDER SCAN: how many dB the network's images are above zero-filled ones, in the median.
gain() {
  "$REPHASE" recon "$2" --model none --mask none -o "$work/full.npy" --quiet >/dev/null
  "$REPHASE" recon "$2" --model none --crop before -o "$work/zero.npy" --quiet >/dev/null
  "$REPHASE_PYTHON" - "$work/full.npy" "$work/zero.npy" "$work/$1/images.npy" <<'PYTHON'
import sys
import numpy as np

full, zero, images = map(np.load, sys.argv[1:])
error = lambda x: ((x - full) ** 2).sum((1, 2))
gain = np.median(10 * np.log10(error(zero) / error(images)))
print(f"the network's images are {gain:+.2f} dB above the zero-filled ones")
if gain < 1.5:
    sys.exit("error: that is less than 1.5 dB")
PYTHON
}

run example 20
if [[ -n ${REPHASE:-} ]]; then gain example "$root/examples/cine.npz"; fi

if [[ -n ${REPHASE_SHARED_DATA:-} ]]; then
  for scan in "$REPHASE_SHARED_DATA"/scd_cine/*.npz; do
    # One slice of each patient, all phases, as a file of its own.
    "$REPHASE_PYTHON" -c 'import sys, numpy as np
np.savez(sys.argv[2], images=np.load(sys.argv[1])["images"][4])' "$scan" "$work/scan.npz"
    echo "$(basename "$scan")"
    run "$(basename "$scan" .npz)" 20 "$work/scan.npz"
  done
else
  echo "no shared data: not run on real cine images"
fi

# Wrong usage and missing files are told as such.
refuse() {
  local status=0 want=$1
  shift
  "$root/tools/demo" "$@" >"$work/said" 2>&1 || status=$?
  [[ $status == "$want" ]] || { cat "$work/said" && echo "error: $* ended with $status" && exit 1; }
}
refuse 64 --nonsense
refuse 64 a.npy b.npy
refuse 1 "${binary[@]}" "$work/missing.npy"
refuse 1 --binary "$work/missing" --output "$work/none"
