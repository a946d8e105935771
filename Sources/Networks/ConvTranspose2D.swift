import Diagnostics
import GraphIR
import Operations
import Tensors

/// A transposed convolution, with bias unless that is left out, on images [N, C, H, W], without padding:
/// `torch.nn.ConvTranspose2d`.
public struct ConvTranspose2D: Sendable {
  /// [inputs, outputs, kernel, kernel].
  public let weight: Parameter
  /// [outputs]; nil without a bias.
  public let bias: Parameter?
  private let kernel: Int
  private let stride: Int

  public init(_ inputs: Int, _ outputs: Int, kernel: Int = 2, stride: Int = 2, bias: Bool = true) {
    weight = Parameter([inputs, outputs, kernel, kernel], .glorotUniform)
    self.bias = bias ? Parameter([outputs], .constant(0)) : nil
    self.kernel = kernel
    self.stride = stride
  }

  /// An image of (H - 1) stride + kernel rows, and as many columns.
  public func callAsFunction(
    _ x: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let place = SourceLocation.place(fileID, line)
    let weight = weight.value(beside: x, fileID: fileID, line: line).id
    let bias = bias?.value(beside: x, fileID: fileID, line: line)
    return x.tracer.record(like: x, at: place) { (x, builder) throws(Diagnostic) in
      guard (1...1024).contains(stride) else {
        throw Diagnostic("a transposed convolution with stride \(stride) is not possible")
      }
      guard let weight else { return x }
      let (image, shape) = (builder.shape(of: x), builder.shape(of: weight))
      guard image.rank == 4, image[1] == shape[0] else {
        throw Diagnostic(
          "a transposed convolution of \(shape[0]) channels is applied to \(image)")
      }
      let size = image.extents[2...].map { ($0 - 1) * stride + kernel }
      return try Convolution(padding: [0, 0, 0, 0], strides: [stride, stride]).imageGradient(
        x, weight, try Shape([image[0], shape[1]] + size), bias: bias?.id, &builder)
    }
  }
}
