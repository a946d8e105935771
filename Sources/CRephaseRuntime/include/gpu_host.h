/*
 * The compiler's use of this machine's GPU, times of kernels for the tuner and tensors for training; not a
 * part of libraries.
 */
#ifndef REPHASE_GPU_HOST_H
#define REPHASE_GPU_HOST_H

#include "rephase_types.h"

/* The driver's first GPU, with a stream of its own. For one thread. */
typedef struct rephase_gpu rephase_gpu;

typedef struct rephase_timed_launch {
  void *function;
  /* Of shared memory, besides what the kernel declares. */
  unsigned blocks, threads, shared_bytes;
  const uint64_t *arguments;
  size_t count;
} rephase_timed_launch;

/* Its context is the thread's until the GPU is closed. When it fails, nothing is kept. */
rephase_status rephase_gpu_open(rephase_gpu **gpu);
void rephase_gpu_close(rephase_gpu *gpu);
/* What the driver calls the GPU. */
const char *rephase_gpu_name(const rephase_gpu *gpu);

/* The others return the driver's error number, 0 for success. */

/* MARK: tensors */

/* The CUstream in which copies follow each other. */
void *rephase_gpu_stream(const rephase_gpu *gpu);
/* `rephase_gpu_free` gives it back, before the GPU is closed. */
int rephase_gpu_allocate(rephase_gpu *gpu, size_t bytes, uint64_t *address);
void rephase_gpu_free(rephase_gpu *gpu, uint64_t address);
/* `from` may change as soon as this returns. */
int rephase_gpu_upload(rephase_gpu *gpu, uint64_t to, const void *from, size_t bytes);
/* Returns when all that was put into the stream before is done and copied. */
int rephase_gpu_download(rephase_gpu *gpu, void *to, uint64_t from, size_t bytes);
/* From memory of the GPU to memory of the GPU. */
int rephase_gpu_copy(rephase_gpu *gpu, uint64_t to, uint64_t from, size_t bytes);

/* MARK: times */

/*
 * Makes one block of memory hold `bytes`, all of it small numbers in every type of float, and sets `*address`.
 * What graphs were made with before is gone.
 */
int rephase_gpu_reserve(rephase_gpu *gpu, size_t bytes, uint64_t *address);
/* Machine code, or PTX with its terminating zero; it stays until the GPU is closed. */
int rephase_gpu_load(rephase_gpu *gpu, const void *code, void **module);
/* A kernel that may be launched with so many bytes of shared memory. */
int rephase_gpu_find(rephase_gpu *gpu, void *module, const char *name, unsigned shared_bytes,
                     void **function);
/* The launches one after the other. */
int rephase_gpu_graph(rephase_gpu *gpu, const rephase_timed_launch *launches, size_t count,
                      void **graph);
void rephase_gpu_discard(rephase_gpu *gpu, void *graph);
/* Runs a graph between two events. */
int rephase_gpu_seconds(rephase_gpu *gpu, void *graph, double *seconds);

#endif
