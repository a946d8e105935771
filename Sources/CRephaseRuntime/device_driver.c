/*
 * NVIDIA's driver, loaded when a context is made: a library for a GPU links and loads everywhere. Part
 * of device.c, and of the compiler's gpu_host.c. Names and meanings are those of the CUDA driver API
 * reference; 0 is success.
 */
#if (defined(REPHASE_MODEL) && REPHASE_DEVICE) || defined(REPHASE_GPU_HOST)

#include "device_query.h"

typedef uint64_t rephase_address;

/* CUDA_KERNEL_NODE_PARAMS_v1. */
typedef struct rephase_node_params {
  void *function;
  unsigned blocks[3], threads[3], shared_bytes;
  void **arguments, **extra;
} rephase_node_params;

/* Names and parameters of what every driver has that runs the PTX. */
#define REPHASE_DRIVER_FUNCTIONS(_)                                                             \
  _(cuDevicePrimaryCtxRetain, (void **, int))                                                   \
  _(cuDevicePrimaryCtxRelease_v2, (int))                                                        \
  _(cuCtxPushCurrent_v2, (void *))                                                              \
  _(cuCtxPopCurrent_v2, (void **))                                                              \
  _(cuModuleLoadData, (void **, const void *))                                                  \
  _(cuModuleUnload, (void *))                                                                   \
  _(cuModuleGetFunction, (void **, void *, const char *))                                       \
  _(cuFuncSetAttribute, (void *, int, int))                                                     \
  _(cuMemAlloc_v2, (rephase_address *, size_t))                                                 \
  _(cuMemFree_v2, (rephase_address))                                                            \
  _(cuPointerGetAttributes, (unsigned, const int *, void **, rephase_address))                  \
  _(cuStreamCreate, (void **, unsigned))                                                        \
  _(cuStreamDestroy_v2, (void *))                                                               \
  _(cuStreamSynchronize, (void *))                                                              \
  _(cuStreamGetCtx, (void *, void **))                                                          \
  _(cuStreamIsCapturing, (void *, int *))                                                       \
  _(cuStreamWaitEvent, (void *, void *, unsigned))                                              \
  _(cuEventCreate, (void **, unsigned))                                                         \
  _(cuEventDestroy_v2, (void *))                                                                \
  _(cuEventRecord, (void *, void *))                                                            \
  _(cuEventSynchronize, (void *))                                                               \
  _(cuMemcpyHtoDAsync_v2, (rephase_address, const void *, size_t, void *))                      \
  _(cuMemcpyDtoHAsync_v2, (void *, rephase_address, size_t, void *))                            \
  _(cuLaunchKernel, (void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, \
                     void *, void **, void **))

/* Those of graphs, which a driver may lack: then kernels are launched one by one. */
#define REPHASE_GRAPH_FUNCTIONS(_)                                                              \
  _(cuGraphCreate, (void **, unsigned))                                                         \
  _(cuGraphDestroy, (void *))                                                                   \
  _(cuGraphAddKernelNode, (void **, void *, void *const *, size_t, const rephase_node_params *)) \
  _(cuGraphInstantiateWithFlags, (void **, void *, unsigned long long))                         \
  _(cuGraphExecDestroy, (void *))                                                               \
  _(cuGraphExecKernelNodeSetParams, (void *, void *, const rephase_node_params *))              \
  _(cuGraphLaunch, (void *, void *))

typedef struct rephase_driver {
  void *library;
  rephase_query query;
  REPHASE_DRIVER_FUNCTIONS(REPHASE_DECLARE)
  REPHASE_GRAPH_FUNCTIONS(REPHASE_DECLARE)
  int has_graphs;
} rephase_driver;

enum {
  REPHASE_CU_OUT_OF_MEMORY = 2,
  REPHASE_CU_NOT_FOUND = 500,
  REPHASE_CU_SHARED_BYTES = 8, /* attribute of functions: dynamic shared memory that launches may have */
  REPHASE_CU_STREAM_NON_BLOCKING = 1, /* beside the default stream */
  REPHASE_CU_EVENT_DISABLE_TIMING = 2,
  /* Attributes of pointers, and the type that is a GPU's memory. */
  REPHASE_CU_MEMORY_TYPE = 2,
  REPHASE_CU_DEVICE_ORDINAL = 9,
  REPHASE_CU_RANGE_START = 11,
  REPHASE_CU_RANGE_SIZE = 12,
  REPHASE_CU_MEMORY_TYPE_DEVICE = 2
};

static rephase_status rephase_device_failure(int result) {
  if (result == 0) return REPHASE_OK;
  return result == REPHASE_CU_OUT_OF_MEMORY ? REPHASE_GPU_MEMORY : REPHASE_GPU_FAILED;
}

/* Loads the driver; REPHASE_GPU_DRIVER_MISSING where it or one of its functions is not there. */
static rephase_status rephase_driver_load(rephase_driver *functions) {
  void *library = functions->library = rephase_driver_open();
  if (library == NULL) return REPHASE_GPU_DRIVER_MISSING;
  functions->has_graphs = REPHASE_GRAPH_FUNCTIONS(REPHASE_FIND) 1;
  if (!(REPHASE_DRIVER_FUNCTIONS(REPHASE_FIND) 1)) return REPHASE_GPU_DRIVER_MISSING;
  return rephase_query_find(&functions->query, library);
}

#else
/* In the compiler itself, and in libraries for CPUs, this file is only text. */
typedef int rephase_device_driver_is_text;
#endif
