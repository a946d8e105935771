#!/usr/bin/env bash
# The C interface of a compiled library: clean under gcc and clang, from C99, C11 and C++, every
# status seen, only <N>_* names defined, and no function of the system used beyond a short list.
. "$(dirname "$0")/runtime-common.sh"
lay_out

for cc in gcc "$swift_clang"; do
  build "$cc" -O2 -Wconversion -Wshadow -Wmissing-prototypes
  "$work/host"
  "$work/pool"
done

g++ -std=c++11 -Wall -Wextra -Werror -pedantic -I"$work/headers" "$tests/header.cpp" \
  "$work"/{alpha,beta}-*.o -pthread -o "$work/header"
"$work/header"
echo '#include "alpha.h"
#include "beta.h"' | gcc -std=c99 -Wall -Wextra -Werror -pedantic -fsyntax-only \
  -I"$work/headers" -x c -

# Names, in the objects of both compilers (clang's are there now).
names() {
  for name in alpha beta; do
    local got
    got=$(nm --defined-only -g "$work/$name-model.o" | awk '{print $3}' | sort | tr '\n' ' ')
    local want="" function
    for function in context_bytes create destroy manifest run selftest status_text \
      workspace_alignment workspace_bytes; do want+="${name}_$function "; done
    [ "$got" = "$want" ] || { echo "error: $name-model.o defines: $got" >&2; exit 1; }
    local used
    used=$(nm -u "$work/$name-model.o" | awk '{print $2}' | grep -vE "$allowed" || true)
    used=$(grep -vxE "${name}_(kernels|constants)" <<<"$used" || true)
    [ -z "$used" ] || { echo "error: $name-model.o uses: $used" >&2; exit 1; }
  done
}
# Nothing here allocates, but pthread_create, which takes the stack of the new thread.
allowed='^(_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|mem(cpy|set|cmp|move)|bcmp|sched_getaffinity'
allowed+='|__sched_cpucount|sched_(getcpu|setaffinity)|sysconf|getpid|sig(fillset|delset)'
allowed+='|pthread_(create|join|sigmask|attr_(init|destroy|setstacksize)'
allowed+='|mutex_(init|lock|unlock|destroy)|cond_(init|wait|signal|broadcast|destroy)))$'
names
build gcc -O2
names

# The shared library exports the interface alone and needs libc alone.
gcc -shared "$work"/alpha-*.o -pthread -Wl,--no-undefined -o "$work/libalpha.so"
exported=$(nm -D --defined-only "$work/libalpha.so" | awk '{print $3}' | grep -v '^alpha_' || true)
[ -z "$exported" ] || { echo "error: libalpha.so exports: $exported" >&2; exit 1; }
exported=$(nm -D --defined-only "$work/libalpha.so" | grep -c ' T alpha_')
[ "$exported" = 9 ] || { echo "error: libalpha.so exports $exported functions, not 9" >&2; exit 1; }
needed=$(readelf -d "$work/libalpha.so" | awk '/NEEDED/ {print $5}' |
  grep -vE '^\[lib(c|m|pthread)\.so' || true)
[ -z "$needed" ] || { echo "error: libalpha.so needs: $needed" >&2; exit 1; }

# Compiled twice in two folders, a model is the same bytes.
cp -r "$work/alpha" "$work/again"
for folder in alpha again; do
  (cd "$work/$folder" && gcc -std=c11 -O2 -fPIC -fvisibility=hidden -DREPHASE_MODEL=alpha \
    ${settings[alpha]} -c model.c -o model.o)
done
cmp "$work/alpha/model.o" "$work/again/model.o"
echo "runtime-abi: passed"
