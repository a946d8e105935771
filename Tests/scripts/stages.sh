#!/usr/bin/env bash
# Every stage of a model's path is text that can be written, read back and continued from: the same
# outputs, to the byte, from each of them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../tools/lib/environment.sh
source "$root/tools/lib/environment.sh"
: "${REPHASE:?must name the command to test}"
REPHASE=$(realpath "$REPHASE")
export PYTHONDONTWRITEBYTECODE=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "error: $*" >&2; exit 1; }
arrays() { "$REPHASE_PYTHON" "$root/Tests/scripts/embedding_arrays.py" "$@"; }
same() { cmp "$1" "$2" || fail "$1 and $2 differ ($3)"; }
stages=(graph optimized loops scheduled llvm asm)

"$REPHASE" init resnet2 --seed 5 -o w.safetensors
arrays perturb w.safetensors 9
arrays input 1 1 192 128 x
"$REPHASE" run resnet2 --weights w.safetensors --input x.npy -o direct.npy
"$REPHASE" run resnet2 --weights w.safetensors --input x.npy -o - > piped.npy
same direct.npy piped.npy "standard output"
"$REPHASE" init resnet2 --seed 3 -o fresh.safetensors
"$REPHASE" init resnet2 --seed 3 -o - > piped.safetensors
same fresh.safetensors piped.safetensors "standard output"
cmp -s direct.npy x.npy && fail "the network changes nothing"

# matches DUMP WHAT: run, and the library, give the bytes of the zoo's name.
matches() {
  rm -rf dump.npy out
  "$REPHASE" run "$1" --weights w.safetensors --input x.npy -o dump.npy
  same direct.npy dump.npy "run from $2"
  "$REPHASE" compile "$1" --weights w.safetensors --name staged --quiet -o out > /dev/null
  "$REPHASE" run out/libstaged.so --input x.npy -o library.npy
  same direct.npy library.npy "library from $2"
}

for stage in "${stages[@]}"; do
  "$REPHASE" emit resnet2 --stage $stage -o $stage.rir
  "$REPHASE" emit resnet2 --stage $stage -o again.rir
  same $stage.rir again.rir "emitted twice"
  "$REPHASE" emit resnet2 --stage $stage -o - > again.rir
  same $stage.rir again.rir "emitted to standard output"
  # Printed, parsed and printed: nothing changes.
  "$REPHASE" emit $stage.rir --stage $stage -o parsed.rir
  same $stage.rir parsed.rir "$stage parsed and printed"
  matches $stage.rir $stage
  echo "$stage: $(wc -l < $stage.rir) lines; run and library give the same bytes"
done

# From each stage on to each later one: as emitted directly.
for ((from = 0; from < ${#stages[@]}; from++)); do
  for ((to = from + 1; to < ${#stages[@]}; to++)); do
    "$REPHASE" emit "${stages[from]}.rir" --stage "${stages[to]}" -o forward.rir
    same "${stages[to]}.rir" forward.rir "from ${stages[from]}"
  done
done
echo "every stage leads to every later one"

# Backwards is no way to go.
if "$REPHASE" emit loops.rir --stage graph -o back.rir 2> message; then
  fail "a loop dump became a graph"
fi
grep -q '^error: ' message || fail "no message for going backwards"
[ ! -e back.rir ] || fail "a file was written for going backwards"

# The passes: what they make is what the pipeline makes, and still computes the same.
"$REPHASE" opt graph.rir --dump-dir dumps -o opt.rir
same optimized.rir opt.rir "the standard graph passes"
[ "$(find dumps -type f | wc -l)" -ge 2 ] || fail "--dump-dir has no files"
matches opt.rir "opt of graph"
"$REPHASE" opt optimized.rir -o opt.rir
same optimized.rir opt.rir "the standard passes again"
"$REPHASE" opt loops.rir --passes schedule -o opt.rir
same scheduled.rir opt.rir "schedule"
matches opt.rir "opt of loops"
"$REPHASE" opt llvm.rir --passes llvm-o3 -o opt.rir
"$REPHASE" emit opt.rir --stage llvm -o parsed.rir
same opt.rir parsed.rir "LLVM IR parsed and printed"
matches opt.rir "opt of LLVM IR"
# Single graph passes: each leaves a graph that goes on and, but for rounding, computes the same.
"$REPHASE" run resnet2 --weights w.safetensors --engine reference --input x.npy -o reference.npy
for pass in cse dce fold-batch-norm fuse; do
  "$REPHASE" opt graph.rir --passes $pass -o opt.rir
  "$REPHASE" run opt.rir --weights w.safetensors --input x.npy -o pass.npy
  printf 'opt --passes %s: ' $pass
  arrays error pass.npy reference.npy 16
done
for pass in layouts plan-memory simplify; do
  "$REPHASE" opt loops.rir --passes $pass -o opt.rir
  "$REPHASE" emit opt.rir --stage loops -o parsed.rir
  same opt.rir parsed.rir "$pass parsed and printed"
done
echo "stages: passed"
