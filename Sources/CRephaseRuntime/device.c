/*
 * Runs a model's kernels on an NVIDIA GPU through its driver. `model_data.h` has the code and the
 * launches; device_graph.c launches them, device_selftest.c checks them.
 */
#if defined(REPHASE_MODEL) && REPHASE_DEVICE

#include "device_driver.c"

/* A buffer of a launch: an input or output by number, or bytes from the start of constants or arena. */
enum { REPHASE_INPUT, REPHASE_OUTPUT, REPHASE_CONSTANT, REPHASE_ARENA };
typedef struct rephase_place {
  int kind;
  size_t value;
} rephase_place;

typedef struct rephase_launch {
  int kernel;
  /* Of shared memory, besides what the kernel declares. */
  unsigned blocks, threads, shared_bytes;
  int count;
  rephase_place places[REPHASE_DEVICE_PARAMETERS];
} rephase_launch;

static const char *const rephase_kernel_names[] = REPHASE_DEVICE_KERNELS;
static const rephase_launch rephase_launches[] = REPHASE_DEVICE_LAUNCHES;
static const char rephase_ptx[] = REPHASE_DEVICE_PTX;
#ifdef REPHASE_DEVICE_CUBIN
static const _Alignas(64) char rephase_cubin[] = REPHASE_DEVICE_CUBIN;
#endif
#define REPHASE_KERNELS (sizeof rephase_kernel_names / sizeof *rephase_kernel_names)
#define REPHASE_LAUNCHES (sizeof rephase_launches / sizeof *rephase_launches)

/* Where the inputs and outputs of a run are on the GPU. */
typedef struct rephase_tensors {
  rephase_address inputs[REPHASE_INPUT_COUNT], outputs[REPHASE_OUTPUT_COUNT];
} rephase_tensors;

typedef struct rephase_device {
  rephase_driver driver;
  rephase_device_info info;
  int number;
  void *context, *module, *stream;
  /* Recorded after each run that nobody waited for; it guards the arena. */
  void *done;
  int is_pending;
  void *kernels[REPHASE_KERNELS];
  rephase_address constants, arena;
  rephase_tensors own;
  /* The launches as a graph, and the tensors that its nodes have; NULL where there is none. */
  void *graph, *executable, *nodes[REPHASE_LAUNCHES];
  rephase_tensors bound;
} rephase_device;

#include "device_graph.c"

/* MARK: creating and destroying */

/* Finds the GPU and takes its primary context, which the host's own CUDA code shares. */
static rephase_status rephase_device_open(rephase_device *device, uint32_t wanted) {
  int capability = 0;
  rephase_status status =
      rephase_query_device(&device->driver.query, wanted, &device->number, &capability);
  if (status != REPHASE_OK) return status;
  if (capability < REPHASE_DEVICE_CAPABILITY) return REPHASE_GPU_UNSUPPORTED;
#ifdef REPHASE_DEVICE_EXACT
  /* Instructions that later GPUs do not have. */
  if (capability != REPHASE_DEVICE_CAPABILITY) return REPHASE_GPU_UNSUPPORTED;
#endif
  device->info.device = wanted;
  device->info.capability = (uint32_t)capability;
  int result = device->driver.cuDevicePrimaryCtxRetain(&device->context, device->number);
  if (result != 0) device->context = NULL;
  return rephase_device_failure(result);
}

/* Machine code where it is there and fits the GPU, otherwise PTX, which the driver compiles. */
static rephase_status rephase_device_load(rephase_device *device) {
  const rephase_driver *cu = &device->driver;
#ifdef REPHASE_DEVICE_CUBIN
  /* It runs on GPUs of the same major version. */
  if (device->info.capability / 10 == REPHASE_DEVICE_CAPABILITY / 10) {
    int refused = cu->cuModuleLoadData(&device->module, rephase_cubin);
    device->info.code = refused == 0;
    device->info.code_error = refused;
    if (refused == 0) return REPHASE_OK;
  }
#endif
  int result = cu->cuModuleLoadData(&device->module, rephase_ptx);
  if (result == 0) return REPHASE_OK;
  device->module = NULL;
  return result == REPHASE_CU_OUT_OF_MEMORY ? REPHASE_GPU_MEMORY : REPHASE_GPU_UNSUPPORTED;
}

/* Finds the kernels, and lets those of launches that ask for shared memory have it. */
static rephase_status rephase_device_find(rephase_device *device) {
  const rephase_driver *cu = &device->driver;
  for (size_t i = 0; i < REPHASE_KERNELS; i++)
    if (cu->cuModuleGetFunction(&device->kernels[i], device->module, rephase_kernel_names[i]) != 0)
      return REPHASE_GPU_FAILED;
  for (size_t i = 0; i < REPHASE_LAUNCHES; i++) {
    const rephase_launch *launch = &rephase_launches[i];
    if (launch->shared_bytes > 0 &&
        cu->cuFuncSetAttribute(device->kernels[launch->kernel], REPHASE_CU_SHARED_BYTES,
                               (int)launch->shared_bytes) != 0)
      return REPHASE_GPU_FAILED;
  }
  return REPHASE_OK;
}

