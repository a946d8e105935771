/*
 * Stands in for NVIDIA's driver in tests: "device memory" is the host's, and every call is logged.
 * Kernels are those of a function fake_kernel in the program, where it has one, or are emulated;
 * otherwise each adds 1 to the first word of its last argument, or writes the bytes of FAKE_CUDA_OUTPUT
 * there where they fill that allocation. Streams run at once. Settings by the environment:
 *
 * FAKE_CUDA_FAIL        name of a function and the code it fails with (cuMemAlloc_v2=2); "hang": it never returns
 * FAKE_CUDA_FAIL_AFTER  how often that function succeeds before (0)
 * FAKE_CUDA_LOG         file that the log is appended to
 * FAKE_CUDA_CAPABILITY  compute capability, times ten (90)
 * FAKE_CUDA_DEVICES     number of GPUs (1)
 * FAKE_CUDA_EMULATOR    a library that runs the kernels of PTX (Tests/EmulatedKernels)
 * FAKE_CUDA_TIMES       seed of times that launches take (none: any number of them takes a millisecond)
 * FAKE_CUDA_CAPTURING   whether streams are in capture (0)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fake_function {
  char name[256];
  int count, shared_bytes;
  const char *code;
} fake_function;
typedef struct fake_context { int device; } fake_context;
typedef struct fake_module {
  const char *code;
  fake_function functions[256];
} fake_module;
typedef struct fake_node {
  const fake_function *function;
  unsigned blocks, threads, shared_bytes;
  uint64_t arguments[64];
} fake_node;
typedef struct fake_graph {
  int count;
  fake_node nodes[1024];
} fake_graph;
typedef struct fake_params {
  void *function;
  unsigned blocks[3], threads[3], shared_bytes;
  void **arguments, **extra;
} fake_params;
typedef struct fake_allocation {
  uint64_t start, bytes;
  int device;
} fake_allocation;
typedef struct fake_argument {
  uint64_t address, start, bytes;
} fake_argument;
typedef void fake_kernel_function(const char *, unsigned, unsigned, const uint64_t *);
typedef int fake_emulator(const char *, const char *, unsigned, unsigned, unsigned, const fake_argument *, int);

static fake_context contexts[8];
static fake_context *stack[16];
static int depth;
enum { ALLOCATIONS = 1024 };
static fake_allocation allocations[ALLOCATIONS];
/* Of the stand-in's time, in milliseconds. */
static double elapsed;

static void note(const char *text) {
  const char *path = getenv("FAKE_CUDA_LOG");
  FILE *file = path ? fopen(path, "a") : NULL;
  if (file == NULL) return;
  fprintf(file, "%s\n", text);
  fclose(file);
}

static int setting(const char *name, int otherwise) {
  const char *given = getenv(name);
  return given ? atoi(given) : otherwise;
}

/* Of the function that is to fail. */
static int succeeded;

static int call(const char *name) {
  const char *wanted = getenv("FAKE_CUDA_FAIL");
  note(name);
  size_t length = strlen(name);
  if (wanted == NULL || strncmp(wanted, name, length) != 0 || wanted[length] != '=') return 0;
  if (succeeded++ < setting("FAKE_CUDA_FAIL_AFTER", 0)) return 0;
  while (strcmp(wanted + length + 1, "hang") == 0) pause();
  return atoi(wanted + length + 1);
}

