#!/usr/bin/env bash
# Compiled libraries in C, C++ and Python hosts: the same bytes everywhere and for every thread
# count; only libc, libm and pthreads needed; only N_* exported; the same bytes when compiled again;
# separate weights; nothing for valgrind and the sanitizers to find; every x86-64 level.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../tools/lib/environment.sh
source "$root/tools/lib/environment.sh"
: "${REPHASE:?must name the command to test}"
REPHASE=$(realpath "$REPHASE")
export PYTHONDONTWRITEBYTECODE=1
hosts=$root/Tests/Embedding
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "error: $*" >&2; exit 1; }
arrays() { "$REPHASE_PYTHON" "$root/Tests/scripts/embedding_arrays.py" "$@"; }
same() { cmp "$1" "$2" || fail "$1 and $2 differ ($3)"; }
# fails_with STATUS COMMAND...: the command must end with exactly this exit status.
fails_with() {
  local wanted=$1 status=0
  shift
  "$@" 2> message || status=$?
  [ "$status" = "$wanted" ] || fail "exit status $status, not $wanted: $*: $(cat message)"
}
# c_host OUTPUT NAME FOLDER CC-AND-FLAGS... -- LIBRARIES...
c_host() {
  local output=$1 name=$2 folder=$3 flags=()
  shift 3
  while [ "$1" != -- ]; do flags+=("$1"); shift; done
  shift
  "${flags[@]}" -std=c11 -Wall -Wextra -Werror -pedantic -DMODEL="$name" \
    -DMODEL_HEADER="\"$name.h\"" -I"$folder" "$hosts/host.c" "$@" -pthread -lm -o "$output"
}

# make NAME MODEL BATCH CHANNELS HEIGHT WIDTH SETTINGS...: weights, input, library, JIT's output.
make() {
  local name=$1 model=$2 batch=$3 channels=$4 height=$5 width=$6
  shift 6
  local -a shape=(--batch "$batch" --size "${height}x$width")
  "$REPHASE" init "$model" "$@" --seed 7 -o "$name.safetensors"
  arrays perturb "$name.safetensors" 11
  arrays input "$batch" "$channels" "$height" "$width" "$name.x"
  "$REPHASE" compile "$model" "$@" "${shape[@]}" --weights "$name.safetensors" --name "$name" \
    --quiet -o "$name" > /dev/null
  for threads in 1 2 3 7; do
    "$REPHASE" run "$model" "$@" "${shape[@]}" --weights "$name.safetensors" --threads $threads \
      --input "$name.x.npy" -o "$name.jit$threads.npy"
    same "$name.jit1.npy" "$name.jit$threads.npy" "JIT, $threads threads"
  done
  arrays raw "$name.jit1.npy" "$name.jit1"
}

check_files() {
  local name=$1 file exported needed
  for file in "$name.o" "lib$name.a" "lib$name.so" "$name.h" "$name.json"; do
    [ -s "$name/$file" ] || fail "compile did not write $file"
  done
  nm -D --defined-only "$name/lib$name.so" | awk '{print $3}' > "$name.names"
  nm -g --defined-only "$name/lib$name.a" | awk 'NF == 3 {print $3}' >> "$name.names"
  exported=$(grep -v "^${name}_" "$name.names" || true)
  [ -z "$exported" ] || fail "$name exports $exported"
  [ "$(sort "$name.names" | uniq -c | awk '$1 == 2' | wc -l)" = 9 ] \
    || fail "$name does not export 9 functions: $(cat "$name.names")"
  needed=$(ldd "$name/lib$name.so" | awk '{print $1}' \
    | grep -vE '^(linux-vdso|libc|libm|libpthread)\.so|ld-linux' || true)
  [ -z "$needed" ] || fail "lib$name.so needs $needed"
}

run_hosts() {
  local name=$1 threads
  c_host "$name-c" "$name" "$name" gcc -O2 -- "$name/lib$name.a"
  g++ -std=c++17 -O2 -Wall -Wextra -Werror -pedantic -DMODEL="$name" \
    -DMODEL_HEADER="\"$name.h\"" -I"$name" "$hosts/host.cpp" -L"$name" -l"$name" \
    -Wl,-rpath,"$work/$name" -pthread -o "$name-cpp"
  [[ $(ldd "$name-cpp") == *"lib$name.so"* ]] || fail "the C++ host does not use the shared library"
  for threads in 1 2 3 7; do
    "./$name-c" "$name.x.f32" "$name.c$threads" $threads
    "./$name-cpp" "$name.x.f32" "$name.cpp$threads" $threads
    "$REPHASE_PYTHON" "$hosts/host.py" "$name/lib$name.so" "$name" "$name.x.f32" \
      "$name.python$threads" $threads
    "$REPHASE" run "$name/lib$name.so" --threads $threads --input "$name.x.npy" -o "$name.run.npy"
    same "$name.jit1.npy" "$name.run.npy" "rephase run, $threads threads"
    for host in c cpp python; do
      same "$name.jit1" "$name.$host$threads" "$threads threads"
    done
  done
  "./$name-cpp" "$name.x.f32" "$name.own" host
  same "$name.jit1" "$name.own" "the host's own threads"
  echo "$name: C, C++, Python, rephase run and JIT give the same bytes for 1, 2, 3 and 7 threads"
}

