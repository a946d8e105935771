import Diagnostics
import Foundation
import GraphIR
import Operations
import Testing

/// Dumps of earlier versions: they keep loading, and mean the same operations.
///
/// Files in Frozen are never changed, only added to: an operation whose text form grows must still read them.
@Suite struct FrozenDumpTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Frozen")

  static func text(_ name: String) throws -> String {
    try String(contentsOf: folder.appending(path: name), encoding: .utf8)
  }

  static var names: [String] {
    get throws {
      try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }
  }

  private func parse(_ text: String) throws -> Module {
    try GraphParser.parse(text, file: "frozen.rir", table: OperationRegistry.table)
  }

  @Test func keepLoading() throws {
    let names = try Self.names
    #expect(names.count >= 2)
    for name in names {
      let module = try parse(try Self.text(name))
      try GraphVerifier.verify(module)
      let printed = GraphPrinter.text(module)
      #expect(GraphPrinter.text(try parse(printed)) == printed, "\(name)")
    }
  }

  @Test func printedDumpsComeBackUnchanged() throws {
    let text = try Self.text("all-operations.rir")
    #expect(GraphPrinter.text(try parse(text)) == text)
  }

  /// Whoever adds an operation after the first release adds a frozen dump with it.
  @Test func everyOperationIsFrozen() throws {
    var seen: Set<String> = []
    for name in try Self.names {
      for node in try parse(try Self.text(name)).functions.flatMap(\.nodes) {
        seen.insert(node.operation.mnemonic)
      }
    }
    #expect(OperationRegistry.table.mnemonics.filter { !seen.contains($0) } == [])
  }
}
