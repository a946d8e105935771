import Diagnostics
import GraphIR
import Operations
import Tensors

/// Each token's values mixed by how well its query fits all tokens' keys (Vaswani et al. 2017, arXiv:1706.03762):
/// `torch.nn.MultiheadAttention` of one tensor with itself.
///
/// Tokens are the rows of [N, T, C], or the pixels of images [N, C, H, W]; the result has the same shape.
public struct SelfAttention: Sendable, SavedUnderOtherNames {
  public static let savedNames = [
    "inputWeight": "in_proj_weight", "inputBias": "in_proj_bias", "output": "out_proj",
  ]

  /// Queries, keys and values, one below the other: [3 C, C].
  public let inputWeight: Parameter
  public let inputBias: Parameter
  public let output: Linear
  private let channels: Int
  private let heads: Int

  /// `heads` must divide the channels.
  public init(_ channels: Int, heads: Int = 1) {
    inputWeight = Parameter([3 &* channels, channels], .glorotUniform)
    inputBias = Parameter([3 &* channels], .constant(0))
    output = Linear(channels, channels)
    self.channels = channels
    self.heads = heads
  }

  public func callAsFunction(
    _ x: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let place = SourceLocation.place(fileID, line)
    let weights = [inputWeight, inputBias, output.weight, output.bias].map {
      $0.value(beside: x, fileID: fileID, line: line)
    }
    return x.tracer.record([x] + weights, at: place) { (values, builder) throws(Diagnostic) in
      try result(values, &builder)
    }
  }

  private func result(
    _ values: [ValueID], _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let shape = builder.shape(of: values[0])
    let isImage = shape.rank == 4
    guard (3...4).contains(shape.rank), shape[isImage ? 1 : 2] == channels, heads >= 1,
      channels.isMultiple(of: heads)
    else {
      throw Diagnostic(
        "attention of \(channels) channels in \(heads) heads is applied to \(shape)",
        help:
          "give it [N, T, \(channels)] or [N, \(channels), H, W], and heads that divide the channels"
      )
    }
    var tokens = values[0]
    if isImage {
      tokens = try builder.apply(
        Reshape(try Shape([shape[0], channels, shape[2] * shape[3]])), tokens)
    }
    var parts: [ValueID] = []
    for part in 0..<3 {
      parts.append(
        try projected(tokens, isImage ? 1 : 2, part, values[1], values[2], &builder))
    }
    let mixed = try mixed(parts, &builder)
    let result = try output(mixed, values[3], values[4], &builder)
    if !isImage { return result }
    return try builder.apply(
      Reshape(shape), try builder.apply(Transpose([0, 2, 1]), result))
  }

  /// Queries (0), keys (1) or values (2): [N, T, head, channel of the head].
  private func projected(
    _ tokens: ValueID, _ dimension: Int, _ part: Int, _ weight: ValueID, _ bias: ValueID,
    _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let own = [heads, channels / heads]
    func slice(_ value: ValueID, _ rest: [Int]) throws(Diagnostic) -> ValueID {
      let zeros = rest.map { _ in 0 }
      let rows = try builder.apply(
        Slice(
          start: [part * channels] + zeros, limit: [(part + 1) * channels] + rest,
          strides: [1] + rest.map { _ in 1 }), value)
      return try builder.apply(Reshape(try Shape(own + rest)), rows)
    }
    let product = try builder.apply(
      DotGeneral(.init(contracting: [dimension]), .init(contracting: [2])), tokens,
      try slice(weight, [channels]))
    let wide = builder.shape(of: product)
    return try builder.add(
      product, try builder.broadcast(try slice(bias, []), to: wide, dimensions: [2, 3]))
  }

  /// softmax(Q K^T / sqrt(channels of a head)) V: [N, head, T, channel of the head].
  private func mixed(
    _ parts: [ValueID], _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let fits = try builder.apply(
      DotGeneral(
        .init(batching: [0, 2], contracting: [3]), .init(batching: [0, 2], contracting: [3])),
      parts[0], parts[1])
    let scaled = try builder.multiply(fits, 1 / (Double(channels) / Double(heads)).squareRoot())
    return try builder.apply(
      DotGeneral(
        .init(batching: [0, 1], contracting: [3]), .init(batching: [0, 2], contracting: [1])),
      try builder.softmax(scaled, over: [3]), parts[2])
  }

  /// All heads' channels through the last matrix: [N, T, C].
  private func output(
    _ mixed: ValueID, _ weight: ValueID, _ bias: ValueID, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let matrix = try builder.apply(
      Reshape(try Shape([channels, heads, channels / heads])), weight)
    let product = try builder.apply(
      DotGeneral(.init(contracting: [1, 3]), .init(contracting: [1, 2])), mixed, matrix)
    let wide = builder.shape(of: product)
    return try builder.add(product, try builder.broadcast(bias, to: wide, dimensions: [2]))
  }
}
