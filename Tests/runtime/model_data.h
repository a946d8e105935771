/*
 * What `rephase compile` writes for a model, made by hand for the toy of toy_kernels.c. A test may
 * define some of it differently; toy_digests.h is written by toy_reference.py.
 */
#include "toy_digests.h"

#define REPHASE_INPUT_COUNT 2
#define REPHASE_OUTPUT_COUNT 2
#define REPHASE_INPUT_ELEMENTS {1000, 5}
#define REPHASE_OUTPUT_ELEMENTS {500, 3}
#define REPHASE_WORKSPACE_BYTES 4000
#define REPHASE_WORKSPACE_ALIGNMENT 64
#define REPHASE_CONSTANT_BYTES 256
#define REPHASE_CONSTANT_SHA256 TOY_CONSTANT_SHA256
/* REPHASE_WEIGHTS_EMBEDDED (0 or 1) is given by the test: toy_kernels.c needs it too. */
#define REPHASE_MANIFEST "{\"name\":\"toy\"}"
#ifndef REPHASE_CPU_FEATURES
#define REPHASE_CPU_FEATURES ((uint64_t)1 << REPHASE_CPU_SSE3 | (uint64_t)1 << REPHASE_CPU_SSSE3)
#endif
#ifndef REPHASE_HAS_SELFTEST
#define REPHASE_HAS_SELFTEST 1
#endif
#ifndef REPHASE_SELFTEST_DIGEST
#define REPHASE_SELFTEST_DIGEST TOY_SELFTEST_DIGEST
#endif
#define REPHASE_VERSION "0.1.0"
