import CodeGen
import Diagnostics
import Foundation
import LoopIR

/// Assembly dumps: the target's assembly text with the model's interface in comments.
enum Assembly {
  /// What `emit --stage asm` writes.
  static func dump(
    _ code: borrowing GeneratedCode, _ module: LoopModule, _ pipeline: Pipeline
  ) throws(Diagnostic) -> String {
    let interface = LoopPrinter.text(try pipeline.interface(of: module))
    var text = DumpReader.assemblyHeader + "\n"
    for line in interface.split(separator: "\n", omittingEmptySubsequences: false) {
      text += DumpReader.assemblyComment + line + "\n"
    }
    return text + (try code.assembly()) + DumpReader.assemblyEnd
  }

  /// The object code of a dump, with the entry point visible and under another name.
  static func object(
    _ text: String, from old: String, to new: String
  ) throws(Diagnostic) -> [UInt8] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let entry = "\(old)_kernels"
    lines.removeAll {
      $0.hasPrefix("\t.hidden\t\(entry)") || $0.hasPrefix(DumpReader.assemblyComment)
    }
    var renamed = lines.joined(separator: "\n")
    if old != new {
      // Names in assembly end at a space, comma, colon or the line's end.
      for end in [" ", ",", ":", "\n", "\t", "-"] {
        renamed = renamed.replacingOccurrences(of: entry + end, with: "\(new)_kernels" + end)
      }
    }
    return try Assembler.assemble(renamed)
  }
}
