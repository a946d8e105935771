import CodeGen
import Diagnostics
import Foundation
import Schedules

/// Works on LLVM IR in its text form.
enum LLVMText {
  /// The interface that `Pipeline.code` put into the module, or nil.
  static func interface(_ text: String, file: String) throws(Diagnostic) -> String? {
    do throws(Diagnostic) {
      // Any target of the text's kind reads it.
      let isGPU = text.contains("\ntarget triple = \"nvptx64")
      let target = try Targets.resolve(isGPU ? "sm_90" : "native")
      return try GeneratedCode(parsing: text, target: target).interface
    } catch {
      throw error.located(at: SourceLocation(file: file))
    }
  }

  /// The module with its entry point made visible, under the name of another model.
  static func visible(_ text: String, from old: String, to new: String) -> String {
    text.replacingOccurrences(
      of: "define hidden void @\(old)_kernels(", with: "define void @\(old)_kernels("
    ).replacingOccurrences(
      of: "define void @\(old)_kernels(", with: "define void @\(new)_kernels(")
  }
}