static rephase_status rephase_device_allocate(rephase_device *device, rephase_address *address,
                                              size_t bytes) {
  return bytes == 0 ? REPHASE_OK
                    : rephase_device_failure(device->driver.cuMemAlloc_v2(address, bytes));
}

static size_t rephase_input_bytes(int i) {
  return (size_t)rephase_input_elements[i] * sizeof(float);
}

static size_t rephase_output_bytes(int i) {
  return (size_t)rephase_output_elements[i] * sizeof(float);
}

static rephase_status rephase_device_allocate_all(rephase_device *device) {
  rephase_status status =
      rephase_device_allocate(device, &device->constants, REPHASE_CONSTANT_BYTES);
  if (status == REPHASE_OK)
    status = rephase_device_allocate(device, &device->arena, REPHASE_DEVICE_ARENA_BYTES);
  for (int i = 0; i < REPHASE_INPUT_COUNT && status == REPHASE_OK; i++)
    status = rephase_device_allocate(device, &device->own.inputs[i], rephase_input_bytes(i));
  for (int i = 0; i < REPHASE_OUTPUT_COUNT && status == REPHASE_OK; i++)
    status = rephase_device_allocate(device, &device->own.outputs[i], rephase_output_bytes(i));
  return status;
}

/* With the context current: code, stream, memory, weights and the graph. */
static rephase_status rephase_device_fill(rephase_device *device, const void *constants) {
  const rephase_driver *cu = &device->driver;
  rephase_status status = rephase_device_load(device);
  if (status == REPHASE_OK) status = rephase_device_find(device);
  if (status != REPHASE_OK) return status;
  int result = cu->cuStreamCreate(&device->stream, REPHASE_CU_STREAM_NON_BLOCKING);
  if (result != 0) device->stream = NULL;
  if (result == 0) result = cu->cuEventCreate(&device->done, REPHASE_CU_EVENT_DISABLE_TIMING);
  if (result != 0) device->done = NULL;
  if (result != 0) return rephase_device_failure(result);
  status = rephase_device_allocate_all(device);
  if (status != REPHASE_OK) return status;
  if (REPHASE_CONSTANT_BYTES > 0)
    result = cu->cuMemcpyHtoDAsync_v2(device->constants, constants, REPHASE_CONSTANT_BYTES,
                                      device->stream);
  if (result == 0) result = cu->cuStreamSynchronize(device->stream);
  if (result == 0) rephase_graph_create(device);
  return rephase_device_failure(result);
}

static void rephase_device_free(rephase_device *device, rephase_address address) {
  if (address != 0) device->driver.cuMemFree_v2(address);
}

/* Gives back whatever was taken. */
static void rephase_device_destroy(rephase_device *device) {
  const rephase_driver *cu = &device->driver;
  void *popped;
  if (device->context != NULL && cu->cuCtxPushCurrent_v2(device->context) == 0) {
    if (device->is_pending) cu->cuEventSynchronize(device->done);
    rephase_graph_destroy(device);
    for (int i = 0; i < REPHASE_INPUT_COUNT; i++) rephase_device_free(device, device->own.inputs[i]);
    for (int i = 0; i < REPHASE_OUTPUT_COUNT; i++)
      rephase_device_free(device, device->own.outputs[i]);
    rephase_device_free(device, device->arena);
    rephase_device_free(device, device->constants);
    if (device->done != NULL) cu->cuEventDestroy_v2(device->done);
    if (device->stream != NULL) cu->cuStreamDestroy_v2(device->stream);
    if (device->module != NULL) cu->cuModuleUnload(device->module);
    cu->cuCtxPopCurrent_v2(&popped);
  }
  if (device->context != NULL) cu->cuDevicePrimaryCtxRelease_v2(device->number);
  if (cu->library != NULL) dlclose(cu->library);
  memset(device, 0, sizeof *device);
}

/* On the driver's GPU `number`. When it fails, nothing is kept. */
static rephase_status rephase_device_create(rephase_device *device, const void *constants,
                                            uint32_t number) {
  void *popped;
  memset(device, 0, sizeof *device);
  rephase_status status = rephase_driver_load(&device->driver);
  if (status == REPHASE_OK) status = rephase_device_open(device, number);
  if (status == REPHASE_OK) {
    if (device->driver.cuCtxPushCurrent_v2(device->context) == 0) {
      status = rephase_device_fill(device, constants);
      device->driver.cuCtxPopCurrent_v2(&popped);
    } else {
      status = REPHASE_GPU_FAILED;
    }
  }
  if (status != REPHASE_OK) rephase_device_destroy(device);
  return status;
}

