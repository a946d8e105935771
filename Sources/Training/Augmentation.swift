import Diagnostics
import Tensors

/// Random changes of a pair that keep it a plausible pair; the input and its target change alike.
///
/// Shifts are circular: the zero-filled image of a circularly shifted image is the shifted zero-filled image, since a
/// shift only turns the phase of k-space.
public struct Augmentation: Sendable, Hashable {
  /// Mirrors rows, columns, both or none.
  public var flips = false
  /// Pixels by which an image is moved at most, up, down, left or right.
  public var shift = 0

  public init() {}

  /// The value of `--augment`: `none`, or `flip` and `shift` or `shift:PIXELS`, separated by commas.
  public init(parsing text: String) throws(Diagnostic) {
    if text == "none" { return }
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      switch item {
      case "flip": flips = true
      case "shift": shift = Self.standardShift
      case _ where item.hasPrefix("shift:"):
        guard let pixels = Int(item.dropFirst(6)), (1...4096).contains(pixels) else {
          throw Self.unknown(item)
        }
        shift = pixels
      default: throw Self.unknown(item)
      }
    }
  }

  static let standardShift = 8

  private static func unknown(_ item: Substring) -> Diagnostic {
    Diagnostic(
      "--augment does not know '\(item)'",
      help: "give none, flip, shift or shift:PIXELS (1 to 4096), several separated by commas")
  }

  public var description: String {
    let items = (flips ? ["flip"] : []) + (shift > 0 ? ["shift:\(shift)"] : [])
    return items.isEmpty ? "none" : items.joined(separator: ",")
  }

  /// The pair at a place of the training sequence, changed.
  func applied(to pair: ImagePair, of shape: Shape, seed: UInt64, place: Int) -> ImagePair {
    guard flips || shift > 0 else { return pair }
    var stream = SplitMix64(seed: seed, .augmentation, place)
    let flipsRows = flips && stream.next(below: 2) == 1
    let flipsColumns = flips && stream.next(below: 2) == 1
    let down = stream.next(below: 2 * shift + 1) - shift
    let right = stream.next(below: 2 * shift + 1) - shift
    let rows = Self.sources(shape[1], flips: flipsRows, shift: down)
    let columns = Self.sources(shape[2], flips: flipsColumns, shift: right)
    return ImagePair(
      input: Self.gathered(pair.input, rows, columns),
      target: Self.gathered(pair.target, rows, columns))
  }

  /// For each place of the result along one axis, the place that it comes from.
  private static func sources(_ extent: Int, flips: Bool, shift: Int) -> [Int] {
    (0..<extent).map { place in
      let moved = (place - shift % extent + extent) % extent
      return flips ? extent - 1 - moved : moved
    }
  }

  private static func gathered(_ values: [Float], _ rows: [Int], _ columns: [Int]) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(values.count)
    for channel in 0..<values.count / (rows.count * columns.count) {
      for row in rows {
        let start = (channel * rows.count + row) * columns.count
        for column in columns { result.append(values[start + column]) }
      }
    }
    return result
  }
}
