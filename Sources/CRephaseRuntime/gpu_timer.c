#include "gpu_timer.h"

#include <stdlib.h>
#include <string.h>

/* The functions of the driver that libraries use too. */
#define REPHASE_GPU_TIMER
#include "device_driver.c"

/* What only timing needs. */
#define REPHASE_TIMER_FUNCTIONS(_)        \
  _(cuDeviceGetName, (char *, int, int))  \
  _(cuEventElapsedTime, (float *, void *, void *))

typedef struct rephase_clock {
  REPHASE_TIMER_FUNCTIONS(REPHASE_DECLARE)
} rephase_clock;

struct rephase_timer {
  rephase_driver driver;
  rephase_clock clock;
  int device;
  char name[128];
  void *context, *stream, *begin, *end;
  rephase_address memory;
  size_t bytes;
};

static rephase_status rephase_clock_find(rephase_clock *functions, void *library) {
  return REPHASE_TIMER_FUNCTIONS(REPHASE_FIND) 1 ? REPHASE_OK : REPHASE_GPU_DRIVER_MISSING;
}

/* Context, stream and events. */
static int rephase_timer_prepare(rephase_timer *timer) {
  const rephase_driver *cu = &timer->driver;
  int result = cu->cuDevicePrimaryCtxRetain(&timer->context, timer->device);
  if (result != 0) {
    timer->context = NULL;
    return result;
  }
  result = cu->cuCtxPushCurrent_v2(timer->context);
  if (result != 0) {
    cu->cuDevicePrimaryCtxRelease_v2(timer->device);
    timer->context = NULL;
    return result;
  }
  result = timer->clock.cuDeviceGetName(timer->name, sizeof timer->name, timer->device);
  if (result == 0) result = cu->cuStreamCreate(&timer->stream, REPHASE_CU_STREAM_NON_BLOCKING);
  if (result == 0) result = cu->cuEventCreate(&timer->begin, 0);
  if (result == 0) result = cu->cuEventCreate(&timer->end, 0);
  return result;
}

rephase_status rephase_timer_open(rephase_timer **opened) {
  int capability = 0;
  rephase_timer *timer = calloc(1, sizeof *timer);
  if (timer == NULL) return REPHASE_GPU_FAILED;
  rephase_status status = rephase_driver_load(&timer->driver);
  if (status == REPHASE_OK && !timer->driver.has_graphs) status = REPHASE_GPU_DRIVER_MISSING;
  if (status == REPHASE_OK) status = rephase_clock_find(&timer->clock, timer->driver.library);
  if (status == REPHASE_OK)
    status = rephase_query_device(&timer->driver.query, 0, &timer->device, &capability);
  if (status == REPHASE_OK) status = rephase_device_failure(rephase_timer_prepare(timer));
  if (status != REPHASE_OK) {
    rephase_timer_close(timer);
    return status;
  }
  *opened = timer;
  return REPHASE_OK;
}

void rephase_timer_close(rephase_timer *timer) {
  const rephase_driver *cu = &timer->driver;
  void *popped;
  if (timer->context != NULL) {
    if (timer->memory != 0) cu->cuMemFree_v2(timer->memory);
    if (timer->begin != NULL) cu->cuEventDestroy_v2(timer->begin);
    if (timer->end != NULL) cu->cuEventDestroy_v2(timer->end);
    if (timer->stream != NULL) cu->cuStreamDestroy_v2(timer->stream);
    cu->cuCtxPopCurrent_v2(&popped);
    cu->cuDevicePrimaryCtxRelease_v2(timer->device);
  }
  if (cu->library != NULL) dlclose(cu->library);
  free(timer);
}

const char *rephase_timer_gpu(const rephase_timer *timer) { return timer->name; }

/* Pairs of bf16 numbers of both signs between 2^-8 and 2^-4: as f32 and f64, too, they are small. */
static void rephase_timer_noise(uint32_t *words, size_t count) {
  uint64_t state = 1;
  for (size_t i = 0; i < count; i++) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    uint32_t bits = (uint32_t)(state >> 32) & 0x81FF81FFu;
    words[i] = bits + 0x3B803B80u;
  }
}

int rephase_timer_reserve(rephase_timer *timer, size_t bytes, uint64_t *address) {
  enum { WORDS = 1 << 18 };
  const rephase_driver *cu = &timer->driver;
  int result = 0;
  *address = timer->memory;
  if (bytes <= timer->bytes) return 0;
  if (timer->memory != 0) cu->cuMemFree_v2(timer->memory);
  timer->memory = timer->bytes = 0;
  uint32_t *noise = malloc(WORDS * sizeof *noise);
  if (noise == NULL) return REPHASE_CU_OUT_OF_MEMORY;
  rephase_timer_noise(noise, WORDS);
  result = cu->cuMemAlloc_v2(&timer->memory, bytes);
  if (result != 0) timer->memory = 0;
  for (size_t at = 0; at < bytes && result == 0; at += WORDS * sizeof *noise) {
    size_t left = bytes - at, most = WORDS * sizeof *noise;
    result = cu->cuMemcpyHtoDAsync_v2(timer->memory + at, noise, left < most ? left : most,
                                      timer->stream);
  }
  if (timer->memory != 0) {
    int finished = cu->cuStreamSynchronize(timer->stream);
    if (result == 0) result = finished;
  }
  free(noise);
  if (result == 0) timer->bytes = bytes;
  *address = timer->memory;
  return result;
}

int rephase_timer_load(rephase_timer *timer, const void *code, void **module) {
  return timer->driver.cuModuleLoadData(module, code);
}

int rephase_timer_find(rephase_timer *timer, void *module, const char *name, unsigned shared_bytes,
                       void **function) {
  const rephase_driver *cu = &timer->driver;
  int result = cu->cuModuleGetFunction(function, module, name);
  if (result == 0 && shared_bytes > 0)
    result = cu->cuFuncSetAttribute(*function, REPHASE_CU_SHARED_BYTES, (int)shared_bytes);
  return result;
}

/* Adds a launch behind the node `*last`, which is NULL for the first. */
static int rephase_timer_add(const rephase_driver *cu, void *graph, void **last,
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

int rephase_timer_graph(rephase_timer *timer, const rephase_timed_launch *launches, size_t count,
                        void **executable) {
  const rephase_driver *cu = &timer->driver;
  void *graph = NULL, *last = NULL;
  int result = cu->cuGraphCreate(&graph, 0);
  if (result != 0) return result;
  for (size_t i = 0; i < count && result == 0; i++)
    result = rephase_timer_add(cu, graph, &last, &launches[i]);
  if (result == 0) result = cu->cuGraphInstantiateWithFlags(executable, graph, 0);
  cu->cuGraphDestroy(graph);
  return result;
}

void rephase_timer_discard(rephase_timer *timer, void *graph) {
  timer->driver.cuGraphExecDestroy(graph);
}

int rephase_timer_seconds(rephase_timer *timer, void *graph, double *seconds) {
  const rephase_driver *cu = &timer->driver;
  float milliseconds = 0;
  int result = cu->cuEventRecord(timer->begin, timer->stream);
  if (result == 0) result = cu->cuGraphLaunch(graph, timer->stream);
  if (result == 0) result = cu->cuEventRecord(timer->end, timer->stream);
  if (result == 0) result = cu->cuEventSynchronize(timer->end);
  if (result == 0)
    result = timer->clock.cuEventElapsedTime(&milliseconds, timer->begin, timer->end);
  *seconds = milliseconds / 1e3;
  return result;
}
