import Diagnostics
import GraphIR
import Operations
import Tensors

/// Folds batch normalization with stored statistics into the convolution before it.
///
/// ```
/// %1 = convolution %x, %w, %b
/// %2 = batch_norm_inference %1, %scale, %offset, %mean, %variance {epsilon = e}
/// ```
/// becomes, with s = scale / sqrt(variance + e) computed in f64 and rounded to f32 once,
/// ```
/// %2 = convolution %x, f32(%w s), f32((%b - %mean) s + %offset)
/// ```
/// The products depend on weights alone, so they are computed when the model is compiled.
public struct FoldBatchNorm: GraphPass {
  public static let name = "fold-batch-norm"
  public static let summary =
    "Folds batch normalization with stored statistics into the convolution before it."

  public init() {}

  public func run(_ context: inout GraphPassContext) throws(Diagnostic) {
    let uses = context.function.uses()
    // Where the convolution of an old value stands in the new function; folded ones too, so that chains fold at once.
    var convolutions: [ValueID: Int] = [:]
    try context.rewrite { (node, _, rewriter) throws(Diagnostic) in
      if node.operation is Convolution {
        convolutions[node.results[0]] = rewriter.new.nodes.count
        return nil
      }
      guard let norm = node.operation as? BatchNormInference,
        let place = convolutions[node.operands[0]], uses[node.operands[0]]?.count == 1
      else { return nil }
      let convolution = rewriter.new.nodes[place]
      var folding = Folding(norm: norm, node: node, convolution: convolution, rewriter: rewriter)
      let (kernel, bias) = try folding.weights()
      rewriter = folding.rewriter
      convolutions[node.results[0]] = rewriter.new.nodes.count
      return [
        try rewriter.append(
          convolution.operation, [convolution.operands[0], kernel, bias],
          name: rewriter.old.name(of: node.results[0]), like: node)
      ]
    }
  }
}

/// The new kernel and bias of one convolution.
private struct Folding {
  var norm: BatchNormInference
  var node: Node
  /// A node of the new function.
  var convolution: Node
  var rewriter: GraphRewriter

  mutating func weights() throws(Diagnostic) -> (kernel: ValueID, bias: ValueID) {
    let kernelType = rewriter.new.type(of: convolution.operands[1])
    let element = kernelType.element
    let channels = try Shape([kernelType.shape[0]])
    let wide = TensorType(channels, .f64)
    let variance = try append(
      Add(), [try widened(old: node.operands[4]), try append(Constant(norm.epsilon, wide), [])])
    let scale = try append(
      Multiply(), [try widened(old: node.operands[1]), try append(Rsqrt(), [variance])])
    let spread = try append(BroadcastInDim(kernelType.shape, dimensions: [0]), [scale])
    let kernel = try append(Multiply(), [try widened(convolution.operands[1]), spread])
    let mean = try widened(old: node.operands[3])
    let centred: ValueID
    if convolution.operands.count == 3 {
      centred = try append(Subtract(), [try widened(convolution.operands[2]), mean])
    } else {
      centred = try append(Negate(), [mean])
    }
    let scaled = try append(Multiply(), [centred, scale])
    let bias = try append(Add(), [scaled, try widened(old: node.operands[2])])
    return (try append(Convert(to: element), [kernel]), try append(Convert(to: element), [bias]))
  }

  private mutating func append(
    _ operation: any TensorOperation, _ operands: [ValueID]
  ) throws(Diagnostic) -> ValueID {
    try rewriter.append(operation, operands, like: node)
  }

  private mutating func widened(old value: ValueID) throws(Diagnostic) -> ValueID {
    try widened(rewriter[value])
  }

  /// A value of the new function in f64.
  private mutating func widened(_ value: ValueID) throws(Diagnostic) -> ValueID {
    guard rewriter.new.type(of: value).element != .f64 else { return value }
    return try append(Convert(to: .f64), [value])
  }
}
