/* The text of the runtime as bytes in the compiler; C23's #embed, which Swift's clang has. */
#include "rephase_runtime.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char rephase_types_h[] = {
#embed "include/rephase_types.h"
};
static const unsigned char parallel_h[] = {
#embed "include/parallel.h"
};
static const unsigned char pool_h[] = {
#embed "include/pool.h"
};
static const unsigned char pool_c[] = {
#embed "pool.c"
};
static const unsigned char sha256_h[] = {
#embed "include/sha256.h"
};
static const unsigned char sha256_c[] = {
#embed "sha256.c"
};
static const unsigned char selftest_h[] = {
#embed "include/selftest.h"
};
static const unsigned char selftest_c[] = {
#embed "selftest.c"
};
static const unsigned char cpu_h[] = {
#embed "include/cpu.h"
};
static const unsigned char cpu_c[] = {
#embed "cpu.c"
};
static const unsigned char device_c[] = {
#embed "device.c"
};
static const unsigned char device_calls_c[] = {
#embed "device_calls.c"
};
static const unsigned char device_driver_c[] = {
#embed "device_driver.c"
};
static const unsigned char device_graph_c[] = {
#embed "device_graph.c"
};
static const unsigned char device_header_h[] = {
#embed "device_header.h"
};
static const unsigned char device_query_h[] = {
#embed "device_query.h"
};
static const unsigned char device_selftest_c[] = {
#embed "device_selftest.c"
};
static const unsigned char status_h[] = {
#embed "include/status.h"
};
static const unsigned char status_c[] = {
#embed "status.c"
};
static const unsigned char model_header_h[] = {
#embed "model_header.h"
};
static const unsigned char model_c[] = {
#embed "model.c"
};

#define REPHASE_FILE(name, bytes) {name, bytes, sizeof bytes}

const rephase_runtime_file *rephase_runtime_files(size_t *count) {
  static const rephase_runtime_file files[] = {
      REPHASE_FILE("cpu.c", cpu_c),
      REPHASE_FILE("cpu.h", cpu_h),
      REPHASE_FILE("device.c", device_c),
      REPHASE_FILE("device_calls.c", device_calls_c),
      REPHASE_FILE("device_driver.c", device_driver_c),
      REPHASE_FILE("device_graph.c", device_graph_c),
      REPHASE_FILE("device_header.h", device_header_h),
      REPHASE_FILE("device_query.h", device_query_h),
      REPHASE_FILE("device_selftest.c", device_selftest_c),
      REPHASE_FILE("model.c", model_c),
      REPHASE_FILE("model_header.h", model_header_h),
      REPHASE_FILE("parallel.h", parallel_h),
      REPHASE_FILE("pool.c", pool_c),
      REPHASE_FILE("pool.h", pool_h),
      REPHASE_FILE("rephase_types.h", rephase_types_h),
      REPHASE_FILE("selftest.c", selftest_c),
      REPHASE_FILE("selftest.h", selftest_h),
      REPHASE_FILE("sha256.c", sha256_c),
      REPHASE_FILE("sha256.h", sha256_h),
      REPHASE_FILE("status.c", status_c),
      REPHASE_FILE("status.h", status_h),
  };
  *count = sizeof files / sizeof *files;
  return files;
}
