import Diagnostics
import Tensors

/// What a dimension of a scan is, in the order that scans have in memory, outermost first.
public enum Axis: String, Sendable, Hashable, CaseIterable {
  case slice
  /// The second phase encoding of 3-D k-space, which the reader transforms to slices.
  case partition
  case contrast, repetition, set
  /// Cardiac phases or points in time.
  case frame
  case coil, row, column
}

/// A dimension that a scan's images run over, and how many there are.
public struct SeriesAxis: Sendable, Hashable {
  public let axis: Axis
  public var count: Int
}

extension Axis {
  /// Reads `coil,row,column` or the like; throws for names that are no axes.
  public static func list(parsing text: String) throws(Diagnostic) -> [Axis] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map {
      (name) throws(Diagnostic) in
      guard let axis = Axis(rawValue: String(name)) else {
        let names = Axis.allCases.map(\.rawValue).joined(separator: ", ")
        throw Diagnostic(
          "'\(name)' is not an axis",
          help: "write names of \(names), such as coil,row,column")
      }
      return axis
    }
  }

  /// What dimensions are where neither file nor user says it; nil where no rule fits.
  ///
  /// Outermost first: [row, column], [frame, row, column]; magnitudes then [slice, frame, row, column], complex k-space
  /// [frame, coil, row, column] and [slice, frame, coil, row, column]. Formats that count the fastest dimension first
  /// have rows and columns in front: [row, column, frame], [row, column, coil, frame] and so on.
  static func defaults(rank: Int, isComplex: Bool, isFirstFastest: Bool) -> [Axis]? {
    let outer: [Axis]
    switch (rank, isComplex) {
    case (2, _): outer = []
    case (3, _): outer = [.frame]
    case (4, false): outer = [.slice, .frame]
    case (4, true): outer = [.frame, .coil]
    case (5, true): outer = [.slice, .frame, .coil]
    default: return nil
    }
    return isFirstFastest ? [.row, .column] + outer.reversed() : outer + [.row, .column]
  }
}

extension Tensor {
  /// The same values with the dimensions in another order: dimension `d` of the result is `order[d]` of this.
  func permuted(_ order: [Int]) throws(Diagnostic) -> Tensor {
    guard order != Array(0..<shape.rank) else { return self }
    let shape = try Shape(order.map { self.shape[$0] })
    let strides = order.map { self.shape.rowMajorStrides[$0] }
    var index = [Int](repeating: 0, count: order.count)
    var source = 0
    var result: [Scalar] = []
    result.reserveCapacity(values.count)
    for _ in 0..<values.count {
      result.append(values[source])
      for dimension in order.indices.reversed() {
        index[dimension] += 1
        source += strides[dimension]
        if index[dimension] < shape[dimension] { break }
        source -= strides[dimension] * shape[dimension]
        index[dimension] = 0
      }
    }
    return try Tensor(shape, result)
  }
}
