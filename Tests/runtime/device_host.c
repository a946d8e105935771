/*
 * A host of the toy model on a GPU, with fake_cuda.c in place of NVIDIA's driver: what a run computes,
 * which calls it makes of the driver, and what it refuses. `gpu` is the model; the log is LOG.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "gpu.h"
#include "selftest.h"
#include "toy_digests.h"

#define LOG "log"
enum { X = 1000, B = 5, Y = 500, Z = 3 };

static float x[X], b[B];
static const unsigned char expected[] = TOY_OUTPUTS;
static _Alignas(64) char memory[1 << 16];

/* MARK: kernels, which the stand-in calls */

/* An element of y and what is added to it. */
static int broken;
static float error;

void fake_kernel(const char *name, unsigned blocks, unsigned threads, const uint64_t *arguments);

void fake_kernel(const char *name, unsigned blocks, unsigned threads, const uint64_t *arguments) {
  float *p[3];
  for (int i = 0; i < 3; i++) p[i] = (float *)(uintptr_t)arguments[i];
  unsigned count = blocks * threads;
  if (strcmp(name, "k_products") == 0) {
    for (unsigned i = 0; i < count && i < X; i++) p[2][i] = p[0][i] * p[1][i % 64];
  } else if (strcmp(name, "k_sums") == 0) {
    for (unsigned j = 0; j < count && j < Y; j++) {
      float pair = p[0][2 * j] + p[0][2 * j + 1];
      p[2][j] = pair + p[1][j % 5];
    }
    p[2][broken] += error;
  } else {
    for (unsigned k = 0; k < Z; k++) p[1][k] = p[0][k] * 0x1p-140f;
  }
}

/* MARK: the driver, which the host uses too */

static int (*allocate)(uint64_t *, size_t), (*release)(uint64_t), (*push)(void *), (*pop)(void **);
static int (*retain)(void **, int), (*make_stream)(void **, unsigned), (*end_stream)(void *);

static void find(void *function, const char *name) {
  static void *driver;
  if (driver == NULL) driver = dlopen("libcuda.so.1", RTLD_NOW);
  void *found = driver ? dlsym(driver, name) : NULL;
  if (found == NULL) {
    fprintf(stderr, "no stand-in for the driver\n");
    exit(1);
  }
  memcpy(function, &found, sizeof found);
}

static float *on_gpu(size_t count) {
  uint64_t address = 0;
  CHECK(allocate(&address, count * sizeof(float)) == 0);
  return (float *)(uintptr_t)address;
}

/* How often a line is in the log since the last clearing. */
static int logged(const char *line) {
  char text[512];
  int count = 0;
  FILE *file = fopen(LOG, "r");
  while (file && fgets(text, sizeof text, file)) {
    text[strcspn(text, "\n")] = 0;
    count += strcmp(text, line) == 0;
  }
  if (file) fclose(file);
  return count;
}

static void clear(void) { remove(LOG); }

#define EXPECT(call, wanted)                                                \
  do {                                                                      \
    rephase_status got = (call);                                            \
    if (got != (wanted)) fprintf(stderr, "got: %s\n", gpu_status_text(got)); \
    CHECK(got == (wanted));                                                 \
  } while (0)

static rephase_status create(const rephase_options *options) {
  return gpu_create(memory, sizeof memory, NULL, 0, options);
}

static rephase_device_info info(void) {
  rephase_device_info found = {.size = sizeof found};
  EXPECT(gpu_device_info(memory, &found), REPHASE_OK);
  return found;
}

static void check(const float *y, const float *z) {
  CHECK(memcmp(y, expected, Y * sizeof(float)) == 0);
  CHECK(memcmp(z, expected + Y * sizeof(float), Z * sizeof(float)) == 0);
}

static void run_on_host(void) {
  float y[Y], z[Z];
  memset(y, 0xff, sizeof y), memset(z, 0xff, sizeof z);
  EXPECT(gpu_run(memory, (const float *[]){x, b}, (float *[]){y, z}, NULL, 0), REPHASE_OK);
  check(y, z);
}

/* MARK: tests */

