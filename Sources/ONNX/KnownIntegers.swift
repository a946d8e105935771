import Diagnostics
import Tensors

/// Integers that are folded away when the file is read.
struct KnownIntegers: Sendable, Equatable {
  let extents: [Int]
  let values: [Int]

  /// Far more than the elements of any shape; what has more would be an image.
  static let maximumCount = 1 << 16

  init(_ extents: [Int], _ values: [Int]) throws(Diagnostic) {
    try Self.check(values.count)
    (self.extents, self.values) = (extents, values)
  }

  static func check(_ count: Int) throws(Diagnostic) {
    guard count <= maximumCount else {
      throw Diagnostic(
        "a tensor of \(count) integers: only shapes, axes and indices may be integers",
        help: "compute in float32")
    }
  }

  static func scalar(_ value: Int) throws(Diagnostic) -> KnownIntegers {
    try KnownIntegers([], [value])
  }

  static func list(_ values: [Int]) throws(Diagnostic) -> KnownIntegers {
    try KnownIntegers([values.count], values)
  }

  /// Repeated along dimensions of extent 1 and new first ones; the shapes fit.
  func stretched(to extents: [Int]) throws(Diagnostic) -> KnownIntegers {
    try Self.check(try Shape(extents).elementCount)
    let new = extents.count - self.extents.count
    return try picked(extents) { index in
      zip(index[new...], self.extents).map { $1 == 1 ? 0 : $0 }
    }
  }

  /// Parts of one dimension, in the place of which stand those of `shape`.
  func gathered(
    _ dimension: Int, _ places: [Int], _ shape: [Int]
  ) throws(Diagnostic) -> KnownIntegers {
    let (before, after) = (extents[..<dimension], extents[(dimension + 1)...])
    let (outer, inner) = (before.reduce(1, *), after.reduce(1, *))
    try Self.check(outer * places.count * inner)
    var result: [Int] = []
    for row in 0..<outer {
      for place in places {
        let first = (row * extents[dimension] + place) * inner
        result += values[first..<first + inner]
      }
    }
    return try KnownIntegers(before + shape + after, result)
  }

  /// The elements that `place` names for each index of a result.
  func picked(
    _ extents: [Int], _ place: (_ index: [Int]) -> [Int]
  ) throws(Diagnostic) -> KnownIntegers {
    var index = [Int](repeating: 0, count: extents.count)
    var values: [Int] = []
    for _ in 0..<extents.reduce(1, *) {
      let position = zip(place(index), self.extents).reduce(0) { $0 * $1.1 + $1.0 }
      values.append(self.values[position])
      for dimension in extents.indices.reversed() {
        index[dimension] += 1
        if index[dimension] < extents[dimension] { break }
        index[dimension] = 0
      }
    }
    return try KnownIntegers(extents, values)
  }
}
