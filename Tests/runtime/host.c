/*
 * A host with five models in one program: alpha (weights embedded), beta (separate), needy (for a
 * CPU nobody has), untested (no self-test), liar (a wrong self-test digest). It sees every status.
 */
#define _GNU_SOURCE
#include "host.h"

/* MARK: hosts that run the loops themselves */

typedef struct range {
  rephase_body body;
  void *argument;
  int64_t begin, end;
} range;

static void *range_main(void *pointer) {
  const range *r = pointer;
  _mm_setcsr(0xffc0); /* toward zero, subnormals flushed: must not matter */
  r->body(r->argument, r->begin, r->end);
  return NULL;
}

/* Three threads, and the ends in reverse. */
static void host_threads(void *user, int64_t count, rephase_body body, void *argument) {
  pthread_t threads[3];
  range ranges[3];
  ++*(int *)user;
  for (int i = 0; i < 3; i++) {
    ranges[i] = (range){body, argument, count * (2 - i) / 3, count * (3 - i) / 3};
    pthread_create(&threads[i], NULL, range_main, &ranges[i]);
  }
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
}

static void host_lazy(void *user, int64_t count, rephase_body body, void *argument) {
  (void)user;
  body(argument, 0, count - 1);
}

static void host_wild(void *user, int64_t count, rephase_body body, void *argument) {
  (void)user;
  body(argument, -1, count + 1);
}

/* Calls the model again from inside a call. */
static void host_reenters(void *user, int64_t count, rephase_body body, void *argument) {
  bench *t = user;
  EXPECT(run(t), REPHASE_CONTEXT_BUSY);
  EXPECT(t->m->selftest(t->context, t->workspace, t->bytes), REPHASE_CONTEXT_BUSY);
  body(argument, 0, count);
}

static rephase_options host_options(
    void (*parallel_for)(void *, int64_t, rephase_body, void *), void *user) {
  return (rephase_options){sizeof(rephase_options), 0, 0, parallel_for, user};
}

static void test_host_loops(void) {
  bench t = bench_new(&alpha);
  int calls = 0;
  rephase_options options = host_options(host_threads, &calls);
  EXPECT(start(&t, &options), REPHASE_OK);
  check_outputs(&t);
  CHECK(calls == 3);
  t.m->destroy(t.context);
  options = host_options(host_lazy, NULL);
  EXPECT(start(&t, &options), REPHASE_OK);
  EXPECT(run(&t), REPHASE_PARALLEL_FOR_FAILED);
  t.m->destroy(t.context);
  options = host_options(host_wild, NULL);
  EXPECT(start(&t, &options), REPHASE_OK);
  EXPECT(run(&t), REPHASE_PARALLEL_FOR_FAILED);
  EXPECT(t.m->selftest(t.context, t.workspace, t.bytes), REPHASE_PARALLEL_FOR_FAILED);
  t.m->destroy(t.context);
  options = host_options(host_threads, &calls);
  options.threads = 5000; /* not used */
  EXPECT(start(&t, &options), REPHASE_OK);
  check_outputs(&t);
  t.m->destroy(t.context);
  options = host_options(host_reenters, &t);
  EXPECT(start(&t, &options), REPHASE_OK);
  check_outputs(&t);
  bench_free(&t);
}

/* MARK: the same bits, whatever the threads and the floating-point mode */

static void test_threads(const model *m) {
  static const uint32_t counts[] = {0, 1, 2, 3, 7, 256};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    bench t = bench_new(m);
    rephase_options options = {sizeof options, counts[i], 0, NULL, NULL};
    const void *weights = m == &beta ? constants : NULL;
    EXPECT(m->create(t.context, m->context_bytes(), weights, weights ? 256 : 0, &options),
           REPHASE_OK);
    for (int round = 0; round < 50; round++) check_outputs(&t);
    EXPECT(m->selftest(t.context, t.workspace, t.bytes), REPHASE_OK);
    bench_free(&t);
  }
}

#ifndef VIRTUAL_CPU
static void test_floating_point_mode(void) {
  static const unsigned modes[] = {0x9fc0, 0x3f80, 0x5f80, 0xff80}; /* flush, down, up, all */
  for (int i = 0; i < 4; i++) {
    bench t = bench_new(&alpha);
    unsigned before = _mm_getcsr();
    _mm_setcsr(modes[i]); /* workers start in the host's mode */
    rephase_options options = {sizeof options, 3, 0, NULL, NULL};
    rephase_status created = start(&t, &options);
    rephase_status status = run(&t);
    unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    EXPECT(created, REPHASE_OK);
    EXPECT(status, REPHASE_OK);
    CHECK(after == modes[i]);
    CHECK(memcmp(t.out, expected, sizeof t.out) == 0);
    bench_free(&t);
  }
}
#endif

