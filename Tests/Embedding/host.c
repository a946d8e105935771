/*
 * A C host of one compiled library, strictly C11. The model's name and header come from the
 * command line of the compiler: -DMODEL=name -DMODEL_HEADER='"name.h"'.
 *
 *   host INPUT.f32 OUTPUT.f32 THREADS [WEIGHTS]
 *
 * reads and writes dense float32. Exit status: 0, 1 (a file), or 100 + the library's status.
 */
#include MODEL_HEADER

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define N(function) JOIN(MODEL, function)

static void *aligned(size_t bytes, size_t alignment) {
  return aligned_alloc(alignment, (bytes / alignment + 1) * alignment);
}

/* The whole file, 64-byte aligned; NULL where it cannot be read. */
static void *contents(const char *path, size_t *bytes) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  void *memory = NULL;
  long size = -1;
  if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0) {
    rewind(file);
    memory = aligned((size_t)size, 64);
    if (memory && fread(memory, 1, (size_t)size, file) != (size_t)size) {
      free(memory);
      memory = NULL;
    }
  }
  fclose(file);
  *bytes = (size_t)size;
  return memory;
}

static int report(rephase_status status) {
  if (status == REPHASE_OK) return 0;
  fprintf(stderr, "%s\n", N(status_text)(status));
  return 100 + (int)status;
}

/* Self-test, then the same run twice: a second run must not depend on the first. */
static rephase_status work(void *context, const float *x, float *y, size_t bytes) {
  size_t workspace_bytes = N(workspace_bytes)();
  void *workspace = aligned(workspace_bytes, N(workspace_alignment)());
  float *again = malloc(bytes);
  if (!workspace || !again) exit(1);
  const float *inputs[] = {x};
  float *first[] = {y}, *second[] = {again};
  memset(y, 0xff, bytes);
  rephase_status status = N(selftest)(context, workspace, workspace_bytes);
  if (status == REPHASE_OK) status = N(run)(context, inputs, first, workspace, workspace_bytes);
  if (status == REPHASE_OK) {
    memset(workspace, 0xff, workspace_bytes);
    status = N(run)(context, inputs, second, workspace, workspace_bytes);
    if (memcmp(y, again, bytes) != 0) {
      fprintf(stderr, "a second run differs\n");
      exit(1);
    }
  }
  free(again);
  free(workspace);
  return status;
}

/* The networks here have as many outputs as inputs. */
int main(int count, char **arguments) {
  if (count < 4) return 64;
  size_t bytes = 0, weight_bytes = 0;
  void *weights = NULL;
  float *x = contents(arguments[1], &bytes);
  if (count > 4 && !(weights = contents(arguments[4], &weight_bytes))) return 1;
  float *y = malloc(bytes);
  void *context = aligned(N(context_bytes)(), 16);
  if (!x || !y || !context) return 1;

  rephase_options options;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.threads = (uint32_t)strtoul(arguments[3], NULL, 10);
  rephase_status status =
      N(create)(context, N(context_bytes)(), weights, weight_bytes, &options);
  if (status == REPHASE_OK) {
    status = work(context, x, y, bytes);
    N(destroy)(context);
  }
  int result = report(status);
  if (status == REPHASE_OK) {
    FILE *file = fopen(arguments[2], "wb");
    if (!file || fwrite(y, 1, bytes, file) != bytes || fclose(file) != 0) result = 1;
  }
  free(context);
  free(y);
  free(x);
  free(weights);
  return result;
}