/* MARK: running */

/* Makes a stream wait for a run that nobody waited for: all runs of a context share its arena. */
static int rephase_device_follow(rephase_device *device, void *stream) {
  return device->is_pending ? device->driver.cuStreamWaitEvent(stream, device->done, 0) : 0;
}

/* Copies, launches and copies back, in order on one stream; returns when the outputs are there. */
static int rephase_device_exchange(rephase_device *device, const float *const *inputs,
                                   float *const *outputs) {
  const rephase_driver *cu = &device->driver;
  int result = rephase_device_follow(device, device->stream);
  for (int i = 0; i < REPHASE_INPUT_COUNT && result == 0; i++)
    result = cu->cuMemcpyHtoDAsync_v2(device->own.inputs[i], inputs[i], rephase_input_bytes(i),
                                      device->stream);
  if (result == 0) result = rephase_device_launch(device, &device->own, device->stream);
  for (int i = 0; i < REPHASE_OUTPUT_COUNT && result == 0; i++)
    result = cu->cuMemcpyDtoHAsync_v2(outputs[i], device->own.outputs[i], rephase_output_bytes(i),
                                      device->stream);
  int end = cu->cuStreamSynchronize(device->stream);
  if (result == 0 && end == 0) device->is_pending = 0;
  return result == 0 ? end : result;
}

static rephase_status rephase_device_run(rephase_device *device, const float *const *inputs,
                                         float *const *outputs) {
  void *popped;
  if (device->driver.cuCtxPushCurrent_v2(device->context) != 0) return REPHASE_GPU_FAILED;
  int result = rephase_device_exchange(device, inputs, outputs);
  device->driver.cuCtxPopCurrent_v2(&popped);
  return rephase_device_failure(result);
}

/* Whether `bytes` from an address are memory of this GPU, in one allocation. */
static int rephase_device_holds(const rephase_device *device, rephase_address address,
                                size_t bytes) {
  static const int attributes[] = {REPHASE_CU_MEMORY_TYPE, REPHASE_CU_DEVICE_ORDINAL,
                                   REPHASE_CU_RANGE_START, REPHASE_CU_RANGE_SIZE};
  unsigned type = 0;
  int ordinal = -1;
  rephase_address start = 0;
  size_t size = 0;
  void *values[] = {&type, &ordinal, &start, &size};
  return device->driver.cuPointerGetAttributes(4, attributes, values, address) == 0 &&
         type == REPHASE_CU_MEMORY_TYPE_DEVICE && ordinal == device->number && address >= start &&
         address - start <= size && bytes <= size - (address - start);
}

/* With the context current: whether a run may use these tensors and this stream of the host. */
static rephase_status rephase_device_check(const rephase_device *device,
                                           const rephase_tensors *tensors, void *stream) {
  void *context = NULL;
  int is_capturing = 0;
  for (int i = 0; i < REPHASE_INPUT_COUNT; i++)
    if (!rephase_device_holds(device, tensors->inputs[i], rephase_input_bytes(i)))
      return REPHASE_GPU_POINTER;
  for (int i = 0; i < REPHASE_OUTPUT_COUNT; i++)
    if (!rephase_device_holds(device, tensors->outputs[i], rephase_output_bytes(i)))
      return REPHASE_GPU_POINTER;
  if (device->driver.cuStreamGetCtx(stream, &context) != 0 || context != device->context ||
      device->driver.cuStreamIsCapturing(stream, &is_capturing) != 0 || is_capturing)
    return REPHASE_GPU_STREAM;
  return REPHASE_OK;
}

/* Puts a run on memory of the GPU into a stream of the host and returns at once. */
static rephase_status rephase_device_enqueue(rephase_device *device, const rephase_tensors *tensors,
                                             void *stream) {
  const rephase_driver *cu = &device->driver;
  void *popped;
  if (cu->cuCtxPushCurrent_v2(device->context) != 0) return REPHASE_GPU_FAILED;
  rephase_status status = rephase_device_check(device, tensors, stream);
  if (status == REPHASE_OK) {
    int result = rephase_device_follow(device, stream);
    if (result == 0) result = rephase_device_launch(device, tensors, stream);
    if (result == 0) result = cu->cuEventRecord(device->done, stream);
    if (result == 0) device->is_pending = 1;
    status = rephase_device_failure(result);
  }
  cu->cuCtxPopCurrent_v2(&popped);
  return status;
}

#if REPHASE_HAS_SELFTEST
#include "device_selftest.c"
#endif

#else
/* In the compiler itself, and in libraries for CPUs, this file is only text. */
typedef int rephase_device_is_text;
#endif