/* Any 16-byte aligned memory will do, whatever it held. */
static void test_context_places(void) {
  size_t bytes = alpha_context_bytes();
  char *memory = aligned(bytes + 64);
  for (int offset = 0; offset < 64; offset += 16) {
    bench t = bench_new(&alpha);
    memset(memory, 0xa5, bytes + 64);
    char *place = memory + offset;
    EXPECT(alpha_create(place, bytes, NULL, 0, NULL), REPHASE_OK);
    void *own = t.context;
    t.context = place;
    check_outputs(&t);
    alpha_destroy(place);
    for (char *p = memory; p < memory + bytes + 64; p++)
      if (p < place || p >= place + bytes) CHECK(*p == (char)0xa5);
    t.context = own;
    bench_free(&t);
  }
  free(memory);
}

/* MARK: what create refuses */

static void test_create(void) {
  bench t = bench_new(&alpha), s = bench_new(&beta), n = bench_new(&needy);
  size_t bytes = alpha_context_bytes();
  char *c = t.context;
  EXPECT(alpha_create(NULL, bytes, NULL, 0, NULL), REPHASE_NULL_POINTER);
  EXPECT(alpha_create(c + 8, bytes, NULL, 0, NULL), REPHASE_CONTEXT_MISALIGNED);
  EXPECT(alpha_create(c, bytes - 1, NULL, 0, NULL), REPHASE_CONTEXT_TOO_SMALL);
  EXPECT(alpha_create(c, bytes, NULL, 256, NULL), REPHASE_NULL_POINTER);
  EXPECT(start(&n, NULL), REPHASE_CPU_UNSUPPORTED);
  EXPECT(run(&n), REPHASE_CONTEXT_INVALID);

  _Alignas(64) unsigned char copy[256 + 64];
  memcpy(copy, constants, 256);
  EXPECT(start(&s, NULL), REPHASE_WEIGHTS_MISSING);
  bytes = beta_context_bytes();
  EXPECT(beta_create(s.context, bytes, copy, 255, NULL), REPHASE_WEIGHTS_SIZE);
  EXPECT(beta_create(s.context, bytes, copy + 4, 256, NULL), REPHASE_WEIGHTS_MISALIGNED);
  copy[255] ^= 1;
  EXPECT(beta_create(s.context, bytes, copy, 256, NULL), REPHASE_WEIGHTS_MISMATCH);
  EXPECT(run(&s), REPHASE_CONTEXT_INVALID);
  copy[255] ^= 1;
  EXPECT(beta_create(s.context, bytes, copy, 256, NULL), REPHASE_OK);
  check_outputs(&s);
  bench_free(&t), bench_free(&s), bench_free(&n);
}

static void test_options(void) {
  bench t = bench_new(&alpha);
  struct { rephase_options known; long later[4]; } newer = {{sizeof newer, 2, 0, NULL, NULL}, {7}};
  EXPECT(start(&t, &newer.known), REPHASE_OK);
  check_outputs(&t);
  t.m->destroy(t.context);
  /* An older host's struct ends before the function: what lies there is not read. */
  rephase_options older = {16, 2, 0, host_lazy, NULL};
  EXPECT(start(&t, &older), REPHASE_OK);
  check_outputs(&t);
  t.m->destroy(t.context);
  rephase_options bad = {0, 2, 0, NULL, NULL};
  EXPECT(start(&t, &bad), REPHASE_OPTIONS_INVALID);
  bad.size = 24;
  EXPECT(start(&t, &bad), REPHASE_OPTIONS_INVALID);
  bad = (rephase_options){sizeof bad, 257, 0, NULL, NULL};
  EXPECT(start(&t, &bad), REPHASE_OPTIONS_INVALID);
  bad = (rephase_options){sizeof bad, 2, 1, NULL, NULL};
  EXPECT(start(&t, &bad), REPHASE_OPTIONS_INVALID);
  EXPECT(run(&t), REPHASE_CONTEXT_INVALID);
  bench_free(&t);
}

/* MARK: what run refuses, before it writes anything */

