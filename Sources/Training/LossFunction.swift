import Diagnostics
import GraphIR
import Operations
import Tensors

/// What training makes small: a weighted sum of the losses of Ghodrati 2019, as a graph.
///
/// All terms are means over images and pixels, so that they do not depend on the batch. PAPER.md has equations 3 to 7.
public struct LossFunction: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// The mean squared difference (equation 3).
    case l2
    /// The mean absolute difference (equation 4).
    case l1
    /// Structural dissimilarity (1 - SSIM) / 2, the mean over patches (equation 5).
    case dssim
    /// Squared differences of the VGG-16 features b1c1, b2c1, b3c1 (equations 6 and 7).
    case perceptual
  }

  public struct Term: Hashable, Sendable {
    public var weight: Double
    public var kind: Kind
  }

  public var terms: [Term]
  /// Rows and columns of a patch of `dssim`, and the distance between patches: 3 means that they do not overlap.
  public var dssimPatch = 3
  public var dssimStride = 3
  /// The weights of the three features of `perceptual`.
  public var perceptualWeights = [0.5, 0.25, 0.25]
  public var preprocessing: Preprocessing = .raw01

  /// A sum such as `perceptual+0.1*l1`; throws, with the choices, where the text is none.
  public init(parsing text: String) throws(Diagnostic) {
    terms = []
    for part in text.split(separator: "+", omittingEmptySubsequences: false) {
      terms.append(try Self.term(String(part).filter { $0 != " " }, of: text))
    }
  }

  private static func term(_ part: String, of text: String) throws(Diagnostic) -> Term {
    let factors = part.split(separator: "*", omittingEmptySubsequences: false)
    let weight = factors.count == 2 ? Double(factors[0]) : 1
    guard let kind = Kind(rawValue: String(factors.last ?? "")), factors.count <= 2, let weight,
      weight > 0, weight.isFinite
    else {
      throw Diagnostic(
        "'\(part)' in the loss '\(text)' is no loss",
        help: "give \(Kind.allCases.map(\.rawValue).joined(separator: ", ")), or a sum such as "
          + "'perceptual+0.1*l1'")
    }
    return Term(weight: weight, kind: kind)
  }

  /// Whether VGG-16's weights are needed.
  public var needsVGG: Bool { terms.contains { $0.kind == .perceptual } }

  /// As `init(parsing:)` reads it.
  public var text: String {
    terms.map { $0.weight == 1 ? $0.kind.rawValue : "\($0.weight)*\($0.kind.rawValue)" }
      .joined(separator: "+")
  }

  /// Appends the loss, a scalar, of images [N, C, H, W] against targets of the same type.
  ///
  /// Throws where a term cannot take images of this size or so many channels.
  public func append(
    _ prediction: ValueID, _ target: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    var total: ValueID?
    for term in terms {
      let loss = try append(term.kind, prediction, target, &builder)
      let weighted = term.weight == 1 ? loss : try builder.multiply(loss, term.weight)
      if let sum = total { total = try builder.add(sum, weighted) } else { total = weighted }
    }
    guard let total else { throw Diagnostic("a loss needs a term") }
    return total
  }

  private func append(
    _ kind: Kind, _ prediction: ValueID, _ target: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    switch kind {
    case .l2: return try Self.meanSquare(prediction, target, &builder)
    case .l1:
      let difference = try builder.subtract(prediction, target)
      return try builder.mean(try builder.apply(Abs(), difference))
    case .dssim:
      return try StructuralDissimilarity(patch: dssimPatch, stride: dssimStride)
        .append(prediction, target, &builder)
    case .perceptual:
      return try PerceptualLoss(weights: perceptualWeights, preprocessing: preprocessing)
        .append(prediction, target, &builder)
    }
  }

  /// The mean squared difference of two tensors of one type.
  static func meanSquare(
    _ a: ValueID, _ b: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let difference = try builder.subtract(a, b)
    return try builder.mean(try builder.multiply(difference, difference))
  }
}
