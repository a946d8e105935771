#!/usr/bin/env bash
# A user's own network, in a package outside of this one, has the whole driver: Tests/ExamplePackage
# is copied to another folder, built against this checkout by path, and put through every command.
# REPHASE_EXAMPLE_SCRATCH=PATH keeps its build, so that the next run is quick.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../tools/lib/environment.sh
source "$root/tools/lib/environment.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "error: $*" >&2; exit 1; }

scratch=${REPHASE_EXAMPLE_SCRATCH:-$work/scratch}
mkdir -p "$scratch"
scratch=$(realpath "$scratch")
# Only what changed is copied, so that a kept build stays valid.
mkdir -p "$scratch/package/Sources/denoise"
sed "s|path: \"../..\"|path: \"$root\"|" "$root/Tests/ExamplePackage/Package.swift" > "$work/manifest"
grep -qF "path: \"$root\"" "$work/manifest" || fail "the example's Package.swift has no path to replace"
cmp -s "$work/manifest" "$scratch/package/Package.swift" \
  || cp "$work/manifest" "$scratch/package/Package.swift"
cp -pu "$root"/Tests/ExamplePackage/Sources/denoise/*.swift "$scratch/package/Sources/denoise/"
swift build --package-path "$scratch/package" --scratch-path "$scratch/build" --product denoise \
  > "$work/build.log" 2>&1 || { tail -50 "$work/build.log"; fail "the example does not build"; }
if grep -q 'warning:.*denoise' "$work/build.log"; then fail "the example builds with warnings"; fi
denoise=$(swift build --package-path "$scratch/package" --scratch-path "$scratch/build" \
  --show-bin-path 2>/dev/null)/denoise

cd "$work"
"$denoise" models --json > models.json
grep -q '"name":"denoise"' models.json || fail "models does not list the user's network"
"$denoise" init self --seed 3 -o w.safetensors
"$denoise" init self --seed 3 -o again.safetensors
cmp w.safetensors again.safetensors

size=40x36
"$denoise" emit self --size $size -o graph.rir
grep -q 'DenoisingNet.swift' graph.rir || fail "the graph does not point into the user's source"
for stage in optimized loops scheduled llvm asm; do
  "$denoise" emit self --size $size --stage $stage -o $stage.rir
  [ -s $stage.rir ] || fail "emit --stage $stage wrote nothing"
done
"$denoise" compile self --weights w.safetensors --size $size --name mine --quiet -o out
for file in mine.o libmine.a libmine.so mine.h mine.json; do
  [ -s "out/$file" ] || fail "compile did not write $file"
done

"$REPHASE_PYTHON" - <<'PYTHON'
import numpy
x = numpy.random.default_rng(5).random((1, 1, 40, 36), dtype=numpy.float32)
numpy.save("x.npy", x)
PYTHON
"$denoise" run self --weights w.safetensors --size $size --input x.npy -o jit.npy
"$denoise" run out/libmine.so --input x.npy -o library.npy
"$denoise" run scheduled.rir --weights w.safetensors --input x.npy -o dump.npy
"$denoise" run self --weights w.safetensors --size $size --engine reference --input x.npy -o ref.npy
cmp jit.npy library.npy
cmp jit.npy dump.npy
"$denoise" verify self --weights w.safetensors --size $size

# The same network in PyTorch.
"$REPHASE_PYTHON" - <<'PYTHON'
import numpy, sys, torch
from safetensors.torch import load_file
torch.set_num_threads(1)
w = {name: value.double() for name, value in load_file("w.safetensors").items()}
x = torch.from_numpy(numpy.load("x.npy")).double()
conv, norm = torch.nn.functional.conv2d, torch.nn.functional.batch_norm
y = conv(x, w["expand.weight"], w["expand.bias"], padding=1)
y = norm(y, w["norm.running_mean"], w["norm.running_var"], w["norm.weight"], w["norm.bias"],
         eps=1e-3).relu()
y = (x - 0.5 * conv(y, w["collapse.weight"], w["collapse.bias"], padding=2)).numpy()
for name in ["jit.npy", "ref.npy"]:
    got = numpy.load(name)
    error = abs(got - y).max() / abs(y).max() * 2**23
    print(f"{name} against PyTorch in float64: {error:.2f} x 2^-23")
    if not error <= 16:
        sys.exit(f"error: {name} is wrong")
PYTHON

# The zoo is there too, and mistakes are told as with rephase itself.
"$denoise" init resnet1 -o zoo.safetensors
if "$denoise" init nonsense -o n.safetensors 2> message; then fail "an unknown network was accepted"; fi
grep -q '^error: ' message || fail "no message for an unknown network"
[ ! -e n.safetensors ] || fail "a file was written for an unknown network"
echo "example-package: passed"
