/* What GPU this machine has, so that the compiler can choose a target. */
#ifndef REPHASE_GPU_PROBE_H
#define REPHASE_GPU_PROBE_H

#include "rephase_types.h"

/*
 * Sets `*capability` to the compute capability of the driver's first GPU, times ten (90 for 9.0).
 * REPHASE_GPU_DRIVER_MISSING, REPHASE_GPU_MISSING or REPHASE_GPU_FAILED where it cannot be known.
 */
rephase_status rephase_gpu_capability(int *capability);

#endif
