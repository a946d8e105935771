import CLLVM

/// The processor this program runs on, in LLVM's words.
public enum Host {
  /// `sapphirerapids`, `znver3`, ...
  public static var processor: String { takeMessage(LLVMGetHostCPUName()) }

  /// `+avx2,+fma,-avx512f,...`: everything LLVM knows about, present or not.
  public static var features: String { takeMessage(LLVMGetHostCPUFeatures()) }

  /// `x86_64-pc-linux-gnu`, ...
  public static var triple: String { takeMessage(LLVMGetDefaultTargetTriple()) }
}
