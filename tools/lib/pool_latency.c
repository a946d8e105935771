/*
 * What a parallel loop costs before it does any work, by the number of threads and by how long
 * nothing ran before it (workers spin at first, then sleep).
 *
 *   pool_latency [THREADS]
 *
 * prints one JSON line for each case, in microseconds, median and 99th percentile over many loops:
 *   empty    an empty loop of as many iterations as a layer has rows (192): what a kernel too
 *            short for a second thread pays
 *   meeting  a loop in which every thread waits until all are there: fork, wake and join
 */
#define _GNU_SOURCE
#include "pool.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xmmintrin.h>

enum { LOOPS = 2000, ROWS = 192 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void nothing(void *argument, int64_t begin, int64_t end) {
  (void)argument, (void)begin, (void)end;
}

/* Counts down from the number of threads; nobody leaves before it is zero. */
static void meet(void *argument, int64_t begin, int64_t end) {
  atomic_long *missing = argument;
  atomic_fetch_sub(missing, (long)(end - begin));
  while (atomic_load(missing) > 0) _mm_pause();
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The caller is busy for so long, as between two kernels; from a millisecond on it sleeps. */
static void idle(double microseconds) {
  if (microseconds >= 1000) {
    struct timespec t = {0, (long)(microseconds * 1000)};
    nanosleep(&t, NULL);
    return;
  }
  for (double end = now() + microseconds; now() < end;) _mm_pause();
}

static void measure(rephase_pool *pool, const char *name, double gap) {
  static double times[LOOPS];
  const rephase_parallel *parallel = rephase_pool_parallel(pool);
  uint32_t threads = rephase_pool_threads(pool);
  size_t loops = gap >= 1000 ? LOOPS / 20 : LOOPS;
  for (size_t i = 0; i < loops; i++) {
    atomic_long missing = threads;
    idle(gap);
    double start = now();
    if (*name == 'm')
      parallel->run(parallel->user, threads, meet, &missing);
    else
      parallel->run(parallel->user, ROWS, nothing, NULL);
    times[i] = now() - start;
  }
  qsort(times, loops, sizeof *times, ascending);
  printf("{\"loop\": \"%s\", \"threads\": %u, \"gap_us\": %g, \"median_us\": %.2f, \"p99_us\": %.2f}\n",
         name, threads, gap, times[loops / 2], times[loops * 99 / 100]);
}

int main(int count, char **arguments) {
  uint32_t most =
      count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : rephase_available_cores();
  const double gaps[] = {0, 5, 20, 100, 2000};
  for (uint32_t threads = 1; threads <= most; threads++) {
    void *memory = aligned_alloc(64, (rephase_pool_bytes() + 63) / 64 * 64);
    if (!memory) return 1;
    rephase_pool *pool = rephase_pool_create(memory, threads);
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
      measure(pool, "empty", gaps[i]);
      measure(pool, "meeting", gaps[i]);
    }
    rephase_pool_destroy(pool);
    free(memory);
  }
  return 0;
}
