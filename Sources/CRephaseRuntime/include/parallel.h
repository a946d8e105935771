/* What generated code is given to run its parallel loops; the same for the JIT and the library. */
#ifndef REPHASE_PARALLEL_H
#define REPHASE_PARALLEL_H

#include "rephase_types.h"

/* Everything of the runtime is static inside a model library, and global in the compiler. */
#ifdef REPHASE_MODEL
#define REPHASE_LOCAL static
#else
#define REPHASE_LOCAL
#endif

typedef struct rephase_parallel {
  /* Runs body over 0 ..< count (< 2^62) in disjoint ranges; returns when all are done. */
  void (*run)(void *user, int64_t count, rephase_body body, void *argument);
  void *user;
} rephase_parallel;

/* The one generated entry point of a model, <N>_kernels; `parallel` is never NULL. */
typedef void (*rephase_kernels)(const void *const *inputs, void *const *outputs,
                                const void *constants, void *workspace,
                                const rephase_parallel *parallel);

#endif
