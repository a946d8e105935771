/*
 * The self-test on a GPU: its sums may be rounded otherwise than those the compiler saw, so outputs are
 * compared within the promise and not by a digest. Part of device.c.
 */
#if defined(REPHASE_MODEL) && REPHASE_DEVICE

/* What an output must be: every element in range, and every `stride`-th one near the sample. */
typedef struct rephase_expected {
  int64_t stride;
  float least, greatest, tolerance;
  const float *samples;
} rephase_expected;

static const float rephase_selftest_samples[] = REPHASE_SELFTEST_SAMPLES;

/* Floats that are copied at once, by way of the stack. */
enum { REPHASE_SELFTEST_CHUNK = 4096 };

static int64_t rephase_selftest_chunk(int64_t elements, int64_t begin) {
  int64_t left = elements - begin;
  return left < REPHASE_SELFTEST_CHUNK ? left : REPHASE_SELFTEST_CHUNK;
}

static int rephase_selftest_inputs(rephase_device *device) {
  const rephase_driver *cu = &device->driver;
  float chunk[REPHASE_SELFTEST_CHUNK];
  int result = 0;
  for (int i = 0; i < REPHASE_INPUT_COUNT; i++)
    for (int64_t begin = 0; begin < rephase_input_elements[i] && result == 0;
         begin += REPHASE_SELFTEST_CHUNK) {
      int64_t count = rephase_selftest_chunk(rephase_input_elements[i], begin);
      rephase_selftest_fill(chunk, begin, count, (uint64_t)i);
      result = cu->cuMemcpyHtoDAsync_v2(
          device->own.inputs[i] + (rephase_address)begin * sizeof(float), chunk,
          (size_t)count * sizeof(float), device->stream);
      if (result == 0) result = cu->cuStreamSynchronize(device->stream);
    }
  return result;
}

/* Elements `begin`, `begin + 1`, ... of an output; NaN is in no range and near nothing. */
static int rephase_selftest_agrees(const float *values, int64_t begin, int64_t count,
                                   const rephase_expected *expected) {
  for (int64_t i = 0; i < count; i++) {
    if (!(values[i] >= expected->least && values[i] <= expected->greatest)) return 0;
    if ((begin + i) % expected->stride != 0) continue;
    float difference = values[i] - expected->samples[(begin + i) / expected->stride];
    if (!(difference <= expected->tolerance && -difference <= expected->tolerance)) return 0;
  }
  return 1;
}

static int rephase_selftest_outputs(rephase_device *device, int *agrees) {
  static const rephase_expected expected[REPHASE_OUTPUT_COUNT] = REPHASE_SELFTEST_EXPECTED;
  const rephase_driver *cu = &device->driver;
  float chunk[REPHASE_SELFTEST_CHUNK];
  int result = 0;
  for (int i = 0; i < REPHASE_OUTPUT_COUNT; i++)
    for (int64_t begin = 0; begin < rephase_output_elements[i] && result == 0 && *agrees;
         begin += REPHASE_SELFTEST_CHUNK) {
      int64_t count = rephase_selftest_chunk(rephase_output_elements[i], begin);
      result = cu->cuMemcpyDtoHAsync_v2(
          chunk, device->own.outputs[i] + (rephase_address)begin * sizeof(float),
          (size_t)count * sizeof(float), device->stream);
      if (result == 0) result = cu->cuStreamSynchronize(device->stream);
      if (result == 0) *agrees = rephase_selftest_agrees(chunk, begin, count, &expected[i]);
    }
  return result;
}

static rephase_status rephase_device_selftest(rephase_device *device) {
  void *popped;
  int agrees = 1;
  if (device->driver.cuCtxPushCurrent_v2(device->context) != 0) return REPHASE_GPU_FAILED;
  int result = rephase_device_follow(device, device->stream);
  if (result == 0) result = rephase_selftest_inputs(device);
  if (result == 0) result = rephase_device_launch(device, &device->own, device->stream);
  if (result == 0) result = rephase_selftest_outputs(device, &agrees);
  if (result == 0) device->is_pending = 0;
  device->driver.cuCtxPopCurrent_v2(&popped);
  if (result != 0) return rephase_device_failure(result);
  return agrees ? REPHASE_OK : REPHASE_SELFTEST_FAILED;
}

#else
/* In the compiler itself, and in libraries for CPUs, this file is only text. */
typedef int rephase_device_selftest_is_text;
#endif
