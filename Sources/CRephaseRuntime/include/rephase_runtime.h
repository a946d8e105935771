/*
 * The runtime as the compiler sees it: the thread pool, hashing and CPU check that its JIT sessions
 * share with compiled libraries, and the source text that goes into each library.
 */
#ifndef REPHASE_RUNTIME_H
#define REPHASE_RUNTIME_H

#include "cpu.h"
#include "gpu_probe.h"
#include "gpu_host.h"
#include "parallel.h"
#include "pool.h"
#include "rephase_types.h"
#include "selftest.h"
#include "sha256.h"
#include "status.h"

/* One source file of the runtime; `bytes` has `size` bytes and no terminating zero. */
typedef struct rephase_runtime_file {
  const char *name;
  const unsigned char *bytes;
  size_t size;
} rephase_runtime_file;

/*
 * The files a library is built from, all into one folder. `model_header.h` is a template: @NAME@,
 * @UPPER@, @DOC@ and @TYPES@ (the text of rephase_types.h) are to be replaced; the result is also
 * the host's header N.h. `model.c` is the one file to compile; it needs a `model_data.h` too.
 */
const rephase_runtime_file *rephase_runtime_files(size_t *count);

#endif
