import Evaluation
import Foundation
import Tensors
import Testing

/// Images [frame, row, column] of values in 0..<1.
func randomImages(_ extents: [Int], seed: UInt64) throws -> ImageStack {
  var random = SplitMix64(seed: seed)
  let shape = try Shape(extents)
  let values = (0..<shape.elementCount).map { _ in random.nextUnit() }
  return try ImageStack(.float32(try Tensor(shape, values)))
}

func images(_ extents: [Int], _ values: [Double]) throws -> ImageStack {
  try ImageStack(.float64(try Tensor(try Shape(extents), values)))
}

func close(_ got: Double, _ want: Double, _ tolerance: Double = 1e-6) -> Bool {
  abs(got - want) <= tolerance * max(1, abs(want))
}