#define CALL(name)             \
  int result = call(#name);    \
  if (result != 0) return result
#define NEEDS_CONTEXT \
  if (depth == 0) return 201

static fake_allocation *allocation_at(uint64_t address) {
  for (int i = 0; i < ALLOCATIONS; i++)
    if (allocations[i].bytes > 0 && address - allocations[i].start < allocations[i].bytes)
      return &allocations[i];
  return NULL;
}

int cuInit(unsigned flags) { (void)flags; return call("cuInit"); }
int cuDeviceGetCount(int *count) { CALL(cuDeviceGetCount); *count = setting("FAKE_CUDA_DEVICES", 1); return 0; }
int cuDeviceGet(int *device, int number) { CALL(cuDeviceGet); *device = number; return 0; }
int cuDeviceGetName(char *name, int length, int device) {
  CALL(cuDeviceGetName);
  (void)device;
  snprintf(name, (size_t)length, "stand-in");
  return 0;
}
int cuDriverGetVersion(int *version) { CALL(cuDriverGetVersion); *version = 13000; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  CALL(cuDeviceGetAttribute);
  (void)device;
  int capability = setting("FAKE_CUDA_CAPABILITY", 90);
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return 0;
}
int cuDevicePrimaryCtxRetain(void **context, int device) {
  CALL(cuDevicePrimaryCtxRetain);
  contexts[device].device = device;
  *context = &contexts[device];
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return call("cuDevicePrimaryCtxRelease_v2"); }
int cuCtxPushCurrent_v2(void *context) { CALL(cuCtxPushCurrent_v2); stack[depth++] = context; return 0; }
int cuCtxPopCurrent_v2(void **context) { CALL(cuCtxPopCurrent_v2); *context = stack[--depth]; return 0; }

/* MARK: code */

static int is_elf(const char *code) { return memcmp(code, ELFMAG, SELFMAG) == 0; }

int cuModuleLoadData(void **module, const void *code) {
  const char *text = code, *failure = getenv("FAKE_CUDA_FAIL_CUBIN");
  CALL(cuModuleLoadData);
  NEEDS_CONTEXT;
  if (is_elf(text) && failure != NULL) return atoi(failure);
  /* A driver reads the text to its end and compiles it. */
  if (!is_elf(text) && strstr(text, ".target sm_") == NULL) return 218;
  note(is_elf(text) ? "loaded machine code" : "loaded PTX");
  fake_module *made = calloc(1, sizeof *made);
  made->code = text;
  *module = made;
  return 0;
}
int cuModuleUnload(void *module) { free(module); return call("cuModuleUnload"); }

/* The parameters of a PTX entry, or -1. */
static int ptx_parameters(const char *code, const char *name) {
  char entry[512];
  snprintf(entry, sizeof entry, ".entry %s(", name);
  const char *next = strstr(code, entry), *end = next ? strchr(next, ')') : NULL;
  int count = next ? 0 : -1;
  while (next && (next = strstr(next, ".param")) != NULL && next < end) next++, count++;
  return count;
}

/* The same of machine code: .nv.info.<name> tells the size of the parameters (EIATTR_PARAM_CBANK). */
static int elf_parameters(const char *code, const char *name) {
  const Elf64_Ehdr *header = (const void *)code;
  const Elf64_Shdr *sections = (const void *)(code + header->e_shoff);
  const char *names = code + sections[header->e_shstrndx].sh_offset;
  char wanted[512];
  snprintf(wanted, sizeof wanted, ".nv.info.%s", name);
  for (int i = 0; i < header->e_shnum; i++) {
    if (strcmp(names + sections[i].sh_name, wanted) != 0) continue;
    const unsigned char *next = (const void *)(code + sections[i].sh_offset);
    const unsigned char *end = next + sections[i].sh_size;
    while (next < end) {
      if (next[0] == 4 && next[1] == 0x0a) return (next[10] | next[11] << 8) / 8;
      next += next[0] == 4 ? 4 + (next[2] | next[3] << 8) : 4;
    }
  }
  return -1;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
  CALL(cuModuleGetFunction);
  NEEDS_CONTEXT;
  fake_module *from = module;
  fake_function *next = from->functions;
  while (next->name[0] != 0) next++;
  next->count = (is_elf(from->code) ? elf_parameters : ptx_parameters)(from->code, name);
  if (next->count < 0) return 500;
  next->code = from->code;
  snprintf(next->name, sizeof next->name, "%s", name);
  *function = next;
  return 0;
}

int cuFuncSetAttribute(void *function, int attribute, int value) {
  CALL(cuFuncSetAttribute);
  NEEDS_CONTEXT;
  if (attribute != 8 || value < 0 || value > 227 << 10) return 1;
  ((fake_function *)function)->shared_bytes = value;
  return 0;
}

/* MARK: memory */

int cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  CALL(cuMemAlloc_v2);
  NEEDS_CONTEXT;
  fake_allocation *free_one = allocations;
  while (free_one->bytes > 0) free_one++;
  void *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (memory == NULL) return 2;
  memset(memory, 0, bytes);
  *free_one = (fake_allocation){(uint64_t)(uintptr_t)memory, bytes, stack[depth - 1]->device};
  *address = free_one->start;
  return 0;
}
int cuMemFree_v2(uint64_t address) {
  fake_allocation *allocation = allocation_at(address);
  if (allocation == NULL || allocation->start != address) return 1;
  free((void *)(uintptr_t)address);
  allocation->bytes = 0;
  return call("cuMemFree_v2");
}
int cuPointerGetAttributes(unsigned count, const int *attributes, void **values, uint64_t address) {
  CALL(cuPointerGetAttributes);
  const fake_allocation *found = allocation_at(address);
  for (unsigned i = 0; i < count; i++) {
    switch (attributes[i]) {
      case 2: *(unsigned *)values[i] = found ? 2 : 0; break;
      case 9: *(int *)values[i] = found ? found->device : -2; break;
      case 11: *(uint64_t *)values[i] = found ? found->start : 0; break;
      case 12: *(size_t *)values[i] = found ? found->bytes : 0; break;
      default: return 1;
    }
  }
  return 0;
}
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

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) {
  CALL(cuMemcpyDtoDAsync_v2);
  (void)stream;
  memcpy((void *)(uintptr_t)to, (void *)(uintptr_t)from, bytes);
  return 0;
}

