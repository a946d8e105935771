import LoopIR

/// The image of a convolution of volumes: channels t C up to (t + 1) C of slice n are those of slice n + t of one volume,
/// so that what is made of a slice can serve all results that look at it (IR/decisions/0051).
struct NeighbourSlices {
  /// Slices that a result looks at.
  let taps: Int
  /// Channels of one slice.
  let channels: Int
  /// An element of the volume; the image is the slice's number, from 0 up to `taps` - 1 more than there are results.
  let operand: Expression

  private static let mostTaps = 7
  /// Slices of which each is compared.
  private static let mostSlices = 1024

  /// Nil where a convolution's operand is no such image.
  init?(_ operand: Expression, image: LoopNest.Dimension, input: LoopNest.Dimension) {
    let isJoined = operand.selectionConditions.contains { $0.variablesUsed == [input.name] }
    guard isJoined, image.extent <= Self.mostSlices else { return nil }
    for taps in 2...Self.mostTaps
    where input.extent.isMultiple(of: taps) && image.extent >= taps {
      let parts = Parts(operand, image: image, input: input, taps: taps)
      guard parts.areNeighbours else { continue }
      (self.taps, channels, self.operand) = (taps, parts.channels, parts.volume)
      return
    }
    return nil
  }

  /// The operand as `taps` images side by side.
  private struct Parts {
    let channels: Int
    private let parts: [Expression]
    private let image: LoopNest.Dimension
    private let ranges: [String: Interval]

    init(
      _ operand: Expression, image: LoopNest.Dimension, input: LoopNest.Dimension, taps: Int
    ) {
      let channels = input.extent / taps
      let ranges = [input.name: Interval(0, channels - 1)]
      parts = (0..<taps).map { tap in
        operand.substituting(
          input.name, with: .variable(input.name) + .integer(tap * channels)
        ).simplified(ranges.merging([image.name: Interval(0, image.extent - 1)]) { $1 })
      }
      (self.channels, self.image, self.ranges) = (channels, image, ranges)
    }

    /// Whether all parts that show a slice of the volume are equal there.
    var areNeighbours: Bool {
      (0..<image.extent + parts.count - 1).allSatisfy { slice in
        let seen = parts.indices.filter { (0..<image.extent).contains(slice - $0) }.map { tap in
          parts[tap].substituting(image.name, with: .integer(slice - tap)).simplified(ranges)
        }
        return seen.allSatisfy { $0 == seen[0] }
      }
    }

    /// The first part, and after its end the last one.
    var volume: Expression {
      let slice = Expression.variable(image.name)
      let (last, reach) = (image.extent - 1, parts.count - 1)
      let first = parts[0].substituting(
        image.name, with: .binary(.minimum, slice, .integer(last)))
      let end = parts[reach].substituting(
        image.name, with: .binary(.maximum, slice - .integer(reach), .integer(0)))
      return .select(.binary(.lessOrEqual, slice, .integer(last)), first, end)
    }
  }
}
