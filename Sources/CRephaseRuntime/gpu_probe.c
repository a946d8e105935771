#include "gpu_probe.h"

#include "device_query.h"

rephase_status rephase_gpu_capability(int *capability) {
  rephase_query query;
  int device = 0;
  void *library = rephase_driver_open();
  if (library == NULL) return REPHASE_GPU_DRIVER_MISSING;
  rephase_status status = rephase_query_find(&query, library);
  if (status == REPHASE_OK) status = rephase_query_device(&query, 0, &device, capability);
  dlclose(library);
  return status;
}