static void test_graph(void) {
  clear();
  EXPECT(create(NULL), REPHASE_OK);
  CHECK(info().graph == 1 && info().graph_error == 0 && info().code == 0);
  CHECK(info().capability == 90 && info().device == 0);
  CHECK(logged("cuGraphAddKernelNode") == 3 && logged("cuGraphInstantiateWithFlags") == 1);
  run_on_host();
  run_on_host();
  CHECK(logged("cuGraphLaunch") == 2 && logged("cuLaunchKernel") == 0);
  CHECK(logged("launch k_products 8 128") == 2 && logged("launch k_sums 4 128") == 2);
  CHECK(logged("cuFuncSetAttribute") == 1 && logged("with 100000 bytes of shared memory") == 2);
  CHECK(logged("cuGraphExecKernelNodeSetParams") == 0);
  gpu_destroy(memory);
  CHECK(logged("cuGraphExecDestroy") == 1 && logged("cuGraphDestroy") == 1);
  CHECK(logged("cuEventDestroy_v2") == 1 && logged("cuMemFree_v2") == 6);
}

/* Without a graph the kernels are launched one by one, and the context says so. */
static void test_refused_graphs(void) {
  static const char *const calls[] = {"cuGraphCreate=801", "cuGraphAddKernelNode=801",
                                      "cuGraphInstantiateWithFlags=801"};
  for (int i = 0; i < 3; i++) {
    clear();
    setenv("FAKE_CUDA_FAIL", calls[i], 1);
    EXPECT(create(NULL), REPHASE_OK);
    unsetenv("FAKE_CUDA_FAIL");
    CHECK(info().graph == 0 && info().graph_error == 801);
    run_on_host();
    CHECK(logged("cuGraphLaunch") == 0 && logged("cuLaunchKernel") == 3);
    CHECK(logged("with 100000 bytes of shared memory") == 1);
    gpu_destroy(memory);
    CHECK(logged("cuGraphDestroy") == (i > 0) && logged("cuGraphExecDestroy") == 0);
  }
}

static void test_device_memory(void) {
  float *p = on_gpu(X), *q = on_gpu(B), *y = on_gpu(Y), *z = on_gpu(16), *more = on_gpu(Y);
  void *stream;
  memcpy(p, x, sizeof x), memcpy(q, b, sizeof b);
  CHECK(make_stream(&stream, 0) == 0);
  EXPECT(create(NULL), REPHASE_OK);
  clear();
  EXPECT(gpu_run_device(memory, (const float *[]){p, q}, (float *[]){y, z}, stream), REPHASE_OK);
  check(y, z);
  CHECK(logged("cuStreamSynchronize") == 0 && logged("cuMemcpyHtoDAsync_v2") == 0);
  CHECK(logged("cuGraphExecKernelNodeSetParams") == 3 && logged("cuGraphLaunch") == 1);
  CHECK(logged("cuEventRecord") == 1 && logged("cuStreamWaitEvent") == 0);

  /* Another output: one node changes. The run follows the first, whatever the stream. */
  clear();
  EXPECT(gpu_run_device(memory, (const float *[]){p, q}, (float *[]){more, z}, NULL), REPHASE_OK);
  check(more, z);
  CHECK(logged("cuGraphExecKernelNodeSetParams") == 1 && logged("cuStreamWaitEvent") == 1);

  /* The same tensors again: nothing but a launch. Then the context's own, which are waited for. */
  clear();
  EXPECT(gpu_run_device(memory, (const float *[]){p, q}, (float *[]){more, z}, stream), REPHASE_OK);
  CHECK(logged("cuGraphExecKernelNodeSetParams") == 0 && logged("cuGraphLaunch") == 1);
  clear();
  run_on_host();
  CHECK(logged("cuStreamWaitEvent") == 1 && logged("cuStreamSynchronize") == 1);
  clear();
  run_on_host();
  CHECK(logged("cuStreamWaitEvent") == 0);

  /* A driver that refuses to change a node. */
  setenv("FAKE_CUDA_FAIL", "cuGraphExecKernelNodeSetParams=801", 1);
  memset(y, 0, Y * sizeof(float));
  clear();
  EXPECT(gpu_run_device(memory, (const float *[]){p, q}, (float *[]){y, z}, stream), REPHASE_OK);
  unsetenv("FAKE_CUDA_FAIL");
  check(y, z);
  CHECK(info().graph == 0 && info().graph_error == 801 && logged("cuLaunchKernel") == 3);
  run_on_host();

  /* Destroying waits for what is still in a stream. */
  EXPECT(gpu_run_device(memory, (const float *[]){p, q}, (float *[]){y, z}, stream), REPHASE_OK);
  clear();
  gpu_destroy(memory);
  CHECK(logged("cuEventSynchronize") == 1);
  CHECK(end_stream(stream) == 0);
  float *all[] = {p, q, y, z, more};
  for (int i = 0; i < 5; i++) release((uintptr_t)all[i]);
}

