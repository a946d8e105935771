/*
 * The C interface of one compiled model; the only file of a model library that is compiled. The
 * compiler writes `model_data.h`, the filled-in `model_header.h` and the object with <N>_kernels.
 */
#ifdef REPHASE_MODEL

/* The runtime comes first: it asks for _GNU_SOURCE. All of it is static here. */
#include "pool.c"
#include "cpu.c"
#include "sha256.c"
#include "status.c"

#include "model_data.h"
#ifndef REPHASE_DEVICE
#define REPHASE_DEVICE 0 /* 1: the kernels are PTX, and device.c launches them */
#endif
#include "model_header.h"
#if REPHASE_HAS_SELFTEST
#include "selftest.c"
#endif

#define REPHASE_JOIN_(model, name) model##_##name
#define REPHASE_JOIN(model, name) REPHASE_JOIN_(model, name)
#define N(name) REPHASE_JOIN(REPHASE_MODEL, name)
#define REPHASE_EXPORT __attribute__((visibility("default")))

/* What the generated object defines. */
#if !REPHASE_DEVICE
void N(kernels)(const void *const *inputs, void *const *outputs, const void *constants,
                void *workspace, const rephase_parallel *parallel);
#endif
#if REPHASE_WEIGHTS_EMBEDDED
extern const unsigned char N(constants)[];
#endif

#define REPHASE_WEIGHTS_ALIGNMENT 64
#define REPHASE_TENSOR_ALIGNMENT 64 /* of the self-test's tensors in the workspace */

_Static_assert(REPHASE_WORKSPACE_ALIGNMENT % REPHASE_TENSOR_ALIGNMENT == 0, "alignment");
_Static_assert(REPHASE_INPUT_COUNT > 0 && REPHASE_OUTPUT_COUNT > 0, "inputs and outputs");

static const int64_t rephase_input_elements[REPHASE_INPUT_COUNT] = REPHASE_INPUT_ELEMENTS;
static const int64_t rephase_output_elements[REPHASE_OUTPUT_COUNT] = REPHASE_OUTPUT_ELEMENTS;

#if REPHASE_DEVICE
#include "device.c"
#endif

typedef struct rephase_context {
  uint64_t magic; /* says that the context lives, lives here, and is this model's */
  atomic_bool busy;
  const void *weights;
  void (*host_parallel_for)(void *user, int64_t count, rephase_body body, void *argument);
  void *host_user;
  rephase_parallel host; /* what generated code gets when the host runs the loops */
  atomic_bool host_running, host_failed;
  rephase_pool pool;
#if REPHASE_DEVICE
  rephase_device device;
#endif
} rephase_context;

/* The context begins at the first multiple of its alignment in the host's memory. */
#define REPHASE_CONTEXT_BYTES (sizeof(rephase_context) + _Alignof(rephase_context) - 16)

static rephase_context *rephase_context_in(void *memory) {
  uintptr_t mask = _Alignof(rephase_context) - 1;
  return (rephase_context *)(((uintptr_t)memory + mask) & ~mask);
}

/* Its address is of this model alone, where several are in one process. */
static char rephase_this_model;

static uint64_t rephase_context_magic(const rephase_context *context) {
  return (uint64_t)(uintptr_t)context ^ 0x5265706861736531u /* "Rephase1" */
         ^ (uint64_t)(uintptr_t)&rephase_this_model << 8;
}

/* The live context in the host's memory. */
static rephase_status rephase_context_open(void *memory, rephase_context **context) {
  if (memory == NULL) return REPHASE_NULL_POINTER;
  if ((uintptr_t)memory % 16 != 0) return REPHASE_CONTEXT_MISALIGNED;
  *context = rephase_context_in(memory);
  if ((*context)->magic != rephase_context_magic(*context)) return REPHASE_CONTEXT_INVALID;
  return REPHASE_OK;
}

/* MARK: the host's parallel_for */

typedef struct rephase_host_loop {
  rephase_body body;
  void *argument;
  int64_t count;
  _Atomic int64_t done;
} rephase_host_loop;

/* Runs a range on whatever thread the host chose, in the floating-point mode of the library. */
static void rephase_host_range(void *argument, int64_t begin, int64_t end) {
  rephase_host_loop *loop = argument;
  if (begin < 0 || end > loop->count || begin >= end) return;
  unsigned before = _mm_getcsr();
  _mm_setcsr(REPHASE_MXCSR);
  loop->body(loop->argument, begin, end);
  _mm_setcsr(before);
  atomic_fetch_add(&loop->done, end - begin);
}

