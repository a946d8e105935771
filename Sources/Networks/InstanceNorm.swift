import Diagnostics
import GraphIR
import Operations

/// Each channel of each image [N, C, H, W] less its mean, divided by its standard deviation:
/// `torch.nn.InstanceNorm2d` without weights.
public struct InstanceNorm: Sendable {
  private let epsilon: Double

  public init(epsilon: Double = 1e-5) { self.epsilon = epsilon }

  public func callAsFunction(
    _ x: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    x.tracer.record(like: x, at: .place(fileID, line)) { (x, builder) throws(Diagnostic) in
      let shape = builder.shape(of: x)
      guard shape.rank == 4 else {
        throw Diagnostic("instance normalization is applied to \(shape), which is no image")
      }
      let share = 1 / Double(shape[2] * shape[3])
      let mean = try builder.multiply(try builder.sum(x, over: [2, 3]), share)
      let centred = try builder.subtract(
        x, try builder.broadcast(mean, to: shape, dimensions: [0, 1]))
      let squares = try builder.sum(try builder.multiply(centred, centred), over: [2, 3])
      let variance = try builder.add(try builder.multiply(squares, share), epsilon)
      let factor = try builder.apply(Rsqrt(), variance)
      return try builder.multiply(
        centred, try builder.broadcast(factor, to: shape, dimensions: [0, 1]))
    }
  }
}
