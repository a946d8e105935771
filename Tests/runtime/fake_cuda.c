/*
 * Stands in for NVIDIA's driver in tests: "device memory" is the host's, kernels write 1 to their last
 * argument's first word, and every call is counted. FAKE_CUDA_FAIL names a function and the code it
 * fails with (cuMemAlloc_v2=2), FAKE_CUDA_LOG the file that the log goes to, FAKE_CUDA_CAPABILITY the
 * compute capability times ten.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void note(const char *text) {
  const char *path = getenv("FAKE_CUDA_LOG");
  FILE *file = path ? fopen(path, "a") : NULL;
  if (file == NULL) return;
  fprintf(file, "%s\n", text);
  fclose(file);
}

static int call(const char *name) {
  const char *wanted = getenv("FAKE_CUDA_FAIL");
  note(name);
  size_t length = strlen(name);
  if (wanted && strncmp(wanted, name, length) == 0 && wanted[length] == '=')
    return atoi(wanted + length + 1);
  return 0;
}

#define CALL(name)             \
  int result = call(#name);    \
  if (result != 0) return result

int cuInit(unsigned flags) { (void)flags; return call("cuInit"); }
int cuDeviceGetCount(int *count) { CALL(cuDeviceGetCount); *count = 1; return 0; }
int cuDeviceGet(int *device, int number) { CALL(cuDeviceGet); *device = number; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  CALL(cuDeviceGetAttribute);
  (void)device;
  const char *given = getenv("FAKE_CUDA_CAPABILITY");
  int capability = given ? atoi(given) : 90;
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  CALL(cuDevicePrimaryCtxRetain);
  (void)device;
  *context = malloc(1);
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return call("cuDevicePrimaryCtxRelease_v2"); }
int cuCtxPushCurrent_v2(void *context) { (void)context; return call("cuCtxPushCurrent_v2"); }
int cuCtxPopCurrent_v2(void **context) { *context = NULL; return call("cuCtxPopCurrent_v2"); }
int cuModuleLoadData(void **module, const void *text) {
  CALL(cuModuleLoadData);
  /* A driver reads the text to its end and compiles it. */
  if (strstr(text, ".target sm_") == NULL) return 218;
  *module = (void *)text;
  return 0;
}
int cuModuleUnload(void *module) { (void)module; return call("cuModuleUnload"); }
int cuModuleGetFunction(void **function, void *module, const char *name) {
  char entry[512];
  CALL(cuModuleGetFunction);
  snprintf(entry, sizeof entry, ".entry %s(", name);
  if (strstr(module, entry) == NULL) return 500;
  *function = (void *)(strstr(module, entry) + strlen(".entry "));
  return 0;
}
int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  CALL(cuMemAlloc_v2);
  *address = (uint64_t)(uintptr_t)calloc(1, bytes);
  return *address == 0 ? 2 : 0;
}
int cuMemFree_v2(uint64_t address) { free((void *)(uintptr_t)address); return call("cuMemFree_v2"); }
int cuStreamCreate(void **stream, unsigned flags) { CALL(cuStreamCreate); (void)flags; *stream = stream; return 0; }
int cuStreamDestroy_v2(void *stream) { (void)stream; return call("cuStreamDestroy_v2"); }
int cuStreamSynchronize(void *stream) { (void)stream; return call("cuStreamSynchronize"); }
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) {
  CALL(cuMemcpyHtoDAsync_v2);
  (void)stream;
  memcpy((void *)(uintptr_t)to, from, bytes);
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) {
  CALL(cuMemcpyDtoHAsync_v2);
  (void)stream;
  memcpy(to, (void *)(uintptr_t)from, bytes);
  return 0;
}
int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty,
                   unsigned tz, unsigned shared, void *stream, void **arguments, void **extra) {
  char line[512];
  (void)stream, (void)extra;
  CALL(cuLaunchKernel);
  int length = (int)strcspn(function, "(");
  snprintf(line, sizeof line, "launch %.*s %u %u %u %u %u %u %u", length, (const char *)function, x, y,
           z, threads, ty, tz, shared);
  note(line);
  /* So many arguments as the entry has parameters; the last one is written. */
  const char *end = strchr(function, ')'), *next = function;
  int count = 0;
  while ((next = strstr(next, ".param")) != NULL && next < end) next++, count++;
  if (count == 0) return 1;
  *(float *)(uintptr_t)*(uint64_t *)arguments[count - 1] += 1;
  return 0;
}