static rephase_status run_device(float *p, float *q, float *y, float *z, void *stream) {
  return gpu_run_device(memory, (const float *[]){p, q}, (float *[]){y, z}, stream);
}

static void test_refused_tensors(void) {
  float *p = on_gpu(X + 64), *q = on_gpu(B), *y = on_gpu(Y), *z = on_gpu(16);
  setenv("FAKE_CUDA_DEVICES", "2", 1);
  void *other, *popped, *stream;
  CHECK(retain(&other, 1) == 0 && push(other) == 0);
  float *far = on_gpu(X);
  CHECK(make_stream(&stream, 0) == 0 && pop(&popped) == 0);
  EXPECT(create(NULL), REPHASE_OK);
  clear();
  EXPECT(run_device(NULL, q, y, z, NULL), REPHASE_NULL_POINTER);
  EXPECT(run_device(p, q, NULL, z, NULL), REPHASE_NULL_POINTER);
  EXPECT(gpu_run_device(memory, NULL, (float *[]){y, z}, NULL), REPHASE_NULL_POINTER);
  EXPECT(run_device(p + 1, q, y, z, NULL), REPHASE_GPU_MISALIGNED);
  EXPECT(run_device((float *)((char *)p + 1), q, y, z, NULL), REPHASE_GPU_MISALIGNED);
  EXPECT(run_device(p, q, y, z + 8, NULL), REPHASE_GPU_MISALIGNED);
  EXPECT(run_device(p, q, p, z, NULL), REPHASE_OVERLAP);
  EXPECT(run_device(p, q, y, y + 16, NULL), REPHASE_OVERLAP);
  EXPECT(run_device((float *)(void *)(memory + 4096), q, y, z, NULL), REPHASE_GPU_POINTER);
  EXPECT(run_device(far, q, y, z, NULL), REPHASE_GPU_POINTER);
  EXPECT(run_device(p + 80, q, y, z, NULL), REPHASE_GPU_POINTER); /* it ends too early */
  EXPECT(run_device(p + 64, q, y, z, stream), REPHASE_GPU_STREAM);
  setenv("FAKE_CUDA_CAPTURING", "1", 1);
  EXPECT(run_device(p + 64, q, y, z, NULL), REPHASE_GPU_STREAM);
  unsetenv("FAKE_CUDA_CAPTURING");
  CHECK(logged("cuGraphLaunch") == 0 && logged("cuEventRecord") == 0);
  EXPECT(run_device(p + 64, q, y, z, NULL), REPHASE_OK);
  gpu_destroy(memory);
  EXPECT(run_device(p, q, y, z, NULL), REPHASE_CONTEXT_INVALID);

  /* A context on the second GPU; its memory is the one that fits now. */
  EXPECT(create(&(rephase_options){.size = sizeof(rephase_options), .device = 1}), REPHASE_OK);
  CHECK(info().device == 1);
  run_on_host();
  EXPECT(run_device(p, q, y, z, NULL), REPHASE_GPU_POINTER);
  gpu_destroy(memory);
  EXPECT(create(&(rephase_options){.size = sizeof(rephase_options), .device = 2}),
         REPHASE_GPU_MISSING);
  unsetenv("FAKE_CUDA_DEVICES");
  CHECK(end_stream(stream) == 0);
  float *all[] = {p, q, y, z, far};
  for (int i = 0; i < 5; i++) release((uintptr_t)all[i]);
}

static void test_selftest(void) {
  EXPECT(create(NULL), REPHASE_OK);
  CHECK(gpu_workspace_bytes() == 0);
  EXPECT(gpu_selftest(memory, NULL, 0), REPHASE_OK);
  /* A sample that is off, an element between samples that is out of range, one that is no number. */
  static const struct { int place; float error; } wrong[] = {{3, 1e-4f}, {4, 1e4f}, {499, NAN}};
  for (int i = 0; i < 3; i++) {
    broken = wrong[i].place, error = wrong[i].error;
    EXPECT(gpu_selftest(memory, NULL, 0), REPHASE_SELFTEST_FAILED);
  }
  error = 0;
  EXPECT(gpu_selftest(memory, NULL, 0), REPHASE_OK);
  setenv("FAKE_CUDA_FAIL", "cuGraphLaunch=700", 1);
  EXPECT(gpu_selftest(memory, NULL, 0), REPHASE_GPU_FAILED);
  unsetenv("FAKE_CUDA_FAIL");
  gpu_destroy(memory);
}

