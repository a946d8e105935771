#include "gpu_probe.h"

#include <dlfcn.h>

typedef struct rephase_gpu_driver {
  int (*init)(unsigned);
  int (*count)(int *);
  int (*get)(int *, int);
  int (*attribute)(int *, int, int);
} rephase_gpu_driver;

static rephase_status rephase_gpu_ask(const rephase_gpu_driver *driver, int *capability) {
  enum { MAJOR = 75, MINOR = 76 }; /* CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_... */
  int count = 0, device = 0, major = 0, minor = 0;
  if (driver->init(0) != 0 || driver->count(&count) != 0 || count == 0 ||
      driver->get(&device, 0) != 0)
    return REPHASE_GPU_MISSING;
  if (driver->attribute(&major, MAJOR, device) != 0 || driver->attribute(&minor, MINOR, device) != 0)
    return REPHASE_GPU_FAILED;
  *capability = 10 * major + minor;
  return REPHASE_OK;
}

rephase_status rephase_gpu_capability(int *capability) {
  rephase_gpu_driver driver;
  /* A driver that has started threads must stay where it is. */
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == NULL) return REPHASE_GPU_DRIVER_MISSING;
  *(void **)(&driver.init) = dlsym(library, "cuInit");
  *(void **)(&driver.count) = dlsym(library, "cuDeviceGetCount");
  *(void **)(&driver.get) = dlsym(library, "cuDeviceGet");
  *(void **)(&driver.attribute) = dlsym(library, "cuDeviceGetAttribute");
  rephase_status status = REPHASE_GPU_DRIVER_MISSING;
  if (driver.init && driver.count && driver.get && driver.attribute)
    status = rephase_gpu_ask(&driver, capability);
  dlclose(library);
  return status;
}
