#include "status.h"

REPHASE_LOCAL const char *rephase_status_text(rephase_status status) {
  switch (status) {
    case REPHASE_OK: return "Done.";
    case REPHASE_NULL_POINTER: return "A pointer that must be given is NULL.";
    case REPHASE_CONTEXT_INVALID:
      return "This memory holds no context of this model: it was not created, was destroyed, was "
             "moved, or is another model's.";
    case REPHASE_CONTEXT_TOO_SMALL: return "The context's memory is smaller than context_bytes().";
    case REPHASE_CONTEXT_MISALIGNED: return "The context's memory is not 16-byte aligned.";
    case REPHASE_CONTEXT_BUSY:
      return "Another thread is using this context: give each thread its own.";
    case REPHASE_OPTIONS_INVALID:
      return "The options are not valid: set size to sizeof(options), device to 0 unless the "
             "model is for a GPU, and threads to at most 256.";
    case REPHASE_CPU_UNSUPPORTED:
      return "This CPU or operating system lacks instructions the model was compiled for: compile "
             "it for another target.";
    case REPHASE_WEIGHTS_MISSING:
      return "This library holds no weights: pass the bytes of its .weights file.";
    case REPHASE_WEIGHTS_SIZE:
      return "The weights do not have the size of this model's .weights file.";
    case REPHASE_WEIGHTS_MISALIGNED: return "The weights are not 64-byte aligned.";
    case REPHASE_WEIGHTS_MISMATCH: return "The weights are not those this model was compiled with.";
    case REPHASE_WORKSPACE_TOO_SMALL: return "The workspace is smaller than workspace_bytes().";
    case REPHASE_WORKSPACE_MISALIGNED:
      return "The workspace is not aligned to workspace_alignment().";
    case REPHASE_TENSOR_MISALIGNED: return "An input or output is not 4-byte aligned.";
    case REPHASE_OVERLAP:
      return "An output or the workspace overlaps other memory given to this call.";
    case REPHASE_SELFTEST_MISSING: return "This model was compiled without a self-test.";
    case REPHASE_SELFTEST_FAILED:
      return "The outputs of the self-test differ from those the compiler saw.";
    case REPHASE_PARALLEL_FOR_FAILED:
      return "The host's parallel_for did not run every iteration once.";
    case REPHASE_GPU_DRIVER_MISSING:
      return "NVIDIA's driver (libcuda.so.1) cannot be loaded: install it, or compile the model for "
             "a CPU target.";
    case REPHASE_GPU_MISSING: return "The NVIDIA driver finds no GPU, or none of this number.";
    case REPHASE_GPU_UNSUPPORTED:
      return "The GPU, or its driver, is too old for the code of this model: compile it for an "
             "older target, or update the driver.";
    case REPHASE_GPU_MEMORY: return "The GPU has too little memory left for this model.";
    case REPHASE_GPU_FAILED: return "The NVIDIA driver reports an error.";
    case REPHASE_GPU_MISALIGNED: return "An input or output on the GPU is not 64-byte aligned.";
    case REPHASE_GPU_POINTER:
      return "An input or output is not memory of this context's GPU, or ends too early: copy it "
             "there, or use run().";
    case REPHASE_GPU_STREAM: return "The stream is not one of this context's GPU, or is in capture.";
  }
  return "Unknown status.";
}
