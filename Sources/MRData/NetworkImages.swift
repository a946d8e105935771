/// The images that a network takes and gives.
public enum NetworkImages: String, Sendable, Hashable, CaseIterable {
  /// A magnitude, to one.
  case magnitude
  /// Real and imaginary part of one complex image, to the same.
  case complex
  /// Real and imaginary part of each coil's image, coil after coil, to their root sum of squares.
  case coils

  public func inputChannels(coils: Int) -> Int {
    switch self {
    case .magnitude: return 1
    case .complex: return 2
    case .coils: return 2 * coils
    }
  }

  public var outputChannels: Int { self == .complex ? 2 : 1 }
}
