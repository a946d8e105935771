import Diagnostics
import GraphIR
import Operations
import Testing

/// The registry itself, and the text form and type inference of whatever it holds.
@Suite struct TextTests {
  @Test func registryIsSortedAndUnique() {
    let mnemonics = OperationRegistry.all.map { $0.mnemonic }
    #expect(mnemonics == mnemonics.sorted())
    #expect(Set(mnemonics).count == mnemonics.count)
    #expect(OperationRegistry.table.mnemonics == mnemonics)
  }

  @Test(arguments: OperationRegistry.all.indices)
  func everyOperationHasSamplesAndRefusals(_ position: Int) {
    let type = OperationRegistry.all[position]
    #expect(!type.samples.isEmpty, "\(type.mnemonic) has no sample")
    #expect(!type.samples.flatMap(\.refused).isEmpty, "\(type.mnemonic) refuses nothing")
    #expect(!type.summary.isEmpty)
    for sample in type.samples { #expect(sample.operation.mnemonic == type.mnemonic) }
  }

  @Test(arguments: Case.all) func printsAndParses(_ item: Case) throws {
    let function = try item.function()
    try GraphVerifier.verify(function)
    let text = GraphPrinter.text(Module([function]))
    let parsed = try GraphParser.parse(text, file: "sample.rir", table: OperationRegistry.table)
    #expect(GraphPrinter.text(parsed) == text)
    try GraphVerifier.verify(parsed)
    let node = try #require(parsed.functions.first?.nodes.last)
    let operation = try #require(node.operation as? any TensorOperation)
    #expect(AnyHashable(operation) == AnyHashable(item.sample.operation), "attributes were lost")
  }

  @Test(arguments: Case.all) func refusesIllTypedOperands(_ item: Case) throws {
    for operands in item.sample.refused {
      var other = item
      other.sample.operands = operands
      #expect(throws: Diagnostic.self, "\(operands.map(\.description)) was accepted") {
        try GraphVerifier.verify(try other.function())
      }
    }
  }

  /// Every attribute is needed and no other is taken: a dump cannot mean something by leaving it out, unless that is how
  /// the operation prints its usual value.
  @Test(arguments: Case.all) func needsEveryAttribute(_ item: Case) throws {
    let attributes = item.sample.operation.attributes
    let types = try item.function().types(of: item.function().results)
    func read(_ attributes: [Attribute]) throws -> [Attribute] {
      var reader = AttributeReader(
        mnemonic: item.operation.mnemonic, attributes: attributes, resultTypes: types)
      let operation = try item.operation.init(&reader)
      try reader.finish()
      return operation.attributes
    }
    #expect(try read(attributes) == attributes)
    for left in attributes.indices {
      var rest = attributes
      let name = rest.remove(at: left).name
      if item.operation.optionalAttributes.contains(name) {
        #expect(try read(rest) == rest)
      } else {
        #expect(throws: Diagnostic.self) { try read(rest) }
      }
    }
    #expect(throws: Diagnostic.self) {
      try read(attributes + [Attribute("stranger", .integer(1))])
    }
  }
}