static void test_info(void) {
  EXPECT(create(NULL), REPHASE_OK);
  rephase_device_info found = {.size = 0};
  EXPECT(gpu_device_info(memory, &found), REPHASE_OPTIONS_INVALID);
  EXPECT(gpu_device_info(memory, NULL), REPHASE_NULL_POINTER);
  /* An older host's struct ends earlier, and nothing is written behind it. */
  found = (rephase_device_info){.size = offsetof(rephase_device_info, code), .code = 77};
  EXPECT(gpu_device_info(memory, &found), REPHASE_OK);
  CHECK(found.capability == 90 && found.code == 77);
  gpu_destroy(memory);
  EXPECT(gpu_device_info(memory, &found), REPHASE_CONTEXT_INVALID);
}

/* Whatever the driver refuses while a context is made, all that was taken is given back. */
static void test_failures(void) {
  static const struct { const char *call; rephase_status status; } cases[] = {
      {"cuInit=100", REPHASE_GPU_MISSING},
      {"cuDeviceGetAttribute=1", REPHASE_GPU_FAILED},
      {"cuDevicePrimaryCtxRetain=2", REPHASE_GPU_MEMORY},
      {"cuCtxPushCurrent_v2=201", REPHASE_GPU_FAILED},
      {"cuModuleLoadData=222", REPHASE_GPU_UNSUPPORTED},
      {"cuModuleLoadData=2", REPHASE_GPU_MEMORY},
      {"cuModuleGetFunction=500", REPHASE_GPU_FAILED},
      {"cuFuncSetAttribute=1", REPHASE_GPU_FAILED},
      {"cuStreamCreate=2", REPHASE_GPU_MEMORY},
      {"cuEventCreate=2", REPHASE_GPU_MEMORY},
      {"cuMemAlloc_v2=2", REPHASE_GPU_MEMORY},
      {"cuMemcpyHtoDAsync_v2=700", REPHASE_GPU_FAILED},
      {"cuStreamSynchronize=700", REPHASE_GPU_FAILED},
  };
  static const char *const pairs[][2] = {
      {"cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2"},
      {"cuModuleLoadData", "cuModuleUnload"},
      {"cuStreamCreate", "cuStreamDestroy_v2"},
      {"cuEventCreate", "cuEventDestroy_v2"},
      {"cuMemAlloc_v2", "cuMemFree_v2"},
      {"cuGraphCreate", "cuGraphDestroy"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    clear();
    setenv("FAKE_CUDA_FAIL", cases[i].call, 1);
    EXPECT(create(NULL), cases[i].status);
    unsetenv("FAKE_CUDA_FAIL");
    CHECK(gpu_run(memory, NULL, NULL, NULL, 0) == REPHASE_CONTEXT_INVALID);
    for (size_t j = 0; j < sizeof pairs / sizeof *pairs; j++) {
      size_t length = strcspn(cases[i].call, "=");
      int failed = strncmp(cases[i].call, pairs[j][0], length) == 0 && pairs[j][0][length] == 0;
      /* Contexts that cannot be made current are released, but nothing is in them. */
      if (logged(pairs[j][0]) - failed != logged(pairs[j][1]))
        fprintf(stderr, "%s: %s is not given back\n", cases[i].call, pairs[j][0]), failures++;
    }
  }
}

#ifdef REPHASE_DEVICE_EXACT
/* Code for exactly one kind of GPU runs on that one and is refused by a later one. */
static void test_exact(void) {
  EXPECT(create(NULL), REPHASE_GPU_UNSUPPORTED);
  setenv("FAKE_CUDA_CAPABILITY", "80", 1);
  EXPECT(create(NULL), REPHASE_OK);
  gpu_destroy(memory);
}

int main(void) {
  test_exact();
  if (failures == 0) puts("device_host: exact: passed");
  return failures != 0;
}
#else
int main(void) {
  setenv("FAKE_CUDA_LOG", LOG, 1);
  find(&allocate, "cuMemAlloc_v2"), find(&release, "cuMemFree_v2");
  find(&push, "cuCtxPushCurrent_v2"), find(&pop, "cuCtxPopCurrent_v2");
  find(&retain, "cuDevicePrimaryCtxRetain");
  find(&make_stream, "cuStreamCreate"), find(&end_stream, "cuStreamDestroy_v2");
  void *context, *popped;
  CHECK(retain(&context, 0) == 0 && push(context) == 0);
  rephase_selftest_fill(x, 0, X, 0);
  rephase_selftest_fill(b, 0, B, 1);
  test_graph();
  test_refused_graphs();
  test_device_memory();
  test_refused_tensors();
  test_selftest();
  test_info();
  test_failures();
  CHECK(pop(&popped) == 0 && popped == context);
  return failures != 0;
}
#endif
