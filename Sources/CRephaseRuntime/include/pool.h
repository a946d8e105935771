/* A small thread pool in memory the caller owns. */
#ifndef REPHASE_POOL_H
#define REPHASE_POOL_H

#include "parallel.h"

/* The most threads of one pool, the caller among them; it fixes the size of a context. */
#define REPHASE_MAX_THREADS 256

typedef struct rephase_pool rephase_pool;

/* The cores this process may run on, at least 1. */
REPHASE_LOCAL uint32_t rephase_available_cores(void);

/*
 * Makes a pool of `threads` threads, the caller among them (0: all available cores; clamped to
 * REPHASE_MAX_THREADS). Where the system refuses a thread, the pool goes on with fewer. `memory`
 * need not be initialized.
 */
REPHASE_LOCAL rephase_pool *rephase_pool_create(void *memory, uint32_t threads);

/*
 * The pool as generated code sees it. A run inside a run, or two at once, is done serially by its
 * caller, which is always correct.
 */
REPHASE_LOCAL const rephase_parallel *rephase_pool_parallel(const rephase_pool *pool);

/* Calls generated code in the default floating-point environment, then restores the caller's. */
REPHASE_LOCAL void rephase_call(rephase_kernels kernels, const void *const *inputs,
                                void *const *outputs, const void *constants, void *workspace,
                                const rephase_parallel *parallel);

/* A child of fork() has the memory of the pool but not its threads: makes the pool serial there. */
REPHASE_LOCAL void rephase_pool_check_process(rephase_pool *pool);

/* Ends and joins the threads; no run may be in progress. */
REPHASE_LOCAL void rephase_pool_destroy(rephase_pool *pool);

#ifndef REPHASE_MODEL
/* Bytes of memory, 64-byte aligned, that a pool needs; it must not be moved. */
size_t rephase_pool_bytes(void);

/* Threads that the pool really has, the caller among them. */
uint32_t rephase_pool_threads(const rephase_pool *pool);
#endif

#endif
