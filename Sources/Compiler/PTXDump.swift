import CodeGen
import Diagnostics
import LoopIR

/// Dumps of PTX: the kernels as the driver takes them, with the model's interface in comments.
enum PTXDump {
  static let header = "// rephase_ptx 1"
  private static let comment = "//| "
  /// The last line: a text that was cut may still assemble.
  private static let end = "// end of rephase_ptx\n"

  static func text(
    _ code: borrowing GeneratedCode, _ module: LoopModule, _ pipeline: Pipeline
  ) throws(Diagnostic) -> String {
    let interface = LoopPrinter.text(try pipeline.interface(of: module))
    var text = header + "\n"
    for line in interface.split(separator: "\n", omittingEmptySubsequences: false) {
      text += comment + line + "\n"
    }
    return text + (try code.assembly()) + end
  }

  /// The text of the interface; throws where the dump has been cut.
  static func interface(_ text: String, file: String) throws(Diagnostic) -> String {
    guard text.hasSuffix(end) else {
      throw Diagnostic(
        "the PTX does not end as it was written: it has been cut", at: SourceLocation(file: file),
        help: "write it again with 'rephase emit --stage ptx'")
    }
    return text.split(separator: "\n", omittingEmptySubsequences: false)
      .filter { $0.hasPrefix(comment) }
      .map { $0.dropFirst(comment.count) }
      .joined(separator: "\n")
  }
}