static void test_run(void) {
  bench t = bench_new(&alpha);
  const float *in[] = {x, b}, *no_in[] = {x, NULL};
  float *out[] = {t.out, t.out + Y}, *no_out[] = {NULL, t.out};
  size_t n = t.bytes;
  void *c = t.context, *w = t.workspace;
  EXPECT(alpha_run(NULL, in, out, w, n), REPHASE_NULL_POINTER);
  EXPECT(alpha_run((char *)c + 4, in, out, w, n), REPHASE_CONTEXT_MISALIGNED);
  EXPECT(alpha_run(c, in, out, w, n), REPHASE_CONTEXT_INVALID);
  EXPECT(start(&t, NULL), REPHASE_OK);
  EXPECT(beta_run(c, in, out, w, n), REPHASE_CONTEXT_INVALID);
  memset(t.out, 0x11, sizeof t.out);
  memset(w, 0x22, n);
  EXPECT(alpha_run(c, NULL, out, w, n), REPHASE_NULL_POINTER);
  EXPECT(alpha_run(c, in, NULL, w, n), REPHASE_NULL_POINTER);
  EXPECT(alpha_run(c, no_in, out, w, n), REPHASE_NULL_POINTER);
  EXPECT(alpha_run(c, in, no_out, w, n), REPHASE_NULL_POINTER);
  EXPECT(alpha_run(c, in, out, NULL, n), REPHASE_NULL_POINTER);
  EXPECT(alpha_run(c, in, out, w, n - 1), REPHASE_WORKSPACE_TOO_SMALL);
  EXPECT(alpha_run(c, in, out, (char *)w + 32, n), REPHASE_WORKSPACE_MISALIGNED);
  const float *odd_in[] = {(const float *)(const void *)((const char *)x + 2), b};
  float *odd_out[] = {t.out, (float *)(void *)((char *)t.out + 2001)};
  EXPECT(alpha_run(c, odd_in, out, w, n), REPHASE_TENSOR_MISALIGNED);
  EXPECT(alpha_run(c, in, odd_out, w, n), REPHASE_TENSOR_MISALIGNED);
  EXPECT(alpha_selftest(c, NULL, n), REPHASE_NULL_POINTER);
  EXPECT(alpha_selftest(c, w, n - 1), REPHASE_WORKSPACE_TOO_SMALL);
  EXPECT(alpha_selftest(c, (char *)w + 4, n), REPHASE_WORKSPACE_MISALIGNED);
  for (size_t i = 0; i < sizeof t.out; i++) CHECK(((char *)t.out)[i] == 0x11);
  for (size_t i = 0; i < n; i++) CHECK(((char *)w)[i] == 0x22);
  alpha_destroy(c);
  EXPECT(alpha_run(c, in, out, w, n), REPHASE_CONTEXT_INVALID);
  EXPECT(alpha_selftest(c, w, n), REPHASE_CONTEXT_INVALID);
  alpha_destroy(c);
  alpha_destroy(NULL);
  bench_free(&t);
}

static void test_overlap(void) {
  bench t = bench_new(&alpha);
  EXPECT(start(&t, NULL), REPHASE_OK);
  float *w = (float *)(void *)t.workspace;
  float *end = w + t.bytes / sizeof(float);
  float *c = t.context;
  const float *in[] = {x, b};
  struct { const float *x, *b; float *y, *z; rephase_status status; } cases[] = {
      {x, b, x, t.out, REPHASE_OVERLAP},             /* output 0 is input 0 */
      {x, b, t.out, x + X - 1, REPHASE_OVERLAP},     /* output 1 at the end of input 0 */
      {x, b, t.out, t.out + Y - 1, REPHASE_OVERLAP}, /* outputs share one element */
      {x, b, end - 1, t.out, REPHASE_OVERLAP},       /* output 0 in the workspace */
      {x, w, t.out, t.out + Y, REPHASE_OVERLAP},     /* input 1 in the workspace */
      {x, end - 1, t.out, t.out + Y, REPHASE_OVERLAP},
      {x, b, c + 64, t.out, REPHASE_OVERLAP},        /* output 0 in the context */
      {x, b, t.out, t.out + Y, REPHASE_OK},          /* neighbours are fine */
      {x, x + 3, t.out, t.out + Y, REPHASE_OK},      /* so are inputs that share */
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    in[0] = cases[i].x, in[1] = cases[i].b;
    float *out[] = {cases[i].y, cases[i].z};
    EXPECT(alpha_run(t.context, in, out, t.workspace, t.bytes), cases[i].status);
  }
  bench s = bench_new(&beta);
  _Alignas(64) static float weights[64];
  memcpy(weights, constants, sizeof weights);
  EXPECT(beta_create(s.context, beta_context_bytes(), weights, 256, NULL), REPHASE_OK);
  in[0] = x, in[1] = b;
  float *out[] = {s.out, weights + 61};
  EXPECT(beta_run(s.context, in, out, s.workspace, s.bytes), REPHASE_OVERLAP);
  in[1] = weights; /* read only, so it may be shared */
  out[1] = s.out + Y;
  EXPECT(beta_run(s.context, in, out, s.workspace, s.bytes), REPHASE_OK);
  bench_free(&s);
  bench_free(&t);
}

