import Diagnostics
import Tensors

/// L30: where matrices may be read, from where and to where.
extension KernelVerifier {
  mutating func verify(_ load: MatrixLoad) throws(Diagnostic) {
    try verifyBetweenLoopsOfThreads("ldmatrix", "L30")
    let target = try verifyTarget(of: load)
    let source = try buffer(load.source).buffer
    guard source.space == .shared, source.element == target.element else {
      throw broken(
        "L30",
        "an ldmatrix reads shared memory of the target's element type; %\(source.name) is "
          + "\(source.element.rawValue) in \(source.space.rawValue) memory")
    }
    guard !load.isTransposed || source.element.byteCount == 2 else {
      throw broken(
        "L30",
        "a transposed ldmatrix reads elements of 16 bits; %\(source.name) is "
          + source.element.rawValue)
    }
    let row = MatrixLoad.rowBytes / source.element.byteCount
    guard source.strides.last == 1, source.alignment % MatrixLoad.rowBytes == 0 else {
      throw broken(
        "L30",
        "the last dimension of %\(source.name) is not of stride 1, or it is not aligned to "
          + "\(MatrixLoad.rowBytes) bytes")
    }
    let outer = scope
    try define(load.thread, .variable(.index, isUniform: true))
    scope.ranges[load.thread] = Interval(0, target.extents[0] - 1)
    try verifyAccess(source, load.indices)
    if let first = load.indices.last {
      let last = first + .integer(row - 1)
      try verifyAccess(source, load.indices.dropLast() + [last])
    }
    scope = outer
  }

  private func verifyTarget(of load: MatrixLoad) throws(Diagnostic) -> Buffer {
    let target = try threadBuffer(load.target.buffer, "L30")
    guard load.target.indices.count < target.extents.count - 1 else {
      throw broken("L30", "no dimension of %\(target.name) is left for what a thread gets")
    }
    try verifyIndices(target, load.target.indices, dimensions: 1..<load.target.indices.count + 1)
    guard target.extents[0] % MatrixShape.warp == 0, let elements = load.elements(of: target),
      MatrixLoad.counts.contains(where: {
        $0 * MatrixLoad.bytes == elements * target.element.byteCount
      })
    else {
      throw broken(
        "L30",
        "an ldmatrix gives each thread of whole warps of \(MatrixShape.warp) 4, 8 or 16 bytes beside "
          + "each other; %\(target.name) is \(LoopPrinter.text(target))")
    }
    return target
  }
}
