/*
 * Runs a model's kernels on an NVIDIA GPU through the driver, which is loaded when the first context
 * is made: a library for a GPU links and loads everywhere. `model_data.h` has the PTX and the launches.
 */
#if defined(REPHASE_MODEL) && REPHASE_DEVICE

#include <dlfcn.h>

/* A buffer of a launch: an input or output by number, or bytes from the start of constants or arena. */
enum { REPHASE_INPUT, REPHASE_OUTPUT, REPHASE_CONSTANT, REPHASE_ARENA };
typedef struct rephase_place {
  int kind;
  size_t value;
} rephase_place;

typedef struct rephase_launch {
  int kernel;
  unsigned blocks, threads;
  int count;
  rephase_place places[REPHASE_DEVICE_PARAMETERS];
} rephase_launch;

static const char *const rephase_kernel_names[] = REPHASE_DEVICE_KERNELS;
static const rephase_launch rephase_launches[] = REPHASE_DEVICE_LAUNCHES;
static const char rephase_ptx[] = REPHASE_DEVICE_PTX;
#define REPHASE_KERNELS (sizeof rephase_kernel_names / sizeof *rephase_kernel_names)
#define REPHASE_LAUNCHES (sizeof rephase_launches / sizeof *rephase_launches)

/* The driver's functions (CUDA driver API reference); every one returns 0 where it succeeds. */
typedef uint64_t rephase_address;
typedef struct rephase_driver {
  void *library;
  int (*cuInit)(unsigned);
  int (*cuDeviceGetCount)(int *);
  int (*cuDeviceGet)(int *, int);
  int (*cuDeviceGetAttribute)(int *, int, int);
  int (*cuDevicePrimaryCtxRetain)(void **, int);
  int (*cuDevicePrimaryCtxRelease_v2)(int);
  int (*cuCtxPushCurrent_v2)(void *);
  int (*cuCtxPopCurrent_v2)(void **);
  int (*cuModuleLoadData)(void **, const void *);
  int (*cuModuleUnload)(void *);
  int (*cuModuleGetFunction)(void **, void *, const char *);
  int (*cuMemAlloc_v2)(rephase_address *, size_t);
  int (*cuMemFree_v2)(rephase_address);
  int (*cuStreamCreate)(void **, unsigned);
  int (*cuStreamDestroy_v2)(void *);
  int (*cuStreamSynchronize)(void *);
  int (*cuMemcpyHtoDAsync_v2)(rephase_address, const void *, size_t, void *);
  int (*cuMemcpyDtoHAsync_v2)(void *, rephase_address, size_t, void *);
  int (*cuLaunchKernel)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                        void *, void **, void **);
} rephase_driver;

typedef struct rephase_device {
  rephase_driver driver;
  int number;
  void *context, *module, *stream;
  void *kernels[REPHASE_KERNELS];
  rephase_address constants, arena;
  rephase_address inputs[REPHASE_INPUT_COUNT], outputs[REPHASE_OUTPUT_COUNT];
} rephase_device;

#define REPHASE_CU_OUT_OF_MEMORY 2
#define REPHASE_CU_CAPABILITY_MAJOR 75
#define REPHASE_CU_CAPABILITY_MINOR 76

static rephase_status rephase_device_failure(int result) {
  return result == REPHASE_CU_OUT_OF_MEMORY ? REPHASE_GPU_MEMORY : REPHASE_GPU_FAILED;
}

/* Loads the driver; REPHASE_GPU_DRIVER_MISSING where it or one of its functions is not there. */
static rephase_status rephase_driver_load(rephase_driver *driver) {
  driver->library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver->library == NULL) return REPHASE_GPU_DRIVER_MISSING;
