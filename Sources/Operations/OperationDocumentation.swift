import Diagnostics
import GraphIR
import Tensors

/// Writes IR/Operations.md from the declarations of the operations: summary, samples in text form, what is refused.
public enum OperationDocumentation {
  /// The whole document, the same for the same registry.
  public static func markdown() -> String {
    var text = """
      # Operations of the graph IR

      Generated from the operations' declarations in Sources/Operations; do not edit. The text form around them is \
      described in LanguageReference.md. The examples are the samples on which the tests compare every operation's \
      float64 reference, loops and machine code.

      """
    for type in OperationRegistry.all { text += "\n" + section(type) }
    return text
  }

  private static func section(_ type: any TensorOperation.Type) -> String {
    var text = "## \(type.mnemonic)\n\n\(type.summary)\n\n"
    let samples = type.samples
    if let names = samples.first.map({ attributes($0.operation) }), !names.isEmpty {
      text += "Attributes: \(names.joined(separator: ", ")).\n\n"
    }
    text += "```\n" + samples.map { example($0) + "\n" }.joined() + "```\n"
    let refusals = samples.flatMap { sample in
      sample.refused.map { refusal(sample, $0) }
    }
    if !refusals.isEmpty {
      text += "\nRefused:\n\n" + refusals.map { "- \($0)\n" }.joined()
    }
    return text
  }

  /// `padding` (list of integers), in the order of the text form.
  private static func attributes(_ operation: any TensorOperation) -> [String] {
    operation.attributes.map { attribute in
      let kind =
        switch attribute.value {
        case .integer: "integer"
        case .integers: "list of integers"
        case .real: "number"
        case .string: "string"
        case .word: "word"
        }
      return attribute.name == AttributeReader.literalName
        ? "a \(kind) right after the name" : "`\(attribute.name)` (\(kind))"
    }
  }

  /// The operation's line in a dump, after a comment that gives the operands' types.
  private static func example(_ sample: OperationSample) -> String {
    guard let function = try? function(sample, sample.operands) else { return "" }
    let lines = GraphPrinter.text(Module([function])).split(separator: "\n")
    let operands = function.arguments.enumerated().map {
      "%x\($0.offset): \(function.type(of: $0.element))"
    }
    let body = lines.dropFirst(2).dropLast(2).map { $0.dropFirst(2) }.joined(separator: "\n")
    return (operands.isEmpty ? "" : "// \(operands.joined(separator: ", "))\n") + body
  }

  private static func refusal(_ sample: OperationSample, _ operands: [TensorType]) -> String {
    let types = operands.map { "`\($0)`" }.joined(separator: ", ")
    do throws(Diagnostic) {
      try GraphVerifier.verify(try function(sample, operands))
      return "\(types): accepted, though declared as refused"
    } catch {
      return "\(operands.isEmpty ? "no operands" : types): \(error.message)"
    }
  }

  private static func function(
    _ sample: OperationSample, _ operands: [TensorType]
  ) throws(Diagnostic) -> Function {
    var function = Function("example")
    var arguments: [ValueID] = []
    for (position, type) in operands.enumerated() {
      arguments.append(function.addArgument(type, name: "x\(position)"))
    }
    function.results = try function.append(
      sample.operation, arguments, regions: sample.region.map { [$0] } ?? [], names: ["y"])
    return function
  }
}
