/*
 * The toy model in place of generated code: two parallel loops and constants w[64].
 * work[i] = x[i] * w[i % 64] (1000); y[j] = (work[2j] + work[2j+1]) + b[j % 5] (500);
 * z[k] = x[k] * 2^-140 (3), which is subnormal and 0 when the host's mode is not replaced.
 */
#include "parallel.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define HIDDEN __attribute__((visibility("hidden")))

#if REPHASE_WEIGHTS_EMBEDDED
/* The floats (i - 31.5) / 64, written as bytes by toy_reference.py. */
#include "toy_digests.h"
extern const unsigned char JOIN(REPHASE_MODEL, constants)[];
HIDDEN _Alignas(64) const unsigned char JOIN(REPHASE_MODEL, constants)[] = TOY_CONSTANTS;
#endif

typedef struct loops {
  const float *x, *b, *w;
  float *work, *y, *z;
} loops;

static void products(void *argument, int64_t begin, int64_t end) {
  const loops *l = argument;
  for (int64_t i = begin; i < end; i++) l->work[i] = l->x[i] * l->w[i % 64];
}

static void sums(void *argument, int64_t begin, int64_t end) {
  const loops *l = argument;
  for (int64_t j = begin; j < end; j++) {
    float pair = l->work[2 * j] + l->work[2 * j + 1];
    l->y[j] = pair + l->b[j % 5];
  }
}

static void subnormals(void *argument, int64_t begin, int64_t end) {
  const loops *l = argument;
  for (int64_t k = begin; k < end; k++) l->z[k] = l->x[k] * 0x1p-140f;
}

void JOIN(REPHASE_MODEL, kernels)(const void *const *inputs, void *const *outputs,
                                  const void *constants, void *workspace,
                                  const rephase_parallel *parallel);

HIDDEN void JOIN(REPHASE_MODEL, kernels)(const void *const *inputs, void *const *outputs,
                                         const void *constants, void *workspace,
                                         const rephase_parallel *parallel) {
  loops l = {inputs[0], inputs[1], constants, workspace, outputs[0], outputs[1]};
  parallel->run(parallel->user, 1000, products, &l);
  parallel->run(parallel->user, 500, sums, &l);
  parallel->run(parallel->user, 3, subnormals, &l);
}
