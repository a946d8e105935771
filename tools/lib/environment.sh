# Where Rephase's tools find what tools/setup installed. Source it from bash:
#   source tools/lib/environment.sh
# It only sets variables; tools/setup makes what they point to.
#
#   REPHASE_ROOT      the checkout
#   REPHASE_CACHE     per-user folder outside git (default: $XDG_CACHE_HOME/rephase or ~/.cache/rephase)
#   REPHASE_VENV      the pinned virtual environment; its name holds a hash of tools/requirements.txt
#   REPHASE_PYTHON    that environment's interpreter
#   REPHASE_LLVM_BIN  LLVM 19's tools (FileCheck, not, llvm-objdump)
#   REPHASE_SCRATCH   SwiftPM's scratch path (default: .build)
#   PKG_CONFIG_PATH   extended by the folder of llvm-19.pc
#   PATH              extended by Swift, where it is not there yet, and at its end by REPHASE_LLVM_BIN
#   OPENBLAS_CORETYPE OpenBLAS's kernels. Debian 12's OpenBLAS does not know newer processors and
#                     falls back to SSE3, several times slower; so the choice is made here

REPHASE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
REPHASE_CACHE=${REPHASE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rephase}
REPHASE_VENV=$REPHASE_CACHE/venv-$(sha256sum "$REPHASE_ROOT/tools/requirements.txt" | cut -c1-16)
REPHASE_PYTHON=$REPHASE_VENV/bin/python
REPHASE_LLVM_BIN=/usr/lib/llvm-19/bin
REPHASE_SCRATCH=${REPHASE_SCRATCH:-.build}

if ! command -v swift >/dev/null 2>&1; then
  PATH=/opt/swift/usr/bin:$PATH
fi
case ":$PATH:" in
  *":$REPHASE_LLVM_BIN:"*) ;;
  *) PATH=$PATH:$REPHASE_LLVM_BIN ;;
esac
case ":${PKG_CONFIG_PATH:-}:" in
  *":$REPHASE_CACHE/pkgconfig:"*) ;;
  *) PKG_CONFIG_PATH=$REPHASE_CACHE/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} ;;
esac

if [[ -z ${OPENBLAS_CORETYPE:-} && -r /proc/cpuinfo ]]; then
  if grep -q -m 1 -w avx512vl /proc/cpuinfo; then
    export OPENBLAS_CORETYPE=SKYLAKEX
  elif grep -q -m 1 -w avx2 /proc/cpuinfo; then
    export OPENBLAS_CORETYPE=HASWELL
  fi
fi

export REPHASE_ROOT REPHASE_CACHE REPHASE_VENV REPHASE_PYTHON REPHASE_LLVM_BIN REPHASE_SCRATCH
export PATH PKG_CONFIG_PATH