static void test_selftest(void) {
  bench u = bench_new(&untested), l = bench_new(&liar), moved = bench_new(&alpha),
        t = bench_new(&alpha);
  EXPECT(start(&u, NULL), REPHASE_OK);
  EXPECT(untested_selftest(u.context, u.workspace, u.bytes), REPHASE_SELFTEST_MISSING);
  CHECK(u.bytes == 4000);
  check_outputs(&u);
  EXPECT(start(&l, NULL), REPHASE_OK);
  EXPECT(liar_selftest(l.context, l.workspace, l.bytes), REPHASE_SELFTEST_FAILED);
  /* A copied context is none: threads would work for the original. */
  rephase_options serial = {sizeof serial, 1, 0, NULL, NULL};
  EXPECT(start(&t, &serial), REPHASE_OK);
  memcpy(moved.context, t.context, alpha_context_bytes());
  EXPECT(run(&moved), REPHASE_CONTEXT_INVALID);
  bench_free(&u), bench_free(&l), bench_free(&moved), bench_free(&t);
}

static void test_many_contexts(void) {
  bench t = bench_new(&alpha);
  for (uint32_t i = 0; i < 1000; i++) {
    rephase_options options = {sizeof options, 1 + i % 4, 0, NULL, NULL};
    EXPECT(start(&t, &options), REPHASE_OK);
    if (i % 3) check_outputs(&t);
    t.m->destroy(t.context);
  }
  bench_free(&t);
}

/* Contexts on several threads of the host do not meet. */
static void *own_context(void *argument) {
  bench *t = argument;
  rephase_status status = start(t, &(rephase_options){sizeof(rephase_options), 2, 0, NULL, NULL});
  for (int i = 0; i < 300 && status == REPHASE_OK; i++) status = run(t);
  return status == REPHASE_OK && memcmp(t->out, expected, sizeof t->out) == 0 ? t : NULL;
}

static void test_parallel_hosts(void) {
  pthread_t threads[3];
  bench benches[3];
  for (int i = 0; i < 3; i++) {
    benches[i] = bench_new(&alpha);
    pthread_create(&threads[i], NULL, own_context, &benches[i]);
  }
  for (int i = 0; i < 3; i++) {
    void *result;
    pthread_join(threads[i], &result);
    CHECK(result == &benches[i]);
    bench_free(&benches[i]);
  }
}

static void test_texts(void) {
  for (int i = 0; i <= LAST; i++)
    for (int j = 0; j < i; j++)
      CHECK(strcmp(alpha_status_text((rephase_status)i), beta_status_text((rephase_status)j)) != 0);
  CHECK(strcmp(alpha_status_text((rephase_status)(LAST + 1)), "Unknown status.") == 0);
  CHECK(strcmp(beta_manifest(), "{\"name\":\"toy\"}") == 0);
  CHECK(alpha_workspace_alignment() == 64);
  CHECK(alpha_workspace_bytes() == 4032 + 4032 + 64 + 2048 + 64);
}

int main(void) {
  rephase_selftest_fill(x, 0, X, 0);
  rephase_selftest_fill(b, 0, B, 1);
  test_create();
  test_options();
  test_run();
  test_overlap();
  test_selftest();
  test_host_loops();
  test_threads(&alpha);
  test_threads(&beta);
#ifndef VIRTUAL_CPU /* Valgrind does not have all modes. */
  test_floating_point_mode();
#endif
  test_context_places();
  test_many_contexts();
  test_parallel_hosts();
  test_texts();
  for (int i = 0; i <= LAST_OF_CPU; i++)
    if (!(seen >> i & 1)) fprintf(stderr, "never seen: %s\n", alpha_status_text((rephase_status)i));
  CHECK(seen == (2u << LAST_OF_CPU) - 1);
  if (failures == 0) puts("host: all statuses seen, all outputs equal");
  return failures != 0;
}
