import Tensors

/// Chooses images that differ from each other: farthest-point selection (Gonzalez 1985, "Clustering to minimize the
/// maximum intercluster distance").
///
/// An image is described by the means of 12 x 8 blocks after scaling to a maximum of 1. The first image is drawn by seed;
/// each further one is that whose nearest chosen image is farthest away, the earlier of two that are equally far.
public struct DiverseSelection: Sendable {
  /// What the manifest says of the method.
  public static let method =
    "farthest point (Gonzalez 1985) in means of 12 x 8 blocks, first image by seed"
  private static let (blockRows, blockColumns) = (12, 8)
  private var descriptions: [[Float]] = []

  public init() {}

  /// Adds an image [row, column].
  public mutating func add(_ image: Tensor<Float>) {
    let (rows, columns) = (image.shape[0], image.shape[1])
    var sums = [Float](repeating: 0, count: Self.blockRows * Self.blockColumns)
    var counts = sums
    let greatest = max(image.values.max() ?? 0, .leastNormalMagnitude)
    for (index, value) in image.values.enumerated() {
      let block =
        index / columns * Self.blockRows / rows * Self.blockColumns
        + index % columns * Self.blockColumns / columns
      sums[block] += value / greatest
      counts[block] += 1
    }
    descriptions.append(zip(sums, counts).map { $1 > 0 ? $0 / $1 : 0 })
  }

  /// The numbers of the images chosen, in the order of `add`; all where there are no more than `count`.
  public func chosen(_ count: Int, seed: UInt64) -> [Int] {
    guard count < descriptions.count else { return Array(descriptions.indices) }
    guard count > 0 else { return [] }
    var generator = SplitMix64(seed: seed)
    var next = Int.random(in: descriptions.indices, using: &generator)
    var distances = [Float](repeating: .infinity, count: descriptions.count)
    var chosen: [Int] = []
    while chosen.count < count {
      chosen.append(next)
      distances[next] = -1
      var farthest = next
      for index in descriptions.indices where distances[index] >= 0 {
        let distance = Self.distance(descriptions[index], descriptions[next])
        distances[index] = min(distances[index], distance)
        if distances[farthest] < distances[index] { farthest = index }
      }
      next = farthest
    }
    return chosen.sorted()
  }

  private static func distance(_ first: [Float], _ second: [Float]) -> Float {
    var sum: Float = 0
    for index in first.indices {
      let difference = first[index] - second[index]
      sum += difference * difference
    }
    return sum
  }
}
