/*
 * The smallest C host of a compiled library: from process start to the first output. The model's
 * name and header come from the compiler's command line: -DMODEL=name -DMODEL_HEADER='"name.h"'.
 *
 *   host INPUT.f32 OUTPUT.f32 THREADS
 *
 * prints "done" once the output is there, then its peak resident memory in KiB, and writes the output.
 */
#define _GNU_SOURCE
#include MODEL_HEADER

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define N(function) JOIN(MODEL, function)

static void *aligned(size_t bytes, size_t alignment) {
  return aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
}

/* Memory that the kernel may hand out in huge pages: a tenth of the page faults, each of some microseconds. */
static void *workspace_memory(size_t bytes) {
  const size_t huge = 2 << 20;
  void *memory = aligned(bytes, huge);
  if (memory) (void)madvise(memory, bytes, MADV_HUGEPAGE);
  return memory;
}

/* VmHWM of /proc/self/status, or -1. */
static long peak_kib(void) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[256];
  long kib = -1;
  while (file && fgets(line, sizeof line, file)) {
    if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
  }
  if (file) fclose(file);
  return kib;
}

/* The networks measured here have one input and one output of the same size. */
int main(int count, char **arguments) {
  if (count != 4) return 64;
  FILE *file = fopen(arguments[1], "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) return 1;
  long bytes = ftell(file);
  rewind(file);
  if (bytes <= 0) return 1;
  float *x = malloc((size_t)bytes), *y = malloc((size_t)bytes);
  void *context = aligned(N(context_bytes)(), 64);
  void *workspace = workspace_memory(N(workspace_bytes)());
  if (!x || !y || !context || !workspace) return 1;
  if (fread(x, 1, (size_t)bytes, file) != (size_t)bytes) return 1;
  fclose(file);

  rephase_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.threads = (uint32_t)strtoul(arguments[3], NULL, 10);
  rephase_status status = N(create)(context, N(context_bytes)(), NULL, 0, &options);
  if (status == REPHASE_OK) {
    const float *inputs[] = {x};
    float *outputs[] = {y};
    status = N(run)(context, inputs, outputs, workspace, N(workspace_bytes)());
  }
  if (status != REPHASE_OK) {
    fprintf(stderr, "%s\n", N(status_text)(status));
    return 100 + (int)status;
  }
  puts("done");
  fflush(stdout);
  printf("%ld\n", peak_kib());
  file = fopen(arguments[2], "wb");
  if (!file || fwrite(y, 1, (size_t)bytes, file) != (size_t)bytes || fclose(file) != 0) return 1;
  N(destroy)(context);
  return 0;
}
