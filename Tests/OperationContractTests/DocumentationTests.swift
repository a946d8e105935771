import Foundation
import Operations
import Testing

/// IR/Operations.md is what the operations declare; `REPHASE_BLESS=1` writes it anew.
@Suite struct DocumentationTests {
  private let file = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "IR/Operations.md")

  @Test func operationsAreDocumentedAsDeclared() throws {
    let text = OperationDocumentation.markdown()
    #expect(!text.contains("though declared as refused"))
    for type in OperationRegistry.all {
      #expect(text.contains("\n## \(type.mnemonic)\n\n\(type.summary)\n"))
    }
    if ProcessInfo.processInfo.environment["REPHASE_BLESS"] == "1" {
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    let written = try String(contentsOf: file, encoding: .utf8)
    #expect(written == text, "run the tests with REPHASE_BLESS=1 and look at the difference")
  }
}
