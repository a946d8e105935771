import Diagnostics
import GraphIR
import Operations
import Tensors

/// Products of matrices.
enum Matrices {
  /// Of the last two dimensions, as `GraphBuilder.matmul` says.
  static func product(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.graph.builder.matmul(try call.value(0), try call.value(1)))]
  }

  /// alpha A B + beta C, with A and B transposed where the attributes say so.
  static func general(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    func isTurned(_ index: Int, _ attribute: String) throws(Diagnostic) -> Bool {
      let shape = call.shape(of: try call.value(index))
      guard shape.rank == 2 else {
        throw Diagnostic(
          "input \(index + 1) has the shape \(shape)", help: "use matrices")
      }
      return try call.integer(attribute, 0) != 0
    }
    let (a, b) = (try call.value(0), try call.value(1))
    let left = try isTurned(0, "transA") ? 0 : 1
    let right = try isTurned(1, "transB") ? 1 : 0
    guard call.shape(of: a)[left] == call.shape(of: b)[right] else {
      throw Diagnostic("\(call.shape(of: a)) and \(call.shape(of: b)) do not fit together")
    }
    var result = try call.apply(
      DotGeneral(.init(contracting: [left]), .init(contracting: [right])), a, b)
    let (alpha, beta) = (try call.real("alpha", 1), try call.real("beta", 1))
    if alpha != 1 { result = try call.graph.builder.multiply(result, alpha) }
    if var offset = try call.optionalValue(2) {
      if beta != 1 { offset = try call.graph.builder.multiply(offset, beta) }
      let wide = try Arithmetic.stretched(offset, to: call.shape(of: result), call)
      result = try call.apply(Add(), result, wide)
    }
    return [.value(result)]
  }
}
