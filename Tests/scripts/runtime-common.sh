# Sourced by the runtime's test scripts: builds the toy models and hosts in a folder of its own.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tests=$root/Tests/runtime
runtime=$root/Sources/CRephaseRuntime
swift_clang=$(dirname "$(readlink -f "$(command -v swift)")")/clang
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

strict="-std=c11 -Wall -Wextra -Werror -pedantic"
# The name of each toy model and what is special about it.
models=(alpha beta needy untested liar)
declare -A settings=(
  [alpha]="-DREPHASE_WEIGHTS_EMBEDDED=1"
  [beta]="-DREPHASE_WEIGHTS_EMBEDDED=0"
  [needy]="-DREPHASE_WEIGHTS_EMBEDDED=1 -DREPHASE_CPU_FEATURES=((uint64_t)1<<63)"
  [untested]="-DREPHASE_WEIGHTS_EMBEDDED=1 -DREPHASE_HAS_SELFTEST=0"
  [liar]="-DREPHASE_WEIGHTS_EMBEDDED=1 -DREPHASE_SELFTEST_DIGEST={1}"
)

# Lays the sources of each model out as the compiler does: one flat folder, with the filled header.
lay_out() {
  python3 "$tests/toy_reference.py" > "$work/toy_digests.h"
  for name in "${models[@]}"; do
    mkdir -p "$work/$name" "$work/headers"
    cp "$runtime"/*.[ch] "$runtime"/include/*.h "$tests/model_data.h" "$tests/toy_kernels.c" \
      "$work/toy_digests.h" "$work/$name/"
    python3 - "$runtime" "$name" > "$work/headers/$name.h" <<'PYTHON'
import sys
runtime, name = sys.argv[1:]
text = open(runtime + "/model_header.h").read()
types = open(runtime + "/include/rephase_types.h").read()
device = open(runtime + "/device_header.h").read() if name == "gpu" else ""
doc = f" * {name}: the toy model. Inputs [1000], [5]; outputs [500], [3]."
for key, value in dict(DEVICE=device, NAME=name, UPPER=name.upper(), DOC=doc, TYPES=types).items():
    text = text.replace(f"@{key}@", value)
sys.stdout.write(text)
PYTHON
    cp "$work/headers/$name.h" "$work/$name/model_header.h"
  done
}

# build CC FLAGS...: $work/host and $work/pool from everything, warnings being errors.
build() {
  local cc=$1 objects=()
  shift
  for name in "${models[@]}"; do
    for file in model toy_kernels; do
      local object=$work/$name-$file.o
      (cd "$work/$name" && "$cc" $strict "$@" -fPIC -fvisibility=hidden \
        -DREPHASE_MODEL="$name" ${settings[$name]} -c $file.c -o "$object")
      objects+=("$object")
    done
  done
  "$cc" $strict "$@" -I"$runtime/include" -I"$work" -I"$work/headers" "$tests/host.c" \
    "$runtime/selftest.c" "${objects[@]}" -pthread -o "$work/host"
  "$cc" $strict "$@" -I"$runtime/include" "$tests/pool.c" "$runtime"/{pool,sha256,cpu}.c \
    -Wl,--wrap=pthread_create -pthread -o "$work/pool"
}
