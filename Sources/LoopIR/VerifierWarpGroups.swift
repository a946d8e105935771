import Diagnostics
import Tensors

/// L29: where warp groups may multiply matrices in shared memory, and what can be; L16: where they may wait.
extension KernelVerifier {
  /// Groups of products that may be under way (PTX ISA, "wgmma.wait_group").
  private static let maximumProductGroups = 7
  /// Bytes that a descriptor's distances and addresses can count.
  private static let maximumStep = 1 << 18

  func verify(_ step: WarpGroupStep) throws(Diagnostic) {
    switch step {
    case .fence: try verifyBetweenThreads("wgmma_fence")
    case .commit: try verifyBetweenThreads("wgmma_commit")
    case .publish: try verifyBetweenThreads("proxy_fence")
    case .wait(let groups):
      try verifyBetweenThreads("wgmma_wait")
      guard (0...Self.maximumProductGroups).contains(groups) else {
        throw broken(
          "L29",
          "a wgmma_wait leaves 0 to \(Self.maximumProductGroups) groups under way, not \(groups)")
      }
    case .multiply(let product):
      try verifyBetweenThreads("wgmma")
      try verify(product)
    }
  }

  private func verify(_ product: WarpGroupProduct) throws(Diagnostic) {
    let sum = try verifySum(product.sum)
    let columns = sum.extents[sum.extents.count - 2] * MatrixShape.columns
    let left = try verify(product.left, rows: WarpGroupProduct.rows, sum)
    let right = try verify(product.right, rows: columns, sum)
    guard left.element == right.element else {
      throw broken(
        "L29",
        "a wgmma multiplies matrices of one type; these are \(left.element.rawValue) and "
          + right.element.rawValue)
    }
  }

  private func verifySum(_ operand: MatrixProduct.Fragment) throws(Diagnostic) -> Buffer {
    let buffer = try buffer(operand.buffer).buffer
    let rank = buffer.extents.count
    guard scope.threadBuffers.contains(buffer.name), buffer.element == .f32, buffer.isRowMajor,
      rank >= 3, buffer.extents[rank - 1] == MatrixShape.sumCount,
      buffer.extents[rank - 2] <= WarpGroupProduct.mostColumns / MatrixShape.columns
    else {
      throw broken(
        "L29",
        "%\(buffer.name) holds no sums of a wgmma: they are f32[threads, ..., columns / 8, 4] in "
          + "register memory, row-major, with at most \(WarpGroupProduct.mostColumns) columns",
        help: "allocate it between gpu_block and gpu_thread loops")
    }
    guard buffer.extents[0] % WarpGroupProduct.threads == 0 else {
      throw broken(
        "L29",
        "%\(buffer.name) is for \(buffer.extents[0]) threads; a wgmma needs whole warp groups of "
          + "\(WarpGroupProduct.threads)")
    }
    try verifyIndices(buffer, operand.indices, dimensions: 1..<rank - 2)
    return buffer
  }

  /// A factor: 16 bytes of 8 rows are contiguous, and everything else is a multiple of 16 bytes away.
  private func verify(
    _ matrix: SharedMatrix, rows: Int, _ sum: Buffer
  ) throws(Diagnostic) -> Buffer {
    let buffer = try buffer(matrix.buffer).buffer
    guard buffer.space == .shared, let shape = MatrixShape(of: buffer.element), shape.sum == .f32
    else {
      throw broken(
        "L29",
        "%\(buffer.name) is \(buffer.element.rawValue) in \(buffer.space.rawValue) memory; a wgmma "
          + "multiplies f32 (rounded to tf32) or bf16 in shared memory")
    }
    try verifyAccess(buffer, matrix.indices)
    let lanes = SharedMatrix.rowBytes / buffer.element.byteCount
    let limit = Self.maximumStep / buffer.element.byteCount
    guard buffer.alignment >= SharedMatrix.rowBytes, buffer.extents.last == lanes,
      buffer.strides.last == 1, buffer.strides.dropLast().allSatisfy({ $0 % lanes == 0 }),
      matrix.indices.last == .integer(0)
    else {
      throw broken(
        "L29",
        "the last dimension of %\(buffer.name) is not \(lanes) elements beside each other, 16 bytes "
          + "of a matrix's row, from 0 on")
    }
    guard matrix.steps.allSatisfy({ $0 % lanes == 0 && (0..<limit).contains($0) }) else {
      throw broken(
        "L29",
        "the steps of '\(LoopPrinter.text(matrix))' are no multiples of \(lanes) below \(limit)")
    }
    let last = matrix.offset(
      group: sum.extents[0] / WarpGroupProduct.threads - 1, row: rows - 1,
      column: shape.depth - 1, lanes: lanes)
    try verifyReach(of: matrix, in: buffer, last)
    return buffer
  }

  /// The last element, as far from the first one as given, does not always lie outside.
  private func verifyReach(
    of matrix: SharedMatrix, in buffer: Buffer, _ last: Int
  ) throws(Diagnostic) {
    let first = zip(matrix.indices, buffer.strides).reduce(Expression.integer(0)) {
      $0 + $1.0 * .integer($1.1)
    }
    guard !scope.isDead, let range = first.simplifiedIndex(scope.ranges).interval(scope.ranges),
      range.lower > buffer.spanElements - 1 - last
    else { return }
    throw broken(
      "L29", "'\(LoopPrinter.text(matrix))' always reaches beyond the end of %\(buffer.name)")
  }
}
