import Tensors

/// Independent streams of random numbers, each a function of the run's seed, what it is for, and a counter.
///
/// Nothing random outlives a step, so the seed and the step are all of the random state there is.
enum RandomPurpose: UInt64 {
  case trainingOrder = 1
  case validationChoice
  case augmentation
}

extension SplitMix64 {
  init(seed: UInt64, _ purpose: RandomPurpose, _ number: Int) {
    var mixer = SplitMix64(seed: seed)
    var stream = SplitMix64(seed: mixer.next() ^ purpose.rawValue)
    self.init(seed: stream.next() ^ UInt64(truncatingIfNeeded: number))
    // The first number of neighbouring seeds is well mixed, the seeds themselves are not.
    self.init(seed: next())
  }

  /// A number in 0..<bound; `bound` is positive. The bias is less than bound / 2^64.
  mutating func next(below bound: Int) -> Int {
    Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// 0..<count in random order (Fisher and Yates; Knuth's Algorithm P).
  ///
  /// The standard library's shuffle may change between versions; this one may not.
  mutating func permutation(_ count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) { order.swapAt(last, next(below: last + 1)) }
    return order
  }
}
