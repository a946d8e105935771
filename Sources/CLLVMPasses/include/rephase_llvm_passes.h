/* What LLVM's C API cannot say of passes. */
#ifndef REPHASE_LLVM_PASSES_H
#define REPHASE_LLVM_PASSES_H

#include <llvm-c/Types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Machine code of the context's modules is made without loop strength reduction from now on. */
void rephase_llvm_skip_strength_reduction(LLVMContextRef context);

#ifdef __cplusplus
}
#endif

#endif