static void rephase_host_run(void *user, int64_t count, rephase_body body, void *argument) {
  rephase_context *context = user;
  if (count <= 0) return;
  if (count == 1 || atomic_exchange(&context->host_running, true)) {
    body(argument, 0, count);
    return;
  }
  rephase_host_loop loop = {.body = body, .argument = argument, .count = count};
  atomic_init(&loop.done, 0);
  context->host_parallel_for(context->host_user, count, rephase_host_range, &loop);
  if (atomic_load(&loop.done) != count) atomic_store(&context->host_failed, true);
  atomic_store(&context->host_running, false);
}

/* MARK: memory checks */

typedef struct rephase_region {
  const void *base;
  size_t bytes;
} rephase_region;

static int rephase_overlaps(rephase_region a, rephase_region b) {
  uintptr_t x = (uintptr_t)a.base, y = (uintptr_t)b.base;
  return x <= y ? y - x < a.bytes && b.bytes > 0 : x - y < b.bytes && a.bytes > 0;
}

static size_t rephase_round_up(size_t bytes) {
  return (bytes + REPHASE_TENSOR_ALIGNMENT - 1) & ~(size_t)(REPHASE_TENSOR_ALIGNMENT - 1);
}

/* The arena, then the self-test's inputs and outputs, each aligned. */
static size_t rephase_workspace_size(void) {
  size_t bytes = REPHASE_WORKSPACE_BYTES;
  if (!REPHASE_HAS_SELFTEST || REPHASE_DEVICE) return bytes;
  bytes = rephase_round_up(bytes);
  for (int i = 0; i < REPHASE_INPUT_COUNT; i++)
    bytes += rephase_round_up((size_t)rephase_input_elements[i] * sizeof(float));
  for (int i = 0; i < REPHASE_OUTPUT_COUNT; i++)
    bytes += rephase_round_up((size_t)rephase_output_elements[i] * sizeof(float));
  return bytes;
}

static rephase_status rephase_check_workspace(const void *workspace, size_t bytes) {
  size_t needed = rephase_workspace_size();
  if (needed > 0 && workspace == NULL) return REPHASE_NULL_POINTER;
  if (bytes < needed) return REPHASE_WORKSPACE_TOO_SMALL;
  if ((uintptr_t)workspace % REPHASE_WORKSPACE_ALIGNMENT != 0) return REPHASE_WORKSPACE_MISALIGNED;
  return REPHASE_OK;
}

/* All memory of a run: what is written comes first. */
#define REPHASE_WRITTEN (REPHASE_OUTPUT_COUNT + 2)
#define REPHASE_REGIONS (REPHASE_WRITTEN + REPHASE_INPUT_COUNT + 1)

static rephase_status rephase_check_overlap(const rephase_region *regions) {
  for (int i = 0; i < REPHASE_WRITTEN; i++)
    for (int j = i + 1; j < REPHASE_REGIONS; j++)
      if (rephase_overlaps(regions[i], regions[j])) return REPHASE_OVERLAP;
  return REPHASE_OK;
}

/* Checks one tensor pointer and notes its region. */
static rephase_status rephase_check_tensor(const float *tensor, int64_t elements,
                                           rephase_region *region) {
  if (tensor == NULL) return REPHASE_NULL_POINTER;
  if ((uintptr_t)tensor % _Alignof(float) != 0) return REPHASE_TENSOR_MISALIGNED;
  *region = (rephase_region){tensor, (size_t)elements * sizeof(float)};
  return REPHASE_OK;
}

static rephase_status rephase_check_run(const rephase_context *context, const float *const *inputs,
                                        float *const *outputs, const void *workspace,
                                        size_t workspace_bytes) {
  rephase_region regions[REPHASE_REGIONS], *next = regions;
  if (inputs == NULL || outputs == NULL) return REPHASE_NULL_POINTER;
  rephase_status status = rephase_check_workspace(workspace, workspace_bytes);
  *next++ = (rephase_region){workspace, rephase_workspace_size()};
  *next++ = (rephase_region){context, sizeof *context};
  for (int i = 0; i < REPHASE_OUTPUT_COUNT && status == REPHASE_OK; i++)
    status = rephase_check_tensor(outputs[i], rephase_output_elements[i], next++);
  for (int i = 0; i < REPHASE_INPUT_COUNT && status == REPHASE_OK; i++)
    status = rephase_check_tensor(inputs[i], rephase_input_elements[i], next++);
  if (status != REPHASE_OK) return status;
  *next = (rephase_region){context->weights, REPHASE_CONSTANT_BYTES};
  return rephase_check_overlap(regions);
}

/* MARK: creating */

