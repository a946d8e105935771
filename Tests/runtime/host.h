/* The models, tensors and memory that host.c's tests work with. */
#ifndef HOST_H
#define HOST_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>

#include "alpha.h"
#include "beta.h"
#include "check.h"
#include "liar.h"
#include "needy.h"
#include "selftest.h"
#include "toy_digests.h"
#include "untested.h"

typedef struct model {
  rephase_status (*create)(void *, size_t, const void *, size_t, const rephase_options *);
  rephase_status (*run)(void *, const float *const[], float *const[], void *, size_t);
  rephase_status (*selftest)(void *, void *, size_t);
  size_t (*workspace_bytes)(void), (*context_bytes)(void);
  void (*destroy)(void *);
} model;
#define MODEL(n)                                                                          \
  {n##_create, n##_run, n##_selftest, n##_workspace_bytes, n##_context_bytes, n##_destroy}
static const model alpha = MODEL(alpha), beta = MODEL(beta), needy = MODEL(needy),
                   untested = MODEL(untested), liar = MODEL(liar);

enum { X = 1000, B = 5, Y = 500, Z = 3, LAST = REPHASE_GPU_STREAM };
/* The last status that a library for a CPU can return; Tests/scripts/gpu-library.py sees the others. */
enum { LAST_OF_CPU = REPHASE_PARALLEL_FOR_FAILED };

static uint32_t seen; /* bit s: status s was returned */
static _Alignas(64) const unsigned char constants[] = TOY_CONSTANTS;
static const unsigned char expected[] = TOY_OUTPUTS;
static float x[X], b[B];

/* One context with its memory; `out` holds y and z. */
typedef struct bench {
  const model *m;
  void *context;
  char *workspace;
  size_t bytes;
  float out[Y + Z];
} bench;

#define EXPECT(call, wanted)                                                  \
  do {                                                                        \
    rephase_status got = (call);                                              \
    seen |= 1u << got;                                                        \
    if (got != (wanted)) fprintf(stderr, "got: %s\n", alpha_status_text(got)); \
    CHECK(got == (wanted));                                                   \
  } while (0)

static void *aligned(size_t bytes) {
  return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static bench bench_new(const model *m) {
  bench t = {.m = m, .bytes = m->workspace_bytes()};
  t.context = aligned(m->context_bytes());
  t.workspace = aligned(t.bytes);
  memset(t.context, 0, m->context_bytes());
  return t;
}

static void bench_free(bench *t) {
  t->m->destroy(t->context);
  free(t->context);
  free(t->workspace);
}

static rephase_status start(bench *t, const rephase_options *options) {
  return t->m->create(t->context, t->m->context_bytes(), NULL, 0, options);
}

static rephase_status run(bench *t) {
  const float *inputs[] = {x, b};
  float *outputs[] = {t->out, t->out + Y};
  return t->m->run(t->context, inputs, outputs, t->workspace, t->bytes);
}

static void check_outputs(bench *t) {
  memset(t->out, 0xff, sizeof t->out);
  EXPECT(run(t), REPHASE_OK);
  CHECK(memcmp(t->out, expected, sizeof t->out) == 0);
}

#endif