make first resnet4 1 1 192 128
make second unet 2 2 192 128 --set filters=8 --set channels=2
for name in first second; do
  check_files $name
  run_hosts $name
done
cmp -s first.jit1 first.x.f32 && fail "the network changes nothing"

gcc -std=c11 -Wall -Wextra -Werror -pedantic -Ifirst -Isecond "$hosts/two_models.c" \
  first/libfirst.a second/libsecond.a -pthread -lm -o two
./two

# Compiled again elsewhere, by another user as it were: the same bytes.
mkdir -p elsewhere/home elsewhere/tmp
cp first.safetensors elsewhere/
(cd elsewhere && HOME=$work/elsewhere/home TMPDIR=$work/elsewhere/tmp "$REPHASE" compile resnet4 \
  --weights first.safetensors --name first --quiet -o again > /dev/null)
diff -r first elsewhere/again || fail "compiled twice, the files differ"
leftover=$(find elsewhere/home elsewhere/tmp -mindepth 1)
[ -z "$leftover" ] || fail "compile left $leftover"
echo "compiled again in another folder: the same bytes"

# Separate weights: the right ones, one wrong bit, wrong sizes, none.
"$REPHASE" compile resnet4 --weights first.safetensors --name apart --weights-mode separate --quiet \
  -o apart > /dev/null
[ -s apart/apart.weights ] || fail "compile did not write apart.weights"
c_host apart-c apart apart gcc -O2 -- apart/libapart.a
./apart-c first.x.f32 apart.y 2 apart/apart.weights
same first.jit1 apart.y "separate weights"
"$REPHASE" run apart/libapart.so --weights apart/apart.weights --input first.x.npy -o apart.npy
same first.jit1.npy apart.npy "separate weights, rephase run"
size=$(stat -c %s apart/apart.weights)
for offset in 0 $((size / 2)) $((size - 1)); do
  cp apart/apart.weights wrong.weights
  arrays flip wrong.weights $offset
  fails_with 111 ./apart-c first.x.f32 never 1 wrong.weights
done
head -c $((size - 1)) apart/apart.weights > short.weights
(cat apart/apart.weights; printf x) > long.weights
fails_with 109 ./apart-c first.x.f32 never 1 short.weights
fails_with 109 ./apart-c first.x.f32 never 1 long.weights
fails_with 108 ./apart-c first.x.f32 never 1
[ ! -e never ] || fail "a host wrote an output without weights"
echo "separate weights: checked by size and hash"

# Valgrind 3.19 does not know AVX-512, so the library is one for x86-64-v3.
if ! grep -q -m 1 -w avx2 /proc/cpuinfo; then
  echo "valgrind not run: this processor has no AVX2"
elif ! command -v valgrind > /dev/null; then
  echo "valgrind not run: it is not installed"
else
  arrays input 1 1 24 20 small.x
  "$REPHASE" compile resnet4 --size 24x20 --weights first.safetensors --target x86-64-v3 \
    --name small --quiet -o small > /dev/null
  c_host small-c small small gcc -O1 -g -- small/libsmall.a
  valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=all \
    --errors-for-leak-kinds=all ./small-c small.x.f32 small.y 3
  ./small-c small.x.f32 small.plain 3
  same small.y small.plain "under valgrind"
  echo "valgrind: nothing found"
fi

# ASLR with many random bits stops the sanitizers of older compilers.
c_host first-asan first first gcc -O1 -g -fsanitize=address,undefined \
  -fno-sanitize-recover=all -- first/first.o
for threads in 1 3; do
  setarch "$(uname -m)" -R ./first-asan first.x.f32 first.asan $threads
  same first.jit1 first.asan "AddressSanitizer"
done
echo "AddressSanitizer and UndefinedBehaviorSanitizer: nothing found"

# Every level of x86-64 that this processor has, against the float64 engine.
"$REPHASE" run resnet4 --weights first.safetensors --engine reference --input first.x.npy \
  -o reference.npy
if arrays error first.x.npy reference.npy 16 > /dev/null 2>&1; then fail "any error passes"; fi
for level in v2 v3 v4; do
  "$REPHASE" compile resnet4 --weights first.safetensors --target x86-64-$level --name level \
    --quiet -o level-$level > /dev/null
  objdump -d level-$level/level.o > level.s
  case $level in
    v2) has='%xmm' hasnt='%[yz]mm|vfmadd' ;;
    v3) has='vfmadd.*%ymm' hasnt='%zmm' ;;
    v4) has='vfmadd.*%zmm' hasnt='none' ;;
  esac
  grep -qE "$has" level.s || fail "x86-64-$level has no $has"
  if grep -qE "$hasnt" level.s; then fail "x86-64-$level has $hasnt"; fi
  if [[ $(/lib64/ld-linux-x86-64.so.2 --help) != *"x86-64-$level (supported"* ]]; then
    echo "x86-64-$level: compiled, not run on this processor"
    continue
  fi
  "$REPHASE" run level-$level/liblevel.so --input first.x.npy -o level.npy
  "$REPHASE" run resnet4 --target x86-64-$level --weights first.safetensors --input first.x.npy \
    -o level-jit.npy
  cmp level.npy level-jit.npy
  printf 'x86-64-%s: ' $level
  arrays error level.npy reference.npy 16
done
echo "embedding-hosts: passed"
