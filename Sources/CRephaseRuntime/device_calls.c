/* The calls that only libraries for GPUs have; see device_header.h. Part of model.c. */
#if defined(REPHASE_MODEL) && REPHASE_DEVICE

/* Checks one tensor's address, notes it and its region. */
static rephase_status rephase_check_address(const float *tensor, int64_t elements,
                                            rephase_address *address, rephase_region *region) {
  rephase_status status = rephase_check_tensor(tensor, elements, region);
  if (status == REPHASE_NULL_POINTER) return status;
  *address = (rephase_address)(uintptr_t)tensor;
  return *address % REPHASE_DEVICE_ALIGNMENT == 0 ? REPHASE_OK : REPHASE_GPU_MISALIGNED;
}

/* Outputs come first among the regions. */
static rephase_status rephase_check_tensors(const float *const *inputs, float *const *outputs,
                                            rephase_tensors *tensors) {
  rephase_region regions[REPHASE_OUTPUT_COUNT + REPHASE_INPUT_COUNT], *next = regions;
  rephase_status status = REPHASE_OK;
  if (inputs == NULL || outputs == NULL) return REPHASE_NULL_POINTER;
  for (int i = 0; i < REPHASE_OUTPUT_COUNT && status == REPHASE_OK; i++)
    status = rephase_check_address(outputs[i], rephase_output_elements[i], &tensors->outputs[i],
                                   next++);
  for (int i = 0; i < REPHASE_INPUT_COUNT && status == REPHASE_OK; i++)
    status =
        rephase_check_address(inputs[i], rephase_input_elements[i], &tensors->inputs[i], next++);
  for (int i = 0; i < REPHASE_OUTPUT_COUNT && status == REPHASE_OK; i++)
    for (int j = i + 1; j < REPHASE_OUTPUT_COUNT + REPHASE_INPUT_COUNT; j++)
      if (rephase_overlaps(regions[i], regions[j])) return REPHASE_OVERLAP;
  return status;
}

REPHASE_EXPORT rephase_status N(run_device)(void *ctx, const float *const inputs[],
                                            float *const outputs[], void *stream) {
  rephase_context *context;
  rephase_tensors tensors;
  rephase_status status = rephase_context_open(ctx, &context);
  if (status != REPHASE_OK) return status;
  if (atomic_exchange(&context->busy, true)) return REPHASE_CONTEXT_BUSY;
  status = rephase_check_tensors(inputs, outputs, &tensors);
  if (status == REPHASE_OK) status = rephase_device_enqueue(&context->device, &tensors, stream);
  atomic_store(&context->busy, false);
  return status;
}

REPHASE_EXPORT rephase_status N(device_info)(void *ctx, rephase_device_info *info) {
  rephase_context *context;
  rephase_status status = rephase_context_open(ctx, &context);
  if (status != REPHASE_OK) return status;
  if (info == NULL) return REPHASE_NULL_POINTER;
  size_t size = info->size;
  if (size < sizeof size) return REPHASE_OPTIONS_INVALID;
  rephase_device_info found = context->device.info;
  found.size = size;
  memcpy(info, &found, size < sizeof found ? size : sizeof found);
  return REPHASE_OK;
}

#else
/* In the compiler itself, and in libraries for CPUs, this file is only text. */
typedef int rephase_device_calls_is_text;
#endif
