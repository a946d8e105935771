/// Minimum, quartiles and maximum of a sample; not a number where a value is none.
public struct Quartiles: Sendable, Equatable, Codable {
  public let minimum: Double
  public let lower: Double
  public let median: Double
  public let upper: Double
  public let maximum: Double

  /// From the minimum to the maximum.
  public var all: [Double] { [minimum, lower, median, upper, maximum] }

  enum CodingKeys: String, CodingKey {
    case median
    case minimum = "min"
    case lower = "q1"
    case upper = "q3"
    case maximum = "max"
  }

  /// Linear between order statistics, as NumPy and R's type 7; SPSS, which the paper used, takes (n+1)p (type 6).
  public init(_ values: [Double]) {
    let sorted = values.contains { $0.isNaN } ? [] : values.sorted()
    func at(_ part: Double) -> Double {
      guard !sorted.isEmpty else { return .nan }
      let place = part * Double(sorted.count - 1)
      let (low, high) = (sorted[Int(place)], sorted[min(Int(place) + 1, sorted.count - 1)])
      let weight = place - place.rounded(.down)
      // Infinite neighbours must not become infinity minus infinity.
      return weight == 0 || low == high ? low : low + weight * (high - low)
    }
    (minimum, lower, median) = (at(0), at(0.25), at(0.5))
    (upper, maximum) = (at(0.75), at(1))
  }
}
