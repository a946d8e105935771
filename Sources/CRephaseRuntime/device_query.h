/*
 * What the compiler and libraries for GPUs ask NVIDIA's driver before anything else. Names and meanings
 * are those of the CUDA driver API reference; 0 is success.
 */
#ifndef REPHASE_DEVICE_QUERY_H
#define REPHASE_DEVICE_QUERY_H

#include <dlfcn.h>

#include "rephase_types.h"

#define REPHASE_QUERY_FUNCTIONS(_)  \
  _(cuInit, (unsigned))             \
  _(cuDeviceGetCount, (int *))      \
  _(cuDeviceGet, (int *, int))      \
  _(cuDeviceGetAttribute, (int *, int, int))

#define REPHASE_DECLARE(name, parameters) int (*name) parameters;
/* Whether `library` has the function, which then is among `functions`; a factor of a conjunction. */
#define REPHASE_FIND(name, parameters) \
  (*(void **)(&functions->name) = dlsym(library, #name)) != NULL &&

typedef struct rephase_query {
  REPHASE_QUERY_FUNCTIONS(REPHASE_DECLARE)
} rephase_query;

/*
 * Loads the driver; NULL where there is none. One that has started threads must stay where it is, even
 * when nobody uses it any more.
 */
static void *rephase_driver_open(void) {
  return dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

static rephase_status rephase_query_find(rephase_query *functions, void *library) {
  return REPHASE_QUERY_FUNCTIONS(REPHASE_FIND) 1 ? REPHASE_OK : REPHASE_GPU_DRIVER_MISSING;
}

/* Finds a GPU by its number among the driver's, and its compute capability, times ten. */
static rephase_status rephase_query_device(const rephase_query *cu, unsigned wanted, int *device,
                                           int *capability) {
  enum { MAJOR = 75, MINOR = 76 }; /* CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_... */
  int count = 0, major = 0, minor = 0;
  if (cu->cuInit(0) != 0 || cu->cuDeviceGetCount(&count) != 0 || count <= 0 ||
      wanted >= (unsigned)count || cu->cuDeviceGet(device, (int)wanted) != 0)
    return REPHASE_GPU_MISSING;
  if (cu->cuDeviceGetAttribute(&major, MAJOR, *device) != 0 ||
      cu->cuDeviceGetAttribute(&minor, MINOR, *device) != 0)
    return REPHASE_GPU_FAILED;
  *capability = 10 * major + minor;
  return REPHASE_OK;
}

#endif
