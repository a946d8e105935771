#include "gpu_host.h"

#include <stdlib.h>
#include <string.h>

/* The functions of the driver that libraries use too. */
#define REPHASE_GPU_HOST
#include "device_driver.c"

/* What only the compiler needs. */
#define REPHASE_HOST_FUNCTIONS(_)                   \
  _(cuDeviceGetName, (char *, int, int))            \
  _(cuEventElapsedTime, (float *, void *, void *))  \
  _(cuMemcpyDtoDAsync_v2, (rephase_address, rephase_address, size_t, void *))

typedef struct rephase_host {
  REPHASE_HOST_FUNCTIONS(REPHASE_DECLARE)
} rephase_host;

struct rephase_gpu {
  rephase_driver driver;
  rephase_host host;
  int device;
  char name[128];
  void *context, *stream, *begin, *end;
  rephase_address memory;
  size_t bytes;
};

static rephase_status rephase_host_find(rephase_host *functions, void *library) {
  return REPHASE_HOST_FUNCTIONS(REPHASE_FIND) 1 ? REPHASE_OK : REPHASE_GPU_DRIVER_MISSING;
}

/* Context, stream and events. */
static int rephase_gpu_prepare(rephase_gpu *gpu) {
  const rephase_driver *cu = &gpu->driver;
  int result = cu->cuDevicePrimaryCtxRetain(&gpu->context, gpu->device);
  if (result != 0) {
    gpu->context = NULL;
    return result;
  }
  result = cu->cuCtxPushCurrent_v2(gpu->context);
  if (result != 0) {
    cu->cuDevicePrimaryCtxRelease_v2(gpu->device);
    gpu->context = NULL;
    return result;
  }
  result = gpu->host.cuDeviceGetName(gpu->name, sizeof gpu->name, gpu->device);
  if (result == 0) result = cu->cuStreamCreate(&gpu->stream, REPHASE_CU_STREAM_NON_BLOCKING);
  if (result == 0) result = cu->cuEventCreate(&gpu->begin, 0);
  if (result == 0) result = cu->cuEventCreate(&gpu->end, 0);
  return result;
}

rephase_status rephase_gpu_open(rephase_gpu **opened) {
  int capability = 0;
  rephase_gpu *gpu = calloc(1, sizeof *gpu);
  if (gpu == NULL) return REPHASE_GPU_FAILED;
  rephase_status status = rephase_driver_load(&gpu->driver);
  if (status == REPHASE_OK && !gpu->driver.has_graphs) status = REPHASE_GPU_DRIVER_MISSING;
  if (status == REPHASE_OK) status = rephase_host_find(&gpu->host, gpu->driver.library);
  if (status == REPHASE_OK)
    status = rephase_query_device(&gpu->driver.query, 0, &gpu->device, &capability);
  if (status == REPHASE_OK) status = rephase_device_failure(rephase_gpu_prepare(gpu));
  if (status != REPHASE_OK) {
    rephase_gpu_close(gpu);
    return status;
  }
  *opened = gpu;
  return REPHASE_OK;
}

void rephase_gpu_close(rephase_gpu *gpu) {
  const rephase_driver *cu = &gpu->driver;
  void *popped;
  if (gpu->context != NULL) {
    if (gpu->memory != 0) cu->cuMemFree_v2(gpu->memory);
    if (gpu->begin != NULL) cu->cuEventDestroy_v2(gpu->begin);
    if (gpu->end != NULL) cu->cuEventDestroy_v2(gpu->end);
    if (gpu->stream != NULL) cu->cuStreamDestroy_v2(gpu->stream);
    cu->cuCtxPopCurrent_v2(&popped);
    cu->cuDevicePrimaryCtxRelease_v2(gpu->device);
  }
  if (cu->library != NULL) dlclose(cu->library);
  free(gpu);
}

const char *rephase_gpu_name(const rephase_gpu *gpu) { return gpu->name; }

/* MARK: tensors */

void *rephase_gpu_stream(const rephase_gpu *gpu) { return gpu->stream; }

int rephase_gpu_allocate(rephase_gpu *gpu, size_t bytes, uint64_t *address) {
  return gpu->driver.cuMemAlloc_v2(address, bytes);
}

void rephase_gpu_free(rephase_gpu *gpu, uint64_t address) { gpu->driver.cuMemFree_v2(address); }

int rephase_gpu_upload(rephase_gpu *gpu, uint64_t to, const void *from, size_t bytes) {
  /* Of pageable memory the driver makes a copy before it returns. */
  return gpu->driver.cuMemcpyHtoDAsync_v2(to, from, bytes, gpu->stream);
}

int rephase_gpu_download(rephase_gpu *gpu, void *to, uint64_t from, size_t bytes) {
  int result = gpu->driver.cuMemcpyDtoHAsync_v2(to, from, bytes, gpu->stream);
  int end = gpu->driver.cuStreamSynchronize(gpu->stream);
  return result == 0 ? end : result;
}

