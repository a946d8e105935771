import Diagnostics
import GraphIR
import Tensors

/// What convolutions and poolings share: where their windows lie, along each of one to three dimensions.
struct WindowAttributes {
  let strides: [Int]
  let dilations: [Int]
  private let kernel: [Int]
  /// Pixels that a window spans.
  let spans: [Int]
  private let autoPad: String
  /// As the file has them: before each dimension, then after each.
  private let pads: [Int]

  /// More than any window or border here; keeps sums far from overflow.
  static let range = 0...1024

  init(_ call: NodeCall, kernel: [Int]) throws(Diagnostic) {
    for extent in kernel where !(1...1024).contains(extent) {
      throw Diagnostic("a window of \(kernel) pixels is not possible")
    }
    let rank = kernel.count
    self.kernel = kernel
    strides = try call.integers("strides", count: rank, in: 1...1024, standard: 1)
    let dilations = try call.integers("dilations", count: rank, in: 1...1024, standard: 1)
    self.dilations = dilations
    spans = (0..<rank).map { (kernel[$0] - 1) * dilations[$0] + 1 }
    autoPad = try call.word("auto_pad", "NOTSET")
    try call.require("auto_pad", autoPad, among: ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
    pads = try call.integers("pads", count: 2 * rank, in: Self.range, standard: 0)
  }

  /// Whether the borders follow from the sizes; their odd pixel then lies below and to the right with `SAME_UPPER`.
  var isSame: Bool { autoPad.hasPrefix("SAME") }
  var isSameUpper: Bool { autoPad == "SAME_UPPER" }

  /// Pixels around an image of these extents: before and after each dimension.
  func borders(of extents: [Int]) -> [[Int]] {
    extents.enumerated().map { axis, extent in
      switch autoPad {
      case "NOTSET": return [pads[axis], pads[axis + strides.count]]
      case "VALID": return [0, 0]
      default:
        let count = (extent + strides[axis] - 1) / strides[axis]
        return halves(max(0, (count - 1) * strides[axis] + spans[axis] - extent))
      }
    }
  }

  /// For each tap of the windows along a dimension, borders included, the elements that it lies on.
  func taps(
    of x: ValueID, _ dimension: Int, axis: Int, _ call: NodeCall
  ) throws(Diagnostic) -> [ValueID] {
    let extent = call.shape(of: x)[dimension]
    guard spans[axis] <= extent else {
      throw Diagnostic("a window of \(spans[axis]) is larger than the \(extent) there are")
    }
    let count = (extent - spans[axis]) / strides[axis] + 1
    return try (0..<kernel[axis]).map { (tap) throws(Diagnostic) in
      try Slicing.steps(
        x, dimension, from: tap * dilations[axis], count: count, step: strides[axis], call)
    }
  }

  /// The last two of what there is for each dimension, with `standard` for the one row of a line.
  static func plane<Element>(_ list: [Element], _ standard: Element) -> [Element] {
    list.count == 1 ? [standard] + list : Array(list.suffix(2))
  }

  /// A border shared between both sides.
  private func halves(_ total: Int) -> [Int] {
    isSameUpper ? [total / 2, total - total / 2] : [total - total / 2, total / 2]
  }
}
