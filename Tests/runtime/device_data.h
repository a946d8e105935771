/*
 * What `rephase compile` writes for a model on a GPU, made by hand for the toy of toy_reference.py;
 * the kernels themselves are in device_host.c.
 */
#include "toy_digests.h"

#define REPHASE_DEVICE 1
#define REPHASE_DEVICE_CAPABILITY 80
#define REPHASE_DEVICE_ALIGNMENT 64
#define REPHASE_DEVICE_PARAMETERS 3
#define REPHASE_DEVICE_ARENA_BYTES 4096
#define REPHASE_DEVICE_KERNELS {"k_products", "k_subnormals", "k_sums"}
/* work = x * w; y from work and b; z from x. The arena has work at its start. */
#define REPHASE_DEVICE_LAUNCHES                                                 \
  {{0, 8, 128, 0, 3, {{REPHASE_INPUT, 0}, {REPHASE_CONSTANT, 0}, {REPHASE_ARENA, 64}}}, \
   {2, 4, 128, 100000, 3, {{REPHASE_ARENA, 64}, {REPHASE_INPUT, 1}, {REPHASE_OUTPUT, 0}}},   \
   {1, 1, 32, 0, 2, {{REPHASE_INPUT, 0}, {REPHASE_OUTPUT, 1}}}}
#define REPHASE_DEVICE_PTX                                                         \
  ".target sm_80\n"                                                                \
  ".visible .entry k_products(.param .u64 a, .param .u64 b, .param .u64 c)\n{ ret; }\n" \
  ".visible .entry k_sums(.param .u64 a, .param .u64 b, .param .u64 c)\n{ ret; }\n"     \
  ".visible .entry k_subnormals(.param .u64 a, .param .u64 b)\n{ ret; }\n"

#define REPHASE_INPUT_COUNT 2
#define REPHASE_OUTPUT_COUNT 2
#define REPHASE_INPUT_ELEMENTS {1000, 5}
#define REPHASE_OUTPUT_ELEMENTS {500, 3}
#define REPHASE_WORKSPACE_BYTES 0
#define REPHASE_WORKSPACE_ALIGNMENT 64
#define REPHASE_CONSTANT_BYTES 256
#define REPHASE_CONSTANT_SHA256 TOY_CONSTANT_SHA256
#define REPHASE_MANIFEST "{\"name\":\"toy\"}"
#define REPHASE_CPU_FEATURES 0
#define REPHASE_HAS_SELFTEST 1
#define REPHASE_SELFTEST_SAMPLES TOY_SAMPLES
#define REPHASE_SELFTEST_EXPECTED                                                  \
  {{3, TOY_LEAST, TOY_GREATEST, 1e-6f, rephase_selftest_samples},                  \
   {1, 0, 1, 0, rephase_selftest_samples + 167}}
#define REPHASE_VERSION "0.1.0"
