#ifndef REPHASE_TYPES
#define REPHASE_TYPES

#include <stddef.h>
#include <stdint.h>

/* What every call returns; the values are fixed, later versions only add to them. */
typedef enum rephase_status {
  REPHASE_OK = 0,                      /* done */
  REPHASE_NULL_POINTER = 1,            /* a pointer that must be given is NULL */
  REPHASE_CONTEXT_INVALID = 2,         /* not created, destroyed, moved, or another model's */
  REPHASE_CONTEXT_TOO_SMALL = 3,       /* fewer bytes than N_context_bytes() */
  REPHASE_CONTEXT_MISALIGNED = 4,      /* the context's memory is not 16-byte aligned */
  REPHASE_CONTEXT_BUSY = 5,            /* another thread is inside a call on this context */
  REPHASE_OPTIONS_INVALID = 6,         /* size too small, too many threads, a device for a CPU */
  REPHASE_CPU_UNSUPPORTED = 7,         /* the CPU or the operating system lacks instructions */
  REPHASE_WEIGHTS_MISSING = 8,         /* weights are separate, and none were given */
  REPHASE_WEIGHTS_SIZE = 9,            /* not the size of this model's weights file */
  REPHASE_WEIGHTS_MISALIGNED = 10,     /* the weights are not 64-byte aligned */
  REPHASE_WEIGHTS_MISMATCH = 11,       /* not the bytes this model was compiled with (SHA-256) */
  REPHASE_WORKSPACE_TOO_SMALL = 12,    /* fewer bytes than N_workspace_bytes() */
  REPHASE_WORKSPACE_MISALIGNED = 13,   /* not aligned to N_workspace_alignment() */
  REPHASE_TENSOR_MISALIGNED = 14,      /* an input or output is not 4-byte aligned */
  REPHASE_OVERLAP = 15,                /* an output or the workspace overlaps other memory */
  REPHASE_SELFTEST_MISSING = 16,       /* the model was compiled without a self-test */
  REPHASE_SELFTEST_FAILED = 17,        /* the outputs differ from those seen by the compiler */
  REPHASE_PARALLEL_FOR_FAILED = 18,    /* the host's parallel_for left iterations out */
  REPHASE_GPU_DRIVER_MISSING = 19,     /* NVIDIA's driver library cannot be loaded */
  REPHASE_GPU_MISSING = 20,            /* the driver finds no GPU, or none of that number */
  REPHASE_GPU_UNSUPPORTED = 21,        /* the GPU or its driver is too old for the model's code */
  REPHASE_GPU_MEMORY = 22,             /* the GPU has too little memory left */
  REPHASE_GPU_FAILED = 23,             /* the driver reports an error */
  REPHASE_GPU_MISALIGNED = 24,         /* an input or output on the GPU is not 64-byte aligned */
  REPHASE_GPU_POINTER = 25,            /* not memory of the context's GPU, or too little of it */
  REPHASE_GPU_STREAM = 26              /* a stream of another GPU, or in capture */
} rephase_status;

/* A loop body: runs the iterations begin ..< end. */
typedef void (*rephase_body)(void *argument, int64_t begin, int64_t end);

/*
 * How a context runs. Set `size` to sizeof(rephase_options); fields beyond `size` keep their
 * defaults, and bytes beyond the fields the library knows are ignored. All zero = the defaults.
 */
typedef struct rephase_options {
  size_t size;
  uint32_t threads; /* 0: all cores this process may use; 1: no thread is made; at most 256 */
  uint32_t device;  /* of a model for GPUs: the number of the GPU; must be 0 for CPUs */
  /*
   * NULL: the context's own threads. Otherwise the host runs the loops and `threads` is not used:
   * the function must call body(argument, begin, end) on disjoint ranges that cover 0 ..< count,
   * from any threads, and return when all of them have returned. The outputs do not depend on it.
   */
  void (*parallel_for)(void *user, int64_t count, rephase_body body, void *argument);
  void *parallel_user; /* passed to parallel_for */
} rephase_options;

#endif
