import Tensors

/// Which pairs make up each batch: one endless sequence of epochs, each a permutation of all pairs, cut into batches.
///
/// A batch may hold the end of one epoch and the start of the next, so that every pair is seen equally often whatever
/// the batch size. A function of its properties and the step alone.
public struct SampleOrder: Sendable {
  public let count: Int
  public let batch: Int
  public let seed: UInt64
  /// Otherwise every epoch goes through the pairs as they are stored.
  public let shuffles: Bool
  private var epoch = -1
  private var permutation: [Int] = []

  public init(count: Int, batch: Int, seed: UInt64, shuffles: Bool) {
    self.count = count
    self.batch = batch
    self.seed = seed
    self.shuffles = shuffles
  }

  /// Steps that go through all pairs `epochs` times, the last one perhaps a little further.
  public func steps(epochs: Int) -> Int { (epochs * count + batch - 1) / batch }

  /// Whole epochs that have been gone through after this many steps.
  public func epochs(steps: Int) -> Int { steps * batch / count }

  /// Whether the step of this number, from 1, is the first after which another epoch is complete.
  func closesEpoch(step: Int) -> Bool { epochs(steps: step) > epochs(steps: step - 1) }

  /// The pair at a place of the endless sequence.
  mutating func pair(at place: Int) -> Int {
    guard shuffles else { return place % count }
    if place / count != epoch {
      epoch = place / count
      var stream = SplitMix64(seed: seed, .trainingOrder, epoch)
      permutation = stream.permutation(count)
    }
    return permutation[place % count]
  }
}
