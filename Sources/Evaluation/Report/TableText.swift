import Foundation

/// Numbers as tables show them.
public enum TableText {
  public static func number(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  /// Three digits; a smaller probability as a bound.
  public static func probability(_ value: Double) -> String {
    value < 0.001 ? "<0.001" : number(value, 3)
  }
}
