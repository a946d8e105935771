import Diagnostics
import LoopIR
import Tensors
import Testing

/// Which network a module was lowered from: the attributes of its header (L31).
@Suite struct OriginTests {
  private func parse(_ header: String) throws -> LoopModule {
    try LoopParser.parseVerifiedModule(
      "rephase_loops 1\n\nmodule @m\(header) {\n}\n", file: "m.rir")
  }

  @Test func isPrintedAndReadBack() throws {
    var module = LoopModule(name: "m", scheduledFor: "native", precision: .strict)
    module.origin = ModelDescription(network: "my \"net\"", settings: ["b": "2", "a": "1"])
    let text = LoopPrinter.text(module)
    let header =
      #"module @m scheduled for "native" strict attributes {network = "my \"net\"", settings = "a=1,b=2"} {"#
    #expect(text.contains(header))
    #expect(try LoopParser.parseVerifiedModule(text, file: "m.rir") == module)
    #expect(try parse("").origin == nil)
    #expect(try parse(#" attributes {network = "n"}"#).origin?.settings == [:])
  }

  @Test(arguments: [
    (" attributes {}", "the attributes name no network [L31]", 11),
    (" attributes {network = \"\"}", "the network has no name [L31]", 33),
    (
      " attributes {network = \"n\", settings = \"a\"}",
      "'settings' has 'a' where a new name=value must stand [L31]", 49
    ),
  ])
  func refusesOthers(_ header: String, _ message: String, _ column: Int) throws {
    let error = #expect(throws: Diagnostic.self) { try parse(header) }
    #expect(error?.message == message)
    #expect(error?.location == SourceLocation(file: "m.rir", line: 3, column: column))
  }

  @Test func isVerified() throws {
    let origin = ModelDescription(network: "n", settings: ["a=": "1"])
    let error = #expect(throws: Diagnostic.self) {
      try LoopVerifier.verify(LoopModule(name: "m", origin: origin))
    }
    #expect(error?.message == "the setting 'a=' of n, '1', cannot be written as name=value [L31]")
  }
}
