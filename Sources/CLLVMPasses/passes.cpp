#include "rephase_llvm_passes.h"

#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/OptBisect.h>

namespace {

class Gate : public llvm::OptPassGate {
  bool isEnabled() const override { return true; }

  bool shouldRunPass(llvm::StringRef name, llvm::StringRef) override {
    return name != "Loop Strength Reduction";
  }
};

}  // namespace

void rephase_llvm_skip_strength_reduction(LLVMContextRef context) {
  // Without state, so that contexts on all threads can share it.
  static Gate gate;
  llvm::unwrap(context)->setOptPassGate(gate);
}
