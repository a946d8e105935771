/* Times kernels on this machine's GPU, for the tuner; not a part of libraries. */
#ifndef REPHASE_GPU_TIMER_H
#define REPHASE_GPU_TIMER_H

#include "rephase_types.h"

/* The driver's first GPU: one block of memory, code, and graphs of launches. For one thread. */
typedef struct rephase_timer rephase_timer;

typedef struct rephase_timed_launch {
  void *function;
  /* Of shared memory, besides what the kernel declares. */
  unsigned blocks, threads, shared_bytes;
  const uint64_t *arguments;
  size_t count;
} rephase_timed_launch;

/* Its context is the thread's until the timer is closed. When it fails, nothing is kept. */
rephase_status rephase_timer_open(rephase_timer **timer);
void rephase_timer_close(rephase_timer *timer);
/* What the driver calls the GPU. */
const char *rephase_timer_gpu(const rephase_timer *timer);

/* The others return the driver's error number, 0 for success. */

/*
 * Makes the memory hold `bytes`, all of it small numbers in every type of float, and sets `*address`.
 * What graphs were made with before is gone.
 */
int rephase_timer_reserve(rephase_timer *timer, size_t bytes, uint64_t *address);
/* Machine code, or PTX with its terminating zero; it stays until the timer is closed. */
int rephase_timer_load(rephase_timer *timer, const void *code, void **module);
/* A kernel that may be launched with so many bytes of shared memory. */
int rephase_timer_find(rephase_timer *timer, void *module, const char *name, unsigned shared_bytes,
                       void **function);
/* The launches one after the other. */
int rephase_timer_graph(rephase_timer *timer, const rephase_timed_launch *launches, size_t count,
                        void **graph);
void rephase_timer_discard(rephase_timer *timer, void *graph);
/* Runs a graph between two events. */
int rephase_timer_seconds(rephase_timer *timer, void *graph, double *seconds);

#endif