/* MARK: streams and events; a stream is a word with the number of its GPU */

int cuStreamCreate(void **stream, unsigned flags) {
  CALL(cuStreamCreate);
  NEEDS_CONTEXT;
  (void)flags;
  int *made = malloc(sizeof *made);
  *made = stack[depth - 1]->device;
  *stream = made;
  return 0;
}
int cuStreamDestroy_v2(void *stream) { free(stream); return call("cuStreamDestroy_v2"); }
int cuStreamSynchronize(void *stream) { (void)stream; return call("cuStreamSynchronize"); }
int cuStreamGetCtx(void *stream, void **context) {
  CALL(cuStreamGetCtx);
  *context = stream ? &contexts[*(int *)stream] : stack[depth - 1];
  return 0;
}
int cuStreamIsCapturing(void *stream, int *status) {
  CALL(cuStreamIsCapturing);
  (void)stream;
  *status = setting("FAKE_CUDA_CAPTURING", 0);
  return 0;
}
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
  (void)stream, (void)event, (void)flags;
  return call("cuStreamWaitEvent");
}
int cuEventCreate(void **event, unsigned flags) { CALL(cuEventCreate); (void)flags; *event = malloc(sizeof(double)); return 0; }
int cuEventDestroy_v2(void *event) { free(event); return call("cuEventDestroy_v2"); }
int cuEventRecord(void *event, void *stream) {
  (void)stream;
  *(double *)event = elapsed;
  return call("cuEventRecord");
}
int cuEventSynchronize(void *event) { (void)event; return call("cuEventSynchronize"); }
int cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
  CALL(cuEventElapsedTime);
  double took = *(double *)end - *(double *)begin;
  *milliseconds = getenv("FAKE_CUDA_TIMES") ? (float)took : 1;
  return 0;
}

/* MARK: launches */

/* FAKE_CUDA_OUTPUT's bytes into an allocation of their size. */
static int write_output(const fake_allocation *to) {
  const char *path = getenv("FAKE_CUDA_OUTPUT");
  FILE *file = path ? fopen(path, "rb") : NULL;
  if (file == NULL) return 0;
  fseek(file, 0, SEEK_END);
  int fits = to != NULL && (uint64_t)ftell(file) == to->bytes;
  rewind(file);
  if (fits) fits = fread((void *)(uintptr_t)to->start, 1, to->bytes, file) == to->bytes;
  fclose(file);
  return fits;
}

/* Milliseconds of a launch: the same for the same grid of the same kernel. */
static double time_of(const fake_node *node) {
  uint64_t hash = (uint64_t)setting("FAKE_CUDA_TIMES", 0) * 0x9E3779B97F4A7C15u + node->blocks;
  for (const char *at = node->function->name; *at; at++) hash = (hash ^ (uint64_t)*at) * 0x100000001B3u;
  hash = (hash ^ node->threads) * 0x9E3779B97F4A7C15u ^ node->shared_bytes;
  hash = (hash ^ hash >> 31) * 0xBF58476D1CE4E5B9u;
  return 1e-3 * (1 + (double)(hash >> 40) / (1 << 24));
}