#define REPHASE_LOAD(name)                                            \
  *(void **)(&driver->name) = dlsym(driver->library, #name);          \
  if (driver->name == NULL) return REPHASE_GPU_DRIVER_MISSING
  REPHASE_LOAD(cuInit);
  REPHASE_LOAD(cuDeviceGetCount);
  REPHASE_LOAD(cuDeviceGet);
  REPHASE_LOAD(cuDeviceGetAttribute);
  REPHASE_LOAD(cuDevicePrimaryCtxRetain);
  REPHASE_LOAD(cuDevicePrimaryCtxRelease_v2);
  REPHASE_LOAD(cuCtxPushCurrent_v2);
  REPHASE_LOAD(cuCtxPopCurrent_v2);
  REPHASE_LOAD(cuModuleLoadData);
  REPHASE_LOAD(cuModuleUnload);
  REPHASE_LOAD(cuModuleGetFunction);
  REPHASE_LOAD(cuMemAlloc_v2);
  REPHASE_LOAD(cuMemFree_v2);
  REPHASE_LOAD(cuStreamCreate);
  REPHASE_LOAD(cuStreamDestroy_v2);
  REPHASE_LOAD(cuStreamSynchronize);
  REPHASE_LOAD(cuMemcpyHtoDAsync_v2);
  REPHASE_LOAD(cuMemcpyDtoHAsync_v2);
  REPHASE_LOAD(cuLaunchKernel);
#undef REPHASE_LOAD
  return REPHASE_OK;
}

/* Finds the first GPU and takes its primary context, which the host's own CUDA code shares. */
static rephase_status rephase_device_open(rephase_device *device) {
  const rephase_driver *cu = &device->driver;
  int count = 0, major = 0, minor = 0;
  if (cu->cuInit(0) != 0 || cu->cuDeviceGetCount(&count) != 0 || count == 0 ||
      cu->cuDeviceGet(&device->number, 0) != 0)
    return REPHASE_GPU_MISSING;
  if (cu->cuDeviceGetAttribute(&major, REPHASE_CU_CAPABILITY_MAJOR, device->number) != 0 ||
      cu->cuDeviceGetAttribute(&minor, REPHASE_CU_CAPABILITY_MINOR, device->number) != 0)
    return REPHASE_GPU_FAILED;
  if (10 * major + minor < REPHASE_DEVICE_CAPABILITY) return REPHASE_GPU_UNSUPPORTED;
  int result = cu->cuDevicePrimaryCtxRetain(&device->context, device->number);
  if (result != 0) device->context = NULL;
  return result == 0 ? REPHASE_OK : rephase_device_failure(result);
}

static rephase_status rephase_device_allocate(rephase_device *device, rephase_address *address,
                                              size_t bytes) {
  if (bytes == 0) return REPHASE_OK;
  int result = device->driver.cuMemAlloc_v2(address, bytes);
  return result == 0 ? REPHASE_OK : rephase_device_failure(result);
}

/* With the context current: code, memory and weights. */
static rephase_status rephase_device_fill(rephase_device *device, const void *constants) {
  const rephase_driver *cu = &device->driver;
  int result = cu->cuModuleLoadData(&device->module, rephase_ptx);
  if (result != 0) {
    device->module = NULL;
    return result == REPHASE_CU_OUT_OF_MEMORY ? REPHASE_GPU_MEMORY : REPHASE_GPU_UNSUPPORTED;
  }
  for (size_t i = 0; i < REPHASE_KERNELS; i++)
    if (cu->cuModuleGetFunction(&device->kernels[i], device->module, rephase_kernel_names[i]) != 0)
      return REPHASE_GPU_FAILED;
  if (cu->cuStreamCreate(&device->stream, 1 /* beside the default stream */) != 0) {
    device->stream = NULL;
    return REPHASE_GPU_FAILED;
  }
  rephase_status status =
      rephase_device_allocate(device, &device->constants, REPHASE_CONSTANT_BYTES);
  if (status == REPHASE_OK)
    status = rephase_device_allocate(device, &device->arena, REPHASE_DEVICE_ARENA_BYTES);
  for (int i = 0; i < REPHASE_INPUT_COUNT && status == REPHASE_OK; i++)
    status = rephase_device_allocate(device, &device->inputs[i],
                                     (size_t)rephase_input_elements[i] * sizeof(float));
  for (int i = 0; i < REPHASE_OUTPUT_COUNT && status == REPHASE_OK; i++)
    status = rephase_device_allocate(device, &device->outputs[i],
                                     (size_t)rephase_output_elements[i] * sizeof(float));
  if (status != REPHASE_OK || REPHASE_CONSTANT_BYTES == 0) return status;
  result = cu->cuMemcpyHtoDAsync_v2(device->constants, constants, REPHASE_CONSTANT_BYTES,
                                    device->stream);
  if (result == 0) result = cu->cuStreamSynchronize(device->stream);
  return result == 0 ? REPHASE_OK : rephase_device_failure(result);
}

