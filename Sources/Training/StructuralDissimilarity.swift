import Diagnostics
import GraphIR
import Operations
import Tensors

/// The mean of (1 - SSIM) / 2 over square patches inside the image, each channel on its own.
///
/// Wang 2004's SSIM with k1 = 0.01, k2 = 0.03, L = 1 and population variances, as `DSSIMObjective` of keras-contrib
/// (keras-contrib/losses/dssim.py) has it.
struct StructuralDissimilarity {
  var patch: Int
  var stride: Int
  private static let c1 = 0.01 * 0.01
  private static let c2 = 0.03 * 0.03

  func append(
    _ prediction: ValueID, _ target: ValueID, _ b: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let shape = b.shape(of: prediction)
    guard patch >= 1, stride >= 1, shape[2] >= patch, shape[3] >= patch else {
      throw Diagnostic(
        "dssim with patches of \(patch)x\(patch) every \(stride) pixels does not fit images of \(shape[2])x\(shape[3])",
        help: "use larger images or smaller patches")
    }
    let (x, y) = (prediction, target)
    let (meanX, meanY) = (try mean(x, &b), try mean(y, &b))
    let squareX = try b.multiply(meanX, meanX)
    let squareY = try b.multiply(meanY, meanY)
    let product = try b.multiply(meanX, meanY)
    let varianceX = try b.subtract(try mean(try b.multiply(x, x), &b), squareX)
    let varianceY = try b.subtract(try mean(try b.multiply(y, y), &b), squareY)
    let covariance = try b.subtract(try mean(try b.multiply(x, y), &b), product)
    let luminance = try b.add(try b.multiply(product, 2), Self.c1)
    let structure = try b.add(try b.multiply(covariance, 2), Self.c2)
    let luminances = try b.add(try b.add(squareX, squareY), Self.c1)
    let variances = try b.add(try b.add(varianceX, varianceY), Self.c2)
    let similarity = try b.divide(
      try b.multiply(luminance, structure), try b.multiply(luminances, variances))
    return try b.add(try b.multiply(try b.mean(similarity), -0.5), 0.5)
  }

  /// The mean of each patch.
  private func mean(_ value: ValueID, _ b: inout GraphBuilder) throws(Diagnostic) -> ValueID {
    let window = ReduceWindow(.add, window: [patch, patch], strides: [stride, stride])
    return try b.multiply(try b.apply(window, value), 1 / Double(patch * patch))
  }
}
