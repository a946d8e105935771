#!/usr/bin/env bash
# Thread, address and undefined-behaviour sanitizers and Valgrind over the runtime's tests; any
# report fails. They are gcc's: the thread sanitizer of Swift's clang links with libdispatch only.
. "$(dirname "$0")/runtime-common.sh"
lay_out

# check NAME COMMAND...: fails on a failed command and on anything that looks like a report.
check() {
  local name=$1
  shift
  if ! "$@" > "$work/log" 2>&1 ||
    grep -E 'WARNING: ThreadSanitizer|ERROR: AddressSanitizer|runtime error|ERROR: LeakSanitizer' \
      "$work/log"; then
    cat "$work/log" >&2
    echo "error: $name" >&2
    exit 1
  fi
  echo "$name: clean"
}

export TSAN_OPTIONS=halt_on_error=1:exitcode=66 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1

for sanitizers in thread address,undefined; do
  build gcc -O1 -g "-fsanitize=$sanitizers" -fno-sanitize-recover=all
  for program in host pool; do check "$program with $sanitizers" "$work/$program"; done
done

if [ -x "$(command -v valgrind)" ]; then
  build gcc -O1 -g -DVIRTUAL_CPU
  for program in host pool; do
    check "$program with valgrind" valgrind --quiet --leak-check=full --error-exitcode=66 \
      --fair-sched=yes --max-threads=1000 "$work/$program"
  done
else
  echo "valgrind is not installed: its run is left out"
fi
echo "runtime-sanitizers: passed"
