import Foundation
import GraphIR
import Operations
import Tensors
import Testing

/// What IR/LanguageReference.md shows and numbers is what the code reads and cites.
@Suite struct LanguageReferenceTests {
  private static let root = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  @Test func theExampleIsADump() throws {
    let parts = try Self.text("IR/LanguageReference.md").components(separatedBy: "```\n")
    let example = try #require(parts.first { $0.hasPrefix(GraphPrinter.header) })
    let module = try GraphParser.parse(example, file: "ref.rir", table: OperationRegistry.table)
    #expect(GraphPrinter.text(module) == example)
  }

  @Test func theConstraintsAreThoseThatTheCodeCites() throws {
    let listed = try Self.text("IR/LanguageReference.md").matches(of: /\n\| (G\d+) \|/)
      .map { String($0.output.1) }
    #expect(listed == (1...11).map { "G\($0)" })
    var cited: Set<String> = []
    for folder in ["Sources/GraphIR", "Sources/Operations"] {
      let path = Self.root.appending(path: folder).resolvingSymlinksInPath().path
      let names = FileManager.default.enumerator(atPath: path)
      for case let name as String in names ?? FileManager.DirectoryEnumerator()
      where name.hasSuffix(".swift") {
        let code = try Self.text("\(folder)/\(name)")
        cited.formUnion(code.matches(of: /\[(G\d+)\]/).map { String($0.output.1) })
      }
    }
    #expect(cited == Set(listed))
  }

  @Test func theElementTypesAreNamed() throws {
    let text = try Self.text("IR/LanguageReference.md")
    for element in ElementType.allCases { #expect(text.contains("\"\(element.rawValue)\"")) }
  }
}
