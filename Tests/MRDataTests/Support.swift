import ComplexModule
import Diagnostics
import Foundation
import RealModule
import Tensors
import Testing

/// The greatest difference over the greatest reference.
func maximumError(_ values: [Float], _ reference: [Float]) -> Float {
  guard values.count == reference.count else { return .infinity }
  let error = zip(values, reference).reduce(0) { max($0, abs($1.0 - $1.1)) }
  return error / reference.reduce(0) { max($0, abs($1)) }
}

/// Repeatable numbers in -1..<1.
func ramp(_ count: Int) -> [Double] {
  (0..<count).map { (index: Int) -> Double in
    let step = (index * 7919 + 13) % 1009
    return Double(step) / 504.5 - 1
  }
}

func complexRamp(_ extents: [Int]) throws -> Tensor<Complex<Double>> {
  let shape = try Shape(extents)
  let parts = ramp(2 * shape.elementCount)
  return try Tensor(
    shape, (0..<shape.elementCount).map { Complex(parts[2 * $0], parts[2 * $0 + 1]) })
}
