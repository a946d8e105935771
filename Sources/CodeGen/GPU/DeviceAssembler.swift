import Diagnostics
import Foundation
import Schedules

/// NVIDIA's assembler (ptxas), which makes machine code of PTX where it is installed.
public struct DeviceAssembler: Sendable {
  private let tool: Tool
  /// As in `13.0.88`.
  public let version: String

  /// The one on the search path, or nil where there is none.
  public static func installed() throws(Diagnostic) -> DeviceAssembler? {
    guard Tool.isInstalled("ptxas") else { return nil }
    return try DeviceAssembler("ptxas")
  }

  /// A name on the search path, or a path; throws where it is no assembler.
  public init(_ name: String) throws(Diagnostic) {
    tool = try Tool(
      name, help: "install it (pip install nvidia-cuda-nvcc), or leave --ptxas out")
    let work = try WorkFolder()
    let text = try tool.run(["--version"], in: work.url)
    guard let word = text.split(whereSeparator: \.isWhitespace).last(where: { $0.hasPrefix("V") })
    else {
      throw Diagnostic(
        "'\(name)' does not tell its version, so it is not NVIDIA's assembler",
        help: "name another by --ptxas, or leave it out")
    }
    version = String(word.dropFirst())
  }

  /// The architecture that the text names: `sm_90`, say, or `sm_90a`, whose code runs on no other one.
  public static func architecture(of ptx: String) throws(Diagnostic) -> String {
    let line = ptx.split(separator: "\n").first { $0.hasPrefix(".target ") }
    guard let name = line?.dropFirst(".target ".count).split(whereSeparator: \.isWhitespace).first
    else { throw Diagnostic("the PTX does not say which GPU it is for") }
    return String(name)
  }

  /// A cubin for exactly the text's architecture; the same bytes from the same text.
  public func assemble(_ ptx: String) throws(Diagnostic) -> [UInt8] {
    let work = try WorkFolder()
    try work.write("model.ptx", ptx.utf8)
    do {
      try tool.run(
        ["-arch=\(try Self.architecture(of: ptx))", "model.ptx", "-o", "model.cubin"], in: work.url)
    } catch {
      var diagnostic = error
      diagnostic.help = "give --ptxas another version of it, or none"
      throw diagnostic
    }
    guard let data = try? Data(contentsOf: work.url.appendingPathComponent("model.cubin")) else {
      throw Diagnostic("NVIDIA's assembler has written no machine code")
    }
    return Array(data)
  }
}
