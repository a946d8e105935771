import Diagnostics
import Tensors

/// L27: where matrices may be multiplied, and what can be.
extension KernelVerifier {
  func verify(_ product: MatrixProduct) throws(Diagnostic) {
    try verifyBetweenLoopsOfThreads("mma", "L27")
    let left = try fragments(product.left)
    guard let shape = MatrixShape(of: left.element) else {
      throw broken(
        "L27", "%\(left.name) holds \(left.element.rawValue), which an mma does not take",
        help: "use f32 (rounded to tf32), bf16 or f64")
    }
    let right = try fragments(product.right)
    let sum = try fragments(product.sum)
    guard right.element == left.element, sum.element == shape.sum else {
      throw broken(
        "L27",
        "an mma adds products of two matrices of one type to a sum in \(shape.sum.rawValue); these are "
          + "\(sum.element.rawValue), \(left.element.rawValue) and \(right.element.rawValue)")
    }
    guard product.sum.buffer != product.left.buffer, product.sum.buffer != product.right.buffer
    else { throw broken("L27", "%\(sum.name) is a sum and a factor of one mma") }
    let counts = [MatrixShape.sumCount, shape.leftCount, shape.rightCount]
    for (buffer, count) in zip([sum, left, right], counts) {
      guard buffer.extents.last == count, buffer.strides.last == 1 else {
        throw broken(
          "L27",
          "%\(buffer.name) holds fragments, so its last dimension has \(count) elements "
            + "beside each other")
      }
      guard buffer.extents[0] == left.extents[0], buffer.extents[0] % MatrixShape.warp == 0 else {
        throw broken(
          "L27",
          "%\(buffer.name) is for \(buffer.extents[0]) threads; an mma needs whole warps "
            + "of \(MatrixShape.warp), the same for all three")
      }
    }
  }

  /// The buffer of an operand, whose indices are those between the thread and the fragment's element.
  private func fragments(_ operand: MatrixProduct.Fragment) throws(Diagnostic) -> Buffer {
    let buffer = try threadBuffer(operand.buffer, "L27")
    try verifyIndices(buffer, operand.indices, dimensions: 1..<buffer.extents.count - 1)
    return buffer
  }
}

// MARK: What warps do together

extension KernelVerifier {
  func verifyBetweenLoopsOfThreads(
    _ statement: String, _ constraint: String
  ) throws(Diagnostic) {
    guard scope.loops.contains(.gpuBlock), scope.loops.allSatisfy(\.keepsWarpsTogether) else {
      throw broken(
        constraint,
        "an \(statement) stands inside gpu_block loops and outside gpu_thread loops")
    }
  }

  /// A buffer with a part for each thread.
  func threadBuffer(_ name: String, _ constraint: String) throws(Diagnostic) -> Buffer {
    let buffer = try buffer(name).buffer
    guard scope.threadBuffers.contains(buffer.name), buffer.extents.count >= 2 else {
      throw broken(
        constraint, "%\(buffer.name) holds no fragments: it is not in the registers of each thread",
        help: "allocate it in register memory between gpu_block and gpu_thread loops")
    }
    return buffer
  }
}

extension LoopKind {
  /// Whether all threads of a warp are in one iteration.
  fileprivate var keepsWarpsTogether: Bool {
    switch self {
    case .serial, .unrolled, .gpuBlock: return true
    case .parallel, .vectorized, .gpuThread: return false
    }
  }
}
