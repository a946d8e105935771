import Diagnostics
import Foundation

/// The system's assembler, for dumps of the assembly stage.
public enum Assembler {
  /// A relocatable object; throws what the assembler says of a text that is none.
  public static func assemble(_ text: String) throws(Diagnostic) -> [UInt8] {
    let compiler = try Tool("cc")
    let work = try WorkFolder()
    try work.write("model.s", text.utf8)
    try compiler.run(["-c", "model.s", "-o", "model.o"], in: work.url)
    guard let data = try? Data(contentsOf: work.url.appendingPathComponent("model.o")) else {
      throw Diagnostic("the assembler has written no object")
    }
    return Array(data)
  }
}
