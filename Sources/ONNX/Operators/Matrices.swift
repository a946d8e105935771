import Diagnostics
import GraphIR
import Operations
import Tensors

/// Products of matrices, as 1x1 convolutions: the rows of the first are pixels, the columns of the second kernels.
enum Matrices {
  /// Of the last two dimensions; those before are repeated where they have one element.
  static func product(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (a, b) = (try call.value(0), try call.value(1))
    let (left, right) = (call.shape(of: a).extents, call.shape(of: b).extents)
    guard left.count >= 2, right.count >= 2 else {
      throw Diagnostic("it multiplies \(left) and \(right)", help: "use matrices")
    }
    let (inner, columns) = (left[left.count - 1], right[right.count - 1])
    guard right[right.count - 2] == inner else {
      throw Diagnostic("\(left) and \(right) do not fit together")
    }
    // One matrix for all: their rows are rows of one.
    if right.count == 2 {
      let rows = left.dropLast().reduce(1, *)
      let single = try product(
        try reshaped(a, [1, rows, inner], call), try reshaped(b, [1, inner, columns], call), call)
      return [.value(try reshaped(single, left.dropLast() + [columns], call))]
    }
    let batch = try Arithmetic.common(
      try Shape(Array(left.dropLast(2))), try Shape(Array(right.dropLast(2)))
    ).extents
    func wide(_ x: ValueID, _ matrix: [Int]) throws(Diagnostic) -> ValueID {
      let all = try Arithmetic.stretched(x, to: try Shape(batch + matrix), call)
      return try reshaped(all, [batch.reduce(1, *)] + matrix, call)
    }
    let result = try product(
      try wide(a, Array(left.suffix(2))), try wide(b, Array(right.suffix(2))), call)
    return [.value(try reshaped(result, batch + [left[left.count - 2], columns], call))]
  }

  /// alpha A B + beta C, with A and B transposed where the attributes say so.
  static func general(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    func matrix(_ index: Int, _ attribute: String) throws(Diagnostic) -> ValueID {
      let x = try call.value(index)
      guard call.shape(of: x).rank == 2 else {
        throw Diagnostic(
          "input \(index + 1) has the shape \(call.shape(of: x))", help: "use matrices")
      }
      let turned = try call.integer(attribute, 0) != 0 ? try call.apply(Transpose([1, 0]), x) : x
      return try reshaped(turned, [1] + call.shape(of: turned).extents, call)
    }
    let (a, b) = (try matrix(0, "transA"), try matrix(1, "transB"))
    guard call.shape(of: a)[2] == call.shape(of: b)[1] else {
      throw Diagnostic("\(call.shape(of: a)) and \(call.shape(of: b)) do not fit together")
    }
    let shape = [call.shape(of: a)[1], call.shape(of: b)[2]]
    var result = try reshaped(try product(a, b, call), shape, call)
    let (alpha, beta) = (try call.real("alpha", 1), try call.real("beta", 1))
    if alpha != 1 { result = try call.graph.builder.multiply(result, alpha) }
    if var offset = try call.optionalValue(2) {
      if beta != 1 { offset = try call.graph.builder.multiply(offset, beta) }
      let wide = try Arithmetic.stretched(offset, to: try Shape(shape), call)
      result = try call.apply(Add(), result, wide)
    }
    return [.value(result)]
  }

  /// [B, M, K] times [B, K, N] is [B, M, N]; each matrix of the batch is a group of channels.
  private static func product(
    _ a: ValueID, _ b: ValueID, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let (left, right) = (call.shape(of: a), call.shape(of: b))
    let (batch, rows, inner, columns) = (left[0], left[1], left[2], right[2])
    // Threads share rows of an image, and several columns reuse what is read of a kernel.
    let width = (1...min(rows, 16)).last { rows.isMultiple(of: $0) } ?? 1
    let image = try reshaped(
      try call.apply(Transpose([0, 2, 1]), a), [1, batch * inner, rows / width, width], call)
    let kernel = try reshaped(
      try call.apply(Transpose([0, 2, 1]), b), [batch * columns, inner, 1, 1], call)
    let operation = Convolution(
      padding: [0, 0, 0, 0], strides: [1, 1], featureGroupCount: batch)
    let product = try reshaped(
      try call.apply(operation, image, kernel), [batch, columns, rows], call)
    return try call.apply(Transpose([0, 2, 1]), product)
  }

  private static func reshaped(
    _ x: ValueID, _ extents: [Int], _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let shape = try Shape(extents)
    return shape == call.shape(of: x) ? x : try call.apply(Reshape(shape), x)
  }
}
