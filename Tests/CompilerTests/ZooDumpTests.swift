import Compiler
import Foundation
import GraphIR
import LoopIR
import Operations
import Testing

/// The canonical dumps in IR/zoo: what the compiler makes of the zoo, for readers and for review of changes.
///
/// `REPHASE_BLESS=1 swift test --filter ZooDumpTests` rewrites them.
@Suite struct ZooDumpTests {
  struct ZooDump: Sendable, CustomTestStringConvertible {
    var file: String
    var network: String
    var settings: [String: String] = [:]
    var stage: Stage
    var testDescription: String { file }
  }

  static let all = [
    ZooDump(file: "resnet4.graph.rir", network: "resnet4", stage: .graph),
    ZooDump(file: "resnet4.optimized.rir", network: "resnet4", stage: .optimized),
    ZooDump(file: "resnet4.loops.rir", network: "resnet4", stage: .loops),
    ZooDump(
      file: "resnet1-filters8.scheduled.x86-64-v3.rir", network: "resnet1",
      settings: ["filters": "8"], stage: .scheduled),
    ZooDump(file: "unet.graph.rir", network: "unet", stage: .graph),
    ZooDump(file: "unet.optimized.rir", network: "unet", stage: .optimized),
    ZooDump(file: "vgg16-features.graph.rir", network: "vgg16-features", stage: .graph),
  ]

  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "IR/zoo")

  private static let blesses = ProcessInfo.processInfo.environment["REPHASE_BLESS"] == "1"

  @Test(arguments: all)
  func isWhatTheCompilerWrites(_ item: ZooDump) throws {
    let text = try dump(try zoo(item.network, item.settings), item.stage)
    let url = Self.folder.appending(path: item.file)
    if Self.blesses { try Data(text.utf8).write(to: url, options: .atomic) }
    let canonical = try String(contentsOf: url, encoding: .utf8)
    guard text != canonical else { return }
    let pairs = zip(text.split(separator: "\n"), canonical.split(separator: "\n"))
    let first = pairs.enumerated().first { $0.element.0 != $0.element.1 }
    Issue.record(
      """
      IR/zoo/\(item.file) is not what the compiler writes now, from line \(first.map { "\($0.offset + 1)" } ?? "?"):
      - \(first?.element.1 ?? "(it ends earlier or later)")
      + \(first?.element.0 ?? "")
      Where that is intended, rewrite it: REPHASE_BLESS=1 swift test --filter ZooDumpTests
      """)
  }

  @Test(arguments: all)
  func parsesVerifiesAndPrintsTheSame(_ item: ZooDump) throws {
    let text = try String(contentsOf: Self.folder.appending(path: item.file), encoding: .utf8)
    switch try DumpReader.read(text, file: item.file) {
    case .graph(let function):
      try GraphVerifier.verify(function)
      #expect(GraphPrinter.text(Module([function])) == text)
    case .loops(let module):
      try LoopVerifier.verify(module)
      #expect(LoopPrinter.text(module) == text)
      #expect(module.scheduledFor == (item.stage == .scheduled ? "x86-64-v3" : nil))
    default: Issue.record("no graph and no loops")
    }
  }

  @Test func noOtherFileIsThere() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(files.filter { $0.hasSuffix(".rir") }.sorted() == Self.all.map(\.file).sorted())
  }
}
