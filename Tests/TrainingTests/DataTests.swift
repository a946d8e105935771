import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct DataTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private static func images(_ extents: [Int]) throws -> Tensor<Float> {
    let shape = try Shape(extents)
    return try Tensor(shape, (0..<shape.elementCount).map { Float($0) })
  }

  private func write(_ arrays: [(name: String, tensor: AnyTensor)]) throws -> String {
    let path = scratch.file("d.npz")
    try NpzFile.write(arrays, to: path)
    return path
  }

  @Test func pairsOfAnNpz() throws {
    let input = try Self.images([3, 2, 2, 4])
    let target = input.map { -$0 }
    let data = try NpzPairs(
      try write([("input", .float32(input)), ("target", .float32(target))]))
    #expect(data.count == 3)
    #expect(data.shape.extents == [2, 2, 4])
    let pair = try data.pair(1)
    #expect(pair.input == (16..<32).map { Float($0) } && pair.target == pair.input.map { -$0 })
    let other = try NpzPairs(
      try write([("input", .float32(input)), ("target", .float32(input))]))
    #expect(other.fingerprint != data.fingerprint)
  }

  @Test func setsAreJoinedInOrder() throws {
    let first = try Self.images([2, 1, 2, 2])
    let second = try Self.images([3, 1, 2, 2]).map { $0 + 100 }
    let sets = try [first, second].map {
      try NpzPairs(try write([("input", .float32($0)), ("target", .float32($0))]))
    }
    let joined = try JoinedPairs(sets)
    #expect(joined.count == 5 && joined.shape == sets[0].shape)
    #expect(try joined.pair(1) == sets[0].pair(1) && joined.pair(4) == sets[1].pair(2))
    #expect(try joined.fingerprint != JoinedPairs([sets[1], sets[0]]).fingerprint)
    #expect(message { () throws(Diagnostic) in _ = try joined.pair(5) } != nil)
    let wide = try Self.images([1, 1, 2, 3])
    let other = try NpzPairs(try write([("input", .float32(wide)), ("target", .float32(wide))]))
    let text = message { () throws(Diagnostic) in _ = try JoinedPairs(sets + [other]) }
    #expect(text?.contains("its pairs are") == true, "\(text ?? "accepted")")
  }

  @Test func whatIsRefused() throws {
    let good = try Self.images([2, 1, 2, 2])
    var bad = good
    bad.values[5] = .infinity
    let cases: [(String, [(name: String, tensor: AnyTensor)])] = [
      ("no array 'target'", [("input", .float32(good))]),
      ("float64", [("input", .float64(good.map { Double($0) })), ("target", .float32(good))]),
      (
        "not float32 [N, C, H, W]",
        [
          ("input", .float32(try good.reshaped(try Shape([2, 2, 2])))), ("target", .float32(good)),
        ]
      ),
      ("in image 1", [("input", .float32(good)), ("target", .float32(bad))]),
      (
        "has the shape",
        [
          ("input", .float32(good)), ("target", .float32(try Self.images([1, 1, 2, 2]))),
        ]
      ),
    ]
    for (part, arrays) in cases {
      let path = try write(arrays)
      let text = message { () throws(Diagnostic) in _ = try NpzPairs(path) }
      #expect(text?.contains(part) == true, "\(part): \(text ?? "accepted")")
    }
    try AtomicFile.write("no archive", to: scratch.file("t.npz"))
    #expect(throws: Diagnostic.self) { try NpzPairs(scratch.file("t.npz")) }
  }

  @Test func everyEpochHasEveryPairOnce() throws {
    var order = SampleOrder(count: 10, batch: 4, seed: 1, shuffles: true)
    let places = (0..<30).map { order.pair(at: $0) }
    let epochs = [places[..<10], places[10..<20], places[20...]].map(Array.init)
    for epoch in epochs { #expect(epoch.sorted() == Array(0..<10)) }
    #expect(Set(epochs).count == 3)
    // The same from any place on, and another for another seed.
    var late = SampleOrder(count: 10, batch: 4, seed: 1, shuffles: true)
    #expect(late.pair(at: 25) == places[25] && late.pair(at: 3) == places[3])
    var other = SampleOrder(count: 10, batch: 4, seed: 2, shuffles: true)
    #expect((0..<30).map { other.pair(at: $0) } != places)
    var stored = SampleOrder(count: 10, batch: 4, seed: 1, shuffles: false)
    #expect((0..<12).map { stored.pair(at: $0) } == Array(0..<10) + [0, 1])
    #expect(order.steps(epochs: 2) == 5 && order.steps(epochs: 1) == 3)
    #expect(order.epochs(steps: 2) == 0 && order.epochs(steps: 3) == 1)
  }

  @Test func permutationsAreFair() throws {
    var stream = SplitMix64(seed: 3)
    var counts = [[Int]: Int]()
    for _ in 0..<6000 { counts[stream.permutation(3), default: 0] += 1 }
    // Six permutations with 1000 each; the standard deviation is 29.
    #expect(counts.count == 6 && counts.values.allSatisfy { abs($0 - 1000) < 150 })
  }

  @Test func augmentationMovesBothImagesAlike() throws {
    let shape = try Shape([2, 3, 4])
    let values = (0..<24).map { Float($0) }
    let pair = ImagePair(input: values, target: values.map { $0 + 100 })
    let augmentation = try Augmentation(parsing: "flip,shift:2")
    #expect(augmentation.description == "flip,shift:2")
    var seen: Set<[Float]> = []
    for place in 0..<1000 {
      let changed = augmentation.applied(to: pair, of: shape, seed: 1, place: place)
      #expect(changed.target == changed.input.map { $0 + 100 })
      #expect(changed.input[..<12].sorted() == Array(values[..<12]))
      #expect(changed == augmentation.applied(to: pair, of: shape, seed: 1, place: place))
      seen.insert(changed.input)
    }
    // 3 row shifts (of 3 rows), 4 column shifts, 4 mirrorings.
    #expect(seen.count == 48)
    #expect(
      try Augmentation(parsing: "none").applied(to: pair, of: shape, seed: 1, place: 0) == pair)
    for text in ["", "flop", "shift:0", "shift:x", "flip,"] {
      #expect(throws: Diagnostic.self) { try Augmentation(parsing: text) }
    }
  }

  @Test func batchesComeInOrder() throws {
    let source = BatchSource(
      data: try LineData(count: 5),
      order: SampleOrder(count: 5, batch: 2, seed: 1, shuffles: false),
      augmentation: Augmentation(), share: 0..<2)
    let loader = BatchLoader(source, from: 2)
    let firsts = try (0..<3).map { _ in try loader.take().input.values.map { $0 * 8 } }
    #expect(firsts == [[4, 4, 0, 4], [1, 4, 2, 4], [3, 4, 4, 4]])
  }

  @Test func schedules() throws {
    let step = try LearningRateSchedule(parsing: "step:2:0.5")
    #expect((0..<5).map { step.factor(done: $0, total: 5, epoch: $0) } == [1, 1, 0.5, 0.5, 0.25])
    let cosine = try LearningRateSchedule(parsing: "cosine")
    #expect(cosine.factor(done: 0, total: 4, epoch: 0) == 1)
    #expect(abs(cosine.factor(done: 2, total: 4, epoch: 0) - 0.5) < 1e-12)
    for text in ["", "linear", "step", "step:0:0.5", "step:1:2", "cosine:3", "step:1:nan"] {
      #expect(throws: Diagnostic.self) { try LearningRateSchedule(parsing: text) }
    }
  }
}
