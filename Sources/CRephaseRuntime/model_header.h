/*
@DOC@
 *
 * The host owns all memory. Nothing here allocates, prints, aborts or installs handlers; only
 * @NAME@_create may make threads (1 MiB of stack each, taken by the C library), and
 * @NAME@_destroy ends them. Every argument is checked before the first write. Where the target is a
 * GPU, @NAME@_create takes memory on it and the driver may do what else it likes; @NAME@_destroy
 * gives it back.
 */
#ifndef REPHASE_MODEL_@NAME@_H
#define REPHASE_MODEL_@NAME@_H

@TYPES@

#ifdef __cplusplus
extern "C" {
#endif

typedef rephase_options @NAME@_options;

/* JSON: compiler, LLVM, target, hashes of source and weights, shapes, numeric promise. */
const char *@NAME@_manifest(void);

/*
 * Memory for @NAME@_run: its size and alignment in bytes. Its contents need not be kept. In huge
 * pages, such as Linux's madvise(MADV_HUGEPAGE) asks for, the first run is faster.
 */
size_t @NAME@_workspace_bytes(void);
size_t @NAME@_workspace_alignment(void);

/* Memory for a context, 16-byte aligned: its size in bytes. */
size_t @NAME@_context_bytes(void);

/*
 * Makes a context in `ctx`, which must not hold a live one. `weights` NULL means those embedded in
 * the library; otherwise they are the bytes of @NAME@.weights, 64-byte aligned, which must stay
 * where they are until the context is destroyed. `options` NULL means the defaults. When it fails,
 * there is no context and no thread. Fewer threads than asked for is no failure.
 */
rephase_status @NAME@_create(void *ctx, size_t ctx_bytes, const void *weights, size_t weight_bytes,
                             const @NAME@_options *options);

/*
 * Runs the model. Tensors are dense, row-major, 4-byte aligned; outputs and workspace share no byte
 * with each other or with anything else given. Outputs are bit-identical for every thread count and
 * every floating-point mode of the host. One call at a time for each context. The calling thread,
 * and those of a parallel_for, need 1 MiB of stack.
 */
rephase_status @NAME@_run(void *ctx, const float *const inputs[], float *const outputs[],
                          void *workspace, size_t workspace_bytes);

/*
 * Runs a built-in input and compares the outputs with those the compiler saw: to the bit on CPUs, on
 * GPUs within the promise, with no need of a workspace.
 */
rephase_status @NAME@_selftest(void *ctx, void *workspace, size_t workspace_bytes);

/* One English sentence, never NULL. */
const char *@NAME@_status_text(rephase_status status);

/*
 * Ends a context; does nothing to memory that holds none. No call on it may be in progress. After
 * fork(), a child may run and destroy the parent's contexts; they use one thread there.
 */
void @NAME@_destroy(void *ctx);
@DEVICE@
#ifdef __cplusplus
}
#endif

#endif
