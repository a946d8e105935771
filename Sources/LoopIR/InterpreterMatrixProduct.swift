import Diagnostics
import Tensors

/// Products of matrices, warp by warp.
extension Resolver {
  func resolve(_ product: MatrixProduct) throws(Diagnostic) -> StatementCode {
    let (sum, left, right) = (
      try access(product.sum.buffer, product.sum.indices),
      try access(product.left.buffer, product.left.indices),
      try access(product.right.buffer, product.right.indices)
    )
    return { machine throws(Diagnostic) in
      let buffer = machine.memories[left.slot].buffer
      guard let shape = MatrixShape(of: buffer.element) else {
        throw machine.failure("%\(left.name) cannot be multiplied: verify the module first")
      }
      for first in stride(from: 0, to: buffer.extents[0], by: MatrixShape.warp) {
        let a = try left.factors(of: first, shape.leftCount, machine)
        let b = try right.factors(of: first, shape.rightCount, machine)
        let c = try sum.values(of: first, MatrixShape.sumCount, machine)
        try sum.replace(first, with: shape.product(a, b, plus: c), machine)
      }
    }
  }
}

/// What the threads of a warp hold of a matrix: the indices are those behind the thread.
extension ElementAccess {
  /// The elements of each thread of a warp, one thread after the other.
  fileprivate func values(
    of first: Int, _ count: Int, _ machine: Machine
  ) throws(Diagnostic) -> [Double] {
    let memory = machine.memories[slot]
    let base = try place(machine, from: 1)
    var values: [Double] = []
    for thread in first..<first + MatrixShape.warp {
      let start = base + thread * memory.buffer.strides[0]
      for place in start..<start + count {
        guard memory.isWritten[place] else {
          throw machine.failure("mma: %\(name) of thread \(thread) is read before it is written")
        }
        values.append(memory.values[place])
      }
    }
    return values
  }

  /// The same, where f32 stands for tf32: tensor cores do not look at the other bits.
  fileprivate func factors(
    of first: Int, _ count: Int, _ machine: Machine
  ) throws(Diagnostic) -> [Double] {
    let values = try values(of: first, count, machine)
    guard machine.memories[slot].buffer.element == .f32 else { return values }
    for value in values where value.isFinite && Float(value).bitPattern & 0x1FFF != 0 {
      throw machine.failure(
        "mma: %\(name) holds \(value), which has more bits than tf32", help: "round it: tf32(x)")
    }
    return values
  }

  fileprivate func replace(
    _ first: Int, with values: [Double], _ machine: Machine
  ) throws(Diagnostic) {
    let memory = machine.memories[slot]
    let base = try place(machine, from: 1)
    for (number, value) in values.enumerated() {
      let (thread, element) = (
        first + number / MatrixShape.sumCount, number % MatrixShape.sumCount
      )
      memory.write(value, at: base + thread * memory.buffer.strides[0] + element)
    }
  }
}

extension MatrixShape {
  /// A · B + C of one warp as tensor cores compute it: in f64 by FMAs in the order of the depth; else by exact products,
  /// whose sum is rounded once, towards zero.
  ///
  /// Each matrix is given by its threads' elements, one thread after the other.
  fileprivate func product(_ a: [Double], _ b: [Double], plus c: [Double]) -> [Double] {
    var left = [Double](repeating: 0, count: Self.rows * depth)
    var right = [Double](repeating: 0, count: depth * Self.columns)
    for (number, value) in a.enumerated() {
      let place = self.left(lane: number / leftCount, element: number % leftCount)
      left[place.row * depth + place.depth] = value
    }
    for (number, value) in b.enumerated() {
      let place = self.right(lane: number / rightCount, element: number % rightCount)
      right[place.depth * Self.columns + place.column] = value
    }
    return c.enumerated().map { number, value in
      let place = Self.sum(lane: number / Self.sumCount, element: number % Self.sumCount)
      let total = (0..<depth).reduce(value) {
        $0.addingProduct(
          left[place.row * depth + $1], right[$1 * Self.columns + place.column])
      }
      return self.sum == .f64 ? total : Self.towardsZero(total)
    }
  }

  static func towardsZero(_ value: Double) -> Double {
    let nearest = Float(value)
    guard nearest.isFinite, Double(nearest).magnitude > value.magnitude else {
      return Double(nearest)
    }
    return Double(nearest > 0 ? nearest.nextDown : nearest.nextUp)
  }
}
