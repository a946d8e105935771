import Diagnostics
import Foundation
import GraphIR
import Operations
import Tensors

extension ONNXModel {
  /// The network as a graph, whose dynamic batch, rows and columns are those of `extents` (1, 192, 128 where it says
  /// nothing); each operation's place is `file:N`, where N counts the file's nodes from 1.
  ///
  /// Throws, with the node, what cannot be expressed, and where `extents` contradict what the file says.
  public func imported(_ extents: ImageExtents = ImageExtents()) throws(Diagnostic) -> Imported {
    do throws(Diagnostic) {
      try OperatorTable.check(graph)
      let target = GraphImport(GraphBuilder(Function(functionName)))
      var values = try initialValues()
      let inputs = graph.input.filter { initializers[$0.name] == nil }
      for (number, input) in inputs.enumerated() {
        let type = try self.type(of: input, number: number, extents)
        try define(
          input.name, .value(target.builder.argument(type, name: input.name)), in: &values)
      }
      for (index, node) in graph.node.enumerated() {
        try append(node, number: index + 1, to: target, &values)
      }
      return try finished(target, values)
    } catch { throw error.located(at: SourceLocation(file: path)) }
  }

  /// The file's name without its ending, as an identifier that a compiled model may have.
  private var functionName: String {
    let stem = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
    let name = String(
      stem.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : Character("_") })
    return name.first?.isLetter == true ? name : "model_" + name
  }

  private func initialValues() throws(Diagnostic) -> [String: ImportedValue] {
    var values: [String: ImportedValue] = [:]
    for (name, tensor) in initializers {
      switch tensor {
      // Exporters keep numbers of formulas among the weights.
      case .floats(let tensor) where tensor.shape.rank == 0: values[name] = .floats(tensor)
      case .floats(let tensor): values[name] = .weight(name: name, tensor)
      case .integers(let known): values[name] = .integers(known)
      case .nothing: values[name] = .nothing
      }
    }
    return values
  }

  private func define(
    _ name: String, _ value: ImportedValue, in values: inout [String: ImportedValue]
  ) throws(Diagnostic) {
    guard values.updateValue(value, forKey: name) == nil else {
      throw Diagnostic("two tensors have the name '\(name)'", help: "export the network again")
    }
  }

  private func append(
    _ node: Onnx_NodeProto, number: Int, to target: GraphImport,
    _ values: inout [String: ImportedValue]
  ) throws(Diagnostic) {
    target.builder.location = SourceLocation(
      file: URL(fileURLWithPath: path).lastPathComponent, line: number)
    do throws(Diagnostic) {
      let call = NodeCall(
        node: node, inputs: try inputs(of: node, values), operatorSet: operatorSet, graph: target)
      let results = try self.results(of: call)
      for (index, name) in node.output.enumerated() where !name.isEmpty {
        guard index < results.count else {
          throw Diagnostic("its result '\(name)' is not supported", help: "use the first one only")
        }
        switch results[index] {
        case .value(let value), .slices(let value, _):
          guard target.builder.function.name(of: value) == nil else { break }
          target.builder.setName(target.valueName(name), of: value)
        default: break
        }
        try define(name, results[index], in: &values)
      }
    } catch {
      let title = node.name.isEmpty ? node.opType : "\(node.opType) '\(node.name)'"
      var error = error
      error.message = "\(title): \(error.message)"
      error.location = SourceLocation(file: path, line: number)
      throw error
    }
  }

  private func results(of call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    guard let operation = OperatorTable.operators[call.node.opType] else { return [] }
    if let results = try ElementwiseOnSlices.apply(call, operation) { return results }
    return try operation(call)
  }

  private func inputs(
    of node: Onnx_NodeProto, _ values: [String: ImportedValue]
  ) throws(Diagnostic) -> [ImportedValue] {
    var inputs: [ImportedValue] = []
    for name in node.input {
      guard name.isEmpty || values[name] != nil else {
        let isLater = graph.node.contains { $0.output.contains(name) }
        throw Diagnostic(
          isLater
            ? "its input '\(name)' is computed by this node or a later one"
            : "nothing in the file is its input '\(name)'",
          help: isLater
            ? "nodes must be sorted, each after those it takes from" : "export the network again")
      }
      inputs.append(values[name] ?? .nothing)
    }
    return inputs
  }

  private func finished(
    _ target: GraphImport, _ values: [String: ImportedValue]
  ) throws(Diagnostic) -> Imported {
    guard !graph.output.isEmpty else { throw Diagnostic("the network has no output") }
    var results: [ValueID] = []
    for output in graph.output {
      guard let value = values[output.name] else {
        throw Diagnostic(
          "nothing in the file is the output '\(output.name)'", help: "export the network again")
      }
      results.append(try target.value(value, name: output.name))
    }
    target.builder.setResults(results)
    return Imported(function: target.builder.function, weights: target.weights)
  }
}