static void rephase_device_free(rephase_device *device, rephase_address address) {
  if (address != 0) device->driver.cuMemFree_v2(address);
}

/* Gives back whatever was taken. */
static void rephase_device_destroy(rephase_device *device) {
  const rephase_driver *cu = &device->driver;
  if (device->context != NULL) {
    void *popped;
    if (cu->cuCtxPushCurrent_v2(device->context) == 0) {
      for (int i = 0; i < REPHASE_INPUT_COUNT; i++) rephase_device_free(device, device->inputs[i]);
      for (int i = 0; i < REPHASE_OUTPUT_COUNT; i++) rephase_device_free(device, device->outputs[i]);
      rephase_device_free(device, device->arena);
      rephase_device_free(device, device->constants);
      if (device->stream != NULL) cu->cuStreamDestroy_v2(device->stream);
      if (device->module != NULL) cu->cuModuleUnload(device->module);
      cu->cuCtxPopCurrent_v2(&popped);
    }
    cu->cuDevicePrimaryCtxRelease_v2(device->number);
  }
  if (cu->library != NULL) dlclose(cu->library);
  memset(device, 0, sizeof *device);
}

/* When it fails, nothing is kept. */
static rephase_status rephase_device_create(rephase_device *device, const void *constants) {
  void *popped;
  memset(device, 0, sizeof *device);
  rephase_status status = rephase_driver_load(&device->driver);
  if (status == REPHASE_OK) status = rephase_device_open(device);
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

static rephase_address rephase_device_address(const rephase_device *device, rephase_place place) {
  switch (place.kind) {
    case REPHASE_INPUT: return device->inputs[place.value];
    case REPHASE_OUTPUT: return device->outputs[place.value];
    case REPHASE_CONSTANT: return device->constants + place.value;
    default: return device->arena + place.value;
  }
}

/* Copies, launches and copies back, in order on one stream; returns when the outputs are there. */
static int rephase_device_enqueue(rephase_device *device, const float *const *inputs,
                                  float *const *outputs) {
  const rephase_driver *cu = &device->driver;
  int result = 0;
  for (int i = 0; i < REPHASE_INPUT_COUNT && result == 0; i++)
    result = cu->cuMemcpyHtoDAsync_v2(device->inputs[i], inputs[i],
                                      (size_t)rephase_input_elements[i] * sizeof(float),
                                      device->stream);
  for (size_t i = 0; i < REPHASE_LAUNCHES && result == 0; i++) {
    const rephase_launch *launch = &rephase_launches[i];
    rephase_address addresses[REPHASE_DEVICE_PARAMETERS];
    void *arguments[REPHASE_DEVICE_PARAMETERS];
    for (int j = 0; j < launch->count; j++) {
      addresses[j] = rephase_device_address(device, launch->places[j]);
      arguments[j] = &addresses[j];
    }
    result = cu->cuLaunchKernel(device->kernels[launch->kernel], launch->blocks, 1, 1,
                                launch->threads, 1, 1, 0, device->stream, arguments, NULL);
  }
  for (int i = 0; i < REPHASE_OUTPUT_COUNT && result == 0; i++)
    result = cu->cuMemcpyDtoHAsync_v2(outputs[i], device->outputs[i],
                                      (size_t)rephase_output_elements[i] * sizeof(float),
                                      device->stream);
  int end = cu->cuStreamSynchronize(device->stream);
  return result == 0 ? end : result;
}

static rephase_status rephase_device_run(rephase_device *device, const float *const *inputs,
                                         float *const *outputs) {
  void *popped;
  if (device->driver.cuCtxPushCurrent_v2(device->context) != 0) return REPHASE_GPU_FAILED;
  int result = rephase_device_enqueue(device, inputs, outputs);
  device->driver.cuCtxPopCurrent_v2(&popped);
  return result == 0 ? REPHASE_OK : rephase_device_failure(result);
}

#else
/* In the compiler itself, and in libraries for CPUs, this file is only text. */
typedef int rephase_device_is_text;
#endif
