import Tensors
import Testing

/// Fails the test unless `actual` is `expected` to the rounding of its element type: NaN in the same places, the
/// same infinities, and finite elements within 64 units in the last place of the largest.
func expectClose(
  _ actual: [Tensor<Double>], _ expected: [Tensor<Double>], _ element: ElementType, _ what: String
) throws {
  #expect(actual.count == expected.count)
  let unit = element == .f64 ? 0x1p-52 : 0x1p-23
  for (actual, reference) in zip(actual, expected) {
    try #require(actual.shape == reference.shape, "\(what)")
    // The reference does not round, so what passes the largest float32 becomes an infinity here.
    let expected = element == .f64 ? reference : reference.map { Double(Float($0)) }
    let largest = expected.values.filter(\.isFinite).map(abs).max() ?? 0
    let wrong = zip(actual.values, expected.values).enumerated().first { _, pair in
      if pair.1.isNaN || pair.0.isNaN { return pair.1.isNaN != pair.0.isNaN }
      if pair.1.isInfinite { return pair.0 != pair.1 }
      return !(abs(pair.0 - pair.1) <= 64 * unit * largest)
    }
    if let wrong {
      Issue.record(
        "\(what): element \(wrong.offset) is \(wrong.element.0), the reference \(wrong.element.1)")
    }
  }
}

/// Fails the test unless both are the same bit for bit; one NaN is as good as another, and, where asked for, one zero.
func expectIdentical(
  _ actual: [Tensor<Double>], _ expected: [Tensor<Double>], anyZero: Bool = false, _ what: String
) {
  #expect(actual.count == expected.count)
  for (actual, expected) in zip(actual, expected) {
    let wrong = zip(actual.values, expected.values).enumerated().first { _, pair in
      if pair.0.isNaN && pair.1.isNaN || anyZero && pair.0 == pair.1 { return false }
      return pair.0.bitPattern != pair.1.bitPattern
    }
    if let wrong {
      Issue.record(
        "\(what): element \(wrong.offset) is \(wrong.element.0), not \(wrong.element.1)")
    }
  }
}