/* Reads the fields that lie within the host's struct; the rest keep their defaults. */
static rephase_status rephase_read_options(const rephase_options *given, rephase_options *options) {
  *options = (rephase_options){.size = sizeof *options};
  if (given == NULL) return REPHASE_OK;
  size_t size = given->size;
  if (size < offsetof(rephase_options, parallel_for)) return REPHASE_OPTIONS_INVALID;
  options->threads = given->threads;
  options->device = given->device;
  if (size >= sizeof *options) {
    options->parallel_for = given->parallel_for;
    options->parallel_user = given->parallel_user;
  } else if (size != offsetof(rephase_options, parallel_for)) {
    return REPHASE_OPTIONS_INVALID; /* a function without its user data */
  }
  if (!REPHASE_DEVICE && options->device != 0) return REPHASE_OPTIONS_INVALID;
  const int is_own = options->parallel_for == NULL;
  return is_own && options->threads > REPHASE_MAX_THREADS ? REPHASE_OPTIONS_INVALID : REPHASE_OK;
}

/* Checks separate weights; sets `*weights` to those to use. */
static rephase_status rephase_read_weights(const void **weights, size_t bytes) {
  static const uint8_t expected[REPHASE_SHA256_BYTES] = REPHASE_CONSTANT_SHA256;
  uint8_t digest[REPHASE_SHA256_BYTES];
  if (*weights == NULL) {
    if (bytes != 0) return REPHASE_NULL_POINTER;
#if REPHASE_WEIGHTS_EMBEDDED
    *weights = N(constants);
    return REPHASE_OK;
#else
    return REPHASE_CONSTANT_BYTES == 0 ? REPHASE_OK : REPHASE_WEIGHTS_MISSING;
#endif
  }
  if (bytes != REPHASE_CONSTANT_BYTES) return REPHASE_WEIGHTS_SIZE;
  if ((uintptr_t)*weights % REPHASE_WEIGHTS_ALIGNMENT != 0) return REPHASE_WEIGHTS_MISALIGNED;
  rephase_sha256(*weights, bytes, digest);
  return memcmp(digest, expected, sizeof digest) == 0 ? REPHASE_OK : REPHASE_WEIGHTS_MISMATCH;
}

REPHASE_EXPORT rephase_status N(create)(void *ctx, size_t ctx_bytes, const void *weights,
                                        size_t weight_bytes, const rephase_options *given) {
  rephase_options options;
  if (ctx == NULL) return REPHASE_NULL_POINTER;
  if ((uintptr_t)ctx % 16 != 0) return REPHASE_CONTEXT_MISALIGNED;
  if (ctx_bytes < REPHASE_CONTEXT_BYTES) return REPHASE_CONTEXT_TOO_SMALL;
  rephase_status status = rephase_read_options(given, &options);
  if (status != REPHASE_OK) return status;
  const uint64_t needed = REPHASE_CPU_FEATURES;
  if ((rephase_cpu_features() & needed) != needed) return REPHASE_CPU_UNSUPPORTED;
  status = rephase_read_weights(&weights, weight_bytes);
  if (status != REPHASE_OK) return status;

  rephase_context *context = rephase_context_in(ctx);
#if REPHASE_DEVICE
  status = rephase_device_create(&context->device, weights, options.device);
  if (status != REPHASE_OK) return status;
  options.threads = 1;
#endif
  atomic_init(&context->busy, false);
  context->weights = weights;
  context->host_parallel_for = options.parallel_for;
  context->host_user = options.parallel_user;
  context->host = (rephase_parallel){rephase_host_run, context};
  atomic_init(&context->host_running, false);
  rephase_pool_create(&context->pool, options.parallel_for != NULL ? 1 : options.threads);
  context->magic = rephase_context_magic(context);
  return REPHASE_OK;
}

REPHASE_EXPORT void N(destroy)(void *ctx) {
  rephase_context *context;
  if (rephase_context_open(ctx, &context) != REPHASE_OK) return;
  context->magic = 0;
  rephase_pool_destroy(&context->pool);
#if REPHASE_DEVICE
  rephase_device_destroy(&context->device);
#endif
}

/* MARK: running */

/* Calls the generated code; everything has been checked. */
static rephase_status rephase_execute(rephase_context *context, const float *const *inputs,
                                      float *const *outputs, void *workspace) {
#if REPHASE_DEVICE
  (void)workspace;
  return rephase_device_run(&context->device, inputs, outputs);
#else
  const void *from[REPHASE_INPUT_COUNT];
  void *to[REPHASE_OUTPUT_COUNT];
  for (int i = 0; i < REPHASE_INPUT_COUNT; i++) from[i] = inputs[i];
  for (int i = 0; i < REPHASE_OUTPUT_COUNT; i++) to[i] = outputs[i];
  rephase_pool_check_process(&context->pool);
  atomic_store(&context->host_failed, false);
  rephase_call(N(kernels), from, to, context->weights, workspace,
               context->host_parallel_for != NULL ? &context->host
                                                  : rephase_pool_parallel(&context->pool));
  return atomic_load(&context->host_failed) ? REPHASE_PARALLEL_FOR_FAILED : REPHASE_OK;
#endif
}

