import Diagnostics

/// Both tests of normality, as SPSS prints them (Tables 2 and 3 of Ghodrati 2019).
public struct Normality: Sendable, Equatable, Codable {
  public let shapiroWilk: ShapiroWilk
  public let lilliefors: Lilliefors

  enum CodingKeys: String, CodingKey {
    case lilliefors
    case shapiroWilk = "shapiro_wilk"
  }

  /// Throws where there are not 4 to 5000 values, or all are equal.
  public init(_ values: [Double]) throws(Diagnostic) {
    lilliefors = try Lilliefors(values)
    shapiroWilk = try ShapiroWilk(values)
  }
}

/// Those of the tests of normality that a sample allows; a missing one is nil, and left out of JSON.
struct NormalityTests: Sendable, Encodable {
  let shapiroWilk: ShapiroWilk?
  let lilliefors: Lilliefors?

  private enum CodingKeys: String, CodingKey {
    case lilliefors
    case shapiroWilk = "shapiro_wilk"
  }

  /// None is possible where a value is not finite.
  init(_ values: [Double]) {
    let isFinite = values.allSatisfy(\.isFinite)
    shapiroWilk = isFinite ? try? ShapiroWilk(values) : nil
    lilliefors = isFinite ? try? Lilliefors(values) : nil
  }
}
