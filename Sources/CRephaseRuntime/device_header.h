
/* What a context for a GPU uses. Set `size` to sizeof(rephase_device_info); no more is written. */
#ifndef REPHASE_DEVICE_INFO
#define REPHASE_DEVICE_INFO
typedef struct rephase_device_info {
  size_t size;
  uint32_t device;     /* the number of the GPU */
  uint32_t capability; /* its compute capability, times ten: 90 for 9.0 */
  uint32_t code;       /* 1: machine code from the library; 0: PTX that the driver compiled */
  uint32_t graph;      /* 1: a run is one launch of a graph; 0: its kernels are launched one by one */
  int32_t code_error;  /* the driver's error number for machine code it refused; otherwise 0 */
  int32_t graph_error; /* the driver's error number for a graph it refused; otherwise 0 */
} rephase_device_info;
#endif

rephase_status @NAME@_device_info(void *ctx, rephase_device_info *info);

/*
 * Runs the model on tensors in memory of the context's GPU, which are 64-byte aligned, in a stream
 * (CUstream, or cudaStream_t) of the GPU's primary context; NULL is the default stream. The stream
 * must not be in capture. Only puts the run into the stream: errors of the run itself come with a
 * later call, and the tensors must stay until the stream is through with it. Runs of one context
 * follow each other, in whatever streams they are; @NAME@_destroy waits for them.
 */
rephase_status @NAME@_run_device(void *ctx, const float *const inputs[], float *const outputs[],
                                 void *stream);