REPHASE_EXPORT rephase_status N(run)(void *ctx, const float *const inputs[], float *const outputs[],
                                     void *workspace, size_t workspace_bytes) {
  rephase_context *context;
  rephase_status status = rephase_context_open(ctx, &context);
  if (status != REPHASE_OK) return status;
  if (atomic_exchange(&context->busy, true)) return REPHASE_CONTEXT_BUSY;
  status = rephase_check_run(context, inputs, outputs, workspace, workspace_bytes);
  if (status == REPHASE_OK) status = rephase_execute(context, inputs, outputs, workspace);
  atomic_store(&context->busy, false);
  return status;
}

#if REPHASE_DEVICE
#include "device_calls.c"
#endif

/* MARK: the self-test */

#if REPHASE_HAS_SELFTEST && REPHASE_DEVICE
static rephase_status rephase_selftest(rephase_context *context, void *workspace, size_t bytes) {
  rephase_status status = rephase_check_workspace(workspace, bytes);
  return status == REPHASE_OK ? rephase_device_selftest(&context->device) : status;
}
#elif REPHASE_HAS_SELFTEST
/* Lays the tensors out behind the arena, runs, and compares the digest of the outputs. */
static rephase_status rephase_selftest(rephase_context *context, void *workspace, size_t bytes) {
  static const uint8_t expected[REPHASE_SHA256_BYTES] = REPHASE_SELFTEST_DIGEST;
  uint8_t digest[REPHASE_SHA256_BYTES];
  float *inputs[REPHASE_INPUT_COUNT], *outputs[REPHASE_OUTPUT_COUNT];
  rephase_sha256_state state;
  rephase_status status = rephase_check_workspace(workspace, bytes);
  rephase_region given = {workspace, bytes}, own = {context, sizeof *context},
                 weights = {context->weights, REPHASE_CONSTANT_BYTES};
  if (status != REPHASE_OK) return status;
  if (rephase_overlaps(given, own) || rephase_overlaps(given, weights)) return REPHASE_OVERLAP;

  unsigned char *next = (unsigned char *)workspace + rephase_round_up(REPHASE_WORKSPACE_BYTES);
  for (int i = 0; i < REPHASE_INPUT_COUNT; i++) {
    inputs[i] = (float *)(void *)next;
    rephase_selftest_fill(inputs[i], 0, rephase_input_elements[i], (uint64_t)i);
    next += rephase_round_up((size_t)rephase_input_elements[i] * sizeof(float));
  }
  for (int i = 0; i < REPHASE_OUTPUT_COUNT; i++) {
    outputs[i] = (float *)(void *)next;
    next += rephase_round_up((size_t)rephase_output_elements[i] * sizeof(float));
  }
  status = rephase_execute(context, (const float *const *)inputs, outputs, workspace);
  if (status != REPHASE_OK) return status;
  rephase_sha256_begin(&state);
  for (int i = 0; i < REPHASE_OUTPUT_COUNT; i++)
    rephase_sha256_add(&state, outputs[i], (size_t)rephase_output_elements[i] * sizeof(float));
  rephase_sha256_end(&state, digest);
  return memcmp(digest, expected, sizeof digest) == 0 ? REPHASE_OK : REPHASE_SELFTEST_FAILED;
}
#endif

REPHASE_EXPORT rephase_status N(selftest)(void *ctx, void *workspace, size_t workspace_bytes) {
  rephase_context *context;
  rephase_status status = rephase_context_open(ctx, &context);
  if (status != REPHASE_OK) return status;
#if REPHASE_HAS_SELFTEST
  if (atomic_exchange(&context->busy, true)) return REPHASE_CONTEXT_BUSY;
  status = rephase_selftest(context, workspace, workspace_bytes);
  atomic_store(&context->busy, false);
  return status;
#else
  (void)workspace, (void)workspace_bytes;
  return REPHASE_SELFTEST_MISSING;
#endif
}

/* MARK: constants of the model */

REPHASE_EXPORT const char *N(manifest)(void) { return REPHASE_MANIFEST; }
REPHASE_EXPORT size_t N(workspace_bytes)(void) { return rephase_workspace_size(); }
REPHASE_EXPORT size_t N(workspace_alignment)(void) { return REPHASE_WORKSPACE_ALIGNMENT; }
REPHASE_EXPORT size_t N(context_bytes)(void) { return REPHASE_CONTEXT_BYTES; }

REPHASE_EXPORT const char *N(status_text)(rephase_status status) {
  return rephase_status_text(status);
}

#else
/* In the compiler itself this file is only text. */
typedef int rephase_model_is_text;
#endif