int rephase_gpu_copy(rephase_gpu *gpu, uint64_t to, uint64_t from, size_t bytes) {
  return gpu->host.cuMemcpyDtoDAsync_v2(to, from, bytes, gpu->stream);
}

/* MARK: times */

/* Pairs of bf16 numbers of both signs between 2^-8 and 2^-4: as f32 and f64, too, they are small. */
static void rephase_gpu_noise(uint32_t *words, size_t count) {
  uint64_t state = 1;
  for (size_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint32_t bits = (uint32_t)(state >> 32) & 0x81FF81FFu;
    words[i] = bits + 0x3B803B80u;
  }
}

int rephase_gpu_reserve(rephase_gpu *gpu, size_t bytes, uint64_t *address) {
  enum { WORDS = 1 << 18 };
  const rephase_driver *cu = &gpu->driver;
  int result = 0;
  *address = gpu->memory;
  if (bytes <= gpu->bytes) return 0;
  if (gpu->memory != 0) cu->cuMemFree_v2(gpu->memory);
  gpu->memory = gpu->bytes = 0;
  uint32_t *noise = malloc(WORDS * sizeof *noise);
  if (noise == NULL) return REPHASE_CU_OUT_OF_MEMORY;
  rephase_gpu_noise(noise, WORDS);
  result = cu->cuMemAlloc_v2(&gpu->memory, bytes);
  if (result != 0) gpu->memory = 0;
  for (size_t at = 0; at < bytes && result == 0; at += WORDS * sizeof *noise) {
    size_t left = bytes - at, most = WORDS * sizeof *noise;
    result = cu->cuMemcpyHtoDAsync_v2(gpu->memory + at, noise, left < most ? left : most,
                                      gpu->stream);
  }
  if (gpu->memory != 0) {
    int finished = cu->cuStreamSynchronize(gpu->stream);
    if (result == 0) result = finished;
  }
  free(noise);
  if (result == 0) gpu->bytes = bytes;
  *address = gpu->memory;
  return result;
}

int rephase_gpu_load(rephase_gpu *gpu, const void *code, void **module) {
  return gpu->driver.cuModuleLoadData(module, code);
}

int rephase_gpu_find(rephase_gpu *gpu, void *module, const char *name, unsigned shared_bytes,
                     void **function) {
  const rephase_driver *cu = &gpu->driver;
  int result = cu->cuModuleGetFunction(function, module, name);
  if (result == 0 && shared_bytes > 0)
    result = cu->cuFuncSetAttribute(*function, REPHASE_CU_SHARED_BYTES, (int)shared_bytes);
  return result;
}

/* Adds a launch behind the node `*last`, which is NULL for the first. */
static int rephase_gpu_add(const rephase_driver *cu, void *graph, void **last,
                           const rephase_timed_launch *launch) {
  void *before = *last;
  void **pointers = malloc((launch->count + 1) * sizeof *pointers);
  if (pointers == NULL) return REPHASE_CU_OUT_OF_MEMORY;
  for (size_t i = 0; i < launch->count; i++) pointers[i] = (void *)&launch->arguments[i];
  rephase_node_params node = {.function = launch->function,
                              .blocks = {launch->blocks, 1, 1},
                              .threads = {launch->threads, 1, 1},
                              .shared_bytes = launch->shared_bytes,
                              .arguments = pointers};
  int result = cu->cuGraphAddKernelNode(last, graph, before ? &before : NULL, before != NULL, &node);
  free(pointers);
  return result;
}

int rephase_gpu_graph(rephase_gpu *gpu, const rephase_timed_launch *launches, size_t count,
                      void **executable) {
  const rephase_driver *cu = &gpu->driver;
  void *graph = NULL, *last = NULL;
  int result = cu->cuGraphCreate(&graph, 0);
  if (result != 0) return result;
  for (size_t i = 0; i < count && result == 0; i++)
    result = rephase_gpu_add(cu, graph, &last, &launches[i]);
  if (result == 0) result = cu->cuGraphInstantiateWithFlags(executable, graph, 0);
  cu->cuGraphDestroy(graph);
  return result;
}

void rephase_gpu_discard(rephase_gpu *gpu, void *graph) {
  gpu->driver.cuGraphExecDestroy(graph);
}

int rephase_gpu_seconds(rephase_gpu *gpu, void *graph, double *seconds) {
  const rephase_driver *cu = &gpu->driver;
  float milliseconds = 0;
  int result = cu->cuEventRecord(gpu->begin, gpu->stream);
  if (result == 0) result = cu->cuGraphLaunch(graph, gpu->stream);
  if (result == 0) result = cu->cuEventRecord(gpu->end, gpu->stream);
  if (result == 0) result = cu->cuEventSynchronize(gpu->end);
  if (result == 0)
    result = gpu->host.cuEventElapsedTime(&milliseconds, gpu->begin, gpu->end);
  *seconds = milliseconds / 1e3;
  return result;
}
