#!/usr/bin/env bash
# The part of the runtime that runs models on NVIDIA GPUs, with a stand-in for the driver: clean under
# gcc and clang and their sanitizers, right calls, right results, and everything given back.
. "$(dirname "$0")/runtime-common.sh"
models=(gpu)
settings[gpu]="-DREPHASE_WEIGHTS_EMBEDDED=1"
lay_out
cp "$tests/device_data.h" "$work/gpu/model_data.h"

# build CC FLAGS...: $work/device from model, kernels and host, warnings being errors.
build_device() {
  local cc=$1 objects=()
  shift
  # The thread pool is there, but not used.
  set -- "$@" -Wno-unused-function
  mkdir -p "$work/fake"
  gcc $strict -shared -fPIC -O1 -g "$tests/fake_cuda.c" -o "$work/fake/libcuda.so.1"
  for file in model toy_kernels; do
    (cd "$work/gpu" && "$cc" $strict "$@" -fPIC -fvisibility=hidden -DREPHASE_MODEL=gpu \
      ${settings[gpu]} -c $file.c -o "$work/gpu-$file.o")
    objects+=("$work/gpu-$file.o")
  done
  "$cc" $strict "$@" -I"$runtime/include" -I"$work" -I"$work/headers" "$tests/device_host.c" \
    "$runtime/selftest.c" "${objects[@]}" -rdynamic -pthread -o "$work/device"
  (cd "$work" && LD_LIBRARY_PATH=$work/fake "$work/device")
}

for cc in gcc "$swift_clang"; do
  build_device "$cc" -O2 -Wconversion -Wshadow -Wmissing-prototypes
done
build_device gcc -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all
build_device gcc -O2 -DREPHASE_DEVICE_EXACT=1

echo '#include "gpu.h"' | g++ -std=c++11 -Wall -Wextra -Werror -pedantic -fsyntax-only \
  -I"$work/headers" -x c++ -
got=$(nm --defined-only -g "$work/gpu-model.o" | awk '{print $3}' | sort | tr '\n' ' ')
want=""
for function in context_bytes create destroy device_info manifest run run_device selftest \
  status_text workspace_alignment workspace_bytes; do want+="gpu_$function "; done
[ "$got" = "$want" ] || { echo "error: gpu-model.o defines: $got" >&2; exit 1; }
echo "runtime-device: passed"
