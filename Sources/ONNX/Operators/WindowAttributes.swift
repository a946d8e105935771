import Diagnostics
import Tensors

/// What convolutions and poolings of images share: where their windows lie.
struct WindowAttributes {
  let strides: [Int]
  let dilations: [Int]
  /// Rows and columns that a window spans.
  let spans: [Int]
  private let autoPad: String
  /// As the file has them: top, left, bottom, right.
  private let pads: [Int]

  /// More than any window or border here; keeps sums far from overflow.
  static let range = 0...1024

  init(_ call: NodeCall, kernel: [Int]) throws(Diagnostic) {
    for extent in kernel where !(1...1024).contains(extent) {
      throw Diagnostic("a window of \(kernel) pixels is not possible")
    }
    strides = try call.integers("strides", count: 2, in: 1...1024, standard: 1)
    let dilations = try call.integers("dilations", count: 2, in: 1...1024, standard: 1)
    self.dilations = dilations
    spans = (0..<2).map { (kernel[$0] - 1) * dilations[$0] + 1 }
    autoPad = try call.word("auto_pad", "NOTSET")
    try call.require("auto_pad", autoPad, among: ["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
    pads = try call.integers("pads", count: 4, in: Self.range, standard: 0)
  }

  /// Whether the borders follow from the sizes; their odd pixel then lies below and to the right with `SAME_UPPER`.
  var isSame: Bool { autoPad.hasPrefix("SAME") }
  var isSameUpper: Bool { autoPad == "SAME_UPPER" }

  /// Pixels around the image: before and after its rows, before and after its columns.
  func borders(of image: Shape) -> [[Int]] {
    (0..<2).map { axis in
      switch autoPad {
      case "NOTSET": return [pads[axis], pads[axis + 2]]
      case "VALID": return [0, 0]
      default:
        let count = (image[axis + 2] + strides[axis] - 1) / strides[axis]
        return halves(max(0, (count - 1) * strides[axis] + spans[axis] - image[axis + 2]))
      }
    }
  }

  /// A border shared between both sides.
  private func halves(_ total: Int) -> [Int] {
    isSameUpper ? [total / 2, total - total / 2] : [total - total / 2, total / 2]
  }
}