/* By FAKE_CUDA_EMULATOR's library: the driver's error number. */
static int emulate(const fake_node *node, const char *path) {
  static fake_emulator *emulator;
  fake_argument arguments[64];
  if (emulator == NULL) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fprintf(stderr, "%s\n", dlerror());
    if (library == NULL) return 999;
    emulator = (fake_emulator *)(uintptr_t)dlsym(library, "rephase_emulate_kernel");
  }
  if (emulator == NULL || is_elf(node->function->code)) return 999;
  for (int i = 0; i < node->function->count; i++) {
    const fake_allocation *at = allocation_at(node->arguments[i]);
    if (at == NULL) return 700;
    arguments[i] = (fake_argument){node->arguments[i], at->start, at->bytes};
  }
  return emulator(node->function->code, node->function->name, node->blocks, node->threads,
                  node->shared_bytes, arguments, node->function->count) == 0 ? 0 : 719;
}

static int execute(const fake_node *node) {
  char line[512];
  elapsed += time_of(node);
  const fake_function *function = node->function;
  fake_kernel_function *kernel = (fake_kernel_function *)(uintptr_t)dlsym(RTLD_DEFAULT, "fake_kernel");
  snprintf(line, sizeof line, "launch %s %u %u", function->name, node->blocks, node->threads);
  note(line);
  if (node->shared_bytes > 0) {
    snprintf(line, sizeof line, "with %u bytes of shared memory", node->shared_bytes);
    note(line);
  }
  /* More than 48 KB must have been asked for before. */
  if (node->shared_bytes > 48 << 10 && node->shared_bytes > (unsigned)function->shared_bytes) return 1;
  if (kernel != NULL) {
    kernel(function->name, node->blocks, node->threads, node->arguments);
    return 0;
  }
  if (getenv("FAKE_CUDA_EMULATOR") != NULL) return emulate(node, getenv("FAKE_CUDA_EMULATOR"));
  if (function->count == 0) return 1;
  uint64_t last = node->arguments[function->count - 1];
  if (!write_output(allocation_at(last))) *(float *)(uintptr_t)last += 1;
  return 0;
}

static fake_node node_of(const fake_params *params) {
  fake_node node = {params->function, params->blocks[0], params->threads[0], params->shared_bytes, {0}};
  for (int i = 0; i < node.function->count; i++)
    node.arguments[i] = *(const uint64_t *)params->arguments[i];
  return node;
}

int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty,
                   unsigned tz, unsigned shared, void *stream, void **arguments, void **extra) {
  CALL(cuLaunchKernel);
  NEEDS_CONTEXT;
  (void)stream;
  fake_params params = {function, {x, y, z}, {threads, ty, tz}, shared, arguments, extra};
  fake_node node = node_of(&params);
  return execute(&node);
}
int cuGraphCreate(void **graph, unsigned flags) { CALL(cuGraphCreate); (void)flags; *graph = calloc(1, sizeof(fake_graph)); return 0; }
int cuGraphDestroy(void *graph) { free(graph); return call("cuGraphDestroy"); }
int cuGraphAddKernelNode(void **node, void *graph, void *const *after, size_t count,
                         const fake_params *params) {
  CALL(cuGraphAddKernelNode);
  NEEDS_CONTEXT;
  fake_graph *to = graph;
  /* Each node comes after the one before: they run in order. */
  if (to->count == 1024 || count != (to->count > 0) || (count == 1 && *after != (void *)(intptr_t)to->count))
    return 1;
  to->nodes[to->count++] = node_of(params);
  *node = (void *)(intptr_t)to->count;
  return 0;
}
int cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long flags) {
  CALL(cuGraphInstantiateWithFlags);
  (void)flags;
  *executable = malloc(sizeof(fake_graph));
  memcpy(*executable, graph, sizeof(fake_graph));
  return 0;
}
int cuGraphExecDestroy(void *executable) { free(executable); return call("cuGraphExecDestroy"); }
int cuGraphExecKernelNodeSetParams(void *executable, void *node, const fake_params *params) {
  CALL(cuGraphExecKernelNodeSetParams);
  NEEDS_CONTEXT;
  ((fake_graph *)executable)->nodes[(intptr_t)node - 1] = node_of(params);
  return 0;
}
int cuGraphLaunch(void *executable, void *stream) {
  CALL(cuGraphLaunch);
  NEEDS_CONTEXT;
  (void)stream;
  const fake_graph *graph = executable;
  for (int i = 0; i < graph->count; i++) {
    int code = execute(&graph->nodes[i]);
    if (code != 0) return code;
  }
  return 0;
}
