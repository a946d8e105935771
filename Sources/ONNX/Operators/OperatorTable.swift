import Diagnostics

/// Makes a node's results of its inputs.
typealias Operator = @Sendable (NodeCall) throws(Diagnostic) -> [ImportedValue]

/// The operators of the ONNX standard that networks here may have, by name; a new one adds its line.
enum OperatorTable {
  static let operators: [String: Operator] = [
    "Abs": Elementwise.abs,
    "Add": Arithmetic.add,
    "And": Comparisons.and,
    "Atan": Elementwise.arcTangent,
    "AveragePool": Pooling.average,
    "BatchNormalization": Normalization.batch,
    "Cast": Constants.cast,
    "Ceil": Arithmetic.ceil,
    "Celu": Activations.celu,
    "Clip": Elementwise.clip,
    "Concat": Layout.concat,
    "Constant": Constants.constant,
    "ConstantOfShape": Constants.constantOfShape,
    "Conv": Convolutions.convolution,
    "ConvTranspose": Convolutions.transposed,
    "Cos": Elementwise.cosine,
    "DFT": FourierTransform.transform,
    "DepthToSpace": Blocks.depthToSpace,
    "Div": Arithmetic.divide,
    "Dropout": Constants.dropout,
    "Einsum": Einsum.sum,
    "Elu": Activations.elu,
    "Equal": Comparisons.equal,
    "Erf": Elementwise.errorFunction,
    "Exp": Elementwise.exponential,
    "Expand": Layout.expand,
    "Flatten": Layout.flatten,
    "Floor": Arithmetic.floor,
    "Gather": Layout.gather,
    "Gelu": Activations.gelu,
    "Gemm": Matrices.general,
    "GlobalAveragePool": Pooling.globalAverage,
    "GlobalMaxPool": Pooling.globalMax,
    "Greater": Comparisons.greater,
    "GreaterOrEqual": Comparisons.greaterOrEqual,
    "GroupNormalization": Normalization.group,
    "HardSigmoid": Activations.hardSigmoid,
    "HardSwish": Activations.hardSwish,
    "Identity": Constants.identity,
    "InstanceNormalization": Normalization.instance,
    "IsNaN": Comparisons.isNaN,
    "LayerNormalization": Normalization.layer,
    "LeakyRelu": Elementwise.leakyReLU,
    "Less": Comparisons.less,
    "LessOrEqual": Comparisons.lessOrEqual,
    "Log": Elementwise.logarithm,
    "LogSoftmax": Softmax.logarithm,
    "MatMul": Matrices.product,
    "Max": Arithmetic.maximum,
    "MaxPool": Pooling.max,
    "Mean": Arithmetic.mean,
    "Min": Arithmetic.minimum,
    "Mish": Activations.mish,
    "Mod": Arithmetic.remainder,
    "Mul": Arithmetic.multiply,
    "Neg": Arithmetic.negate,
    "Not": Comparisons.not,
    "Or": Comparisons.or,
    "PRelu": Elementwise.parametricReLU,
    "Pad": Padding.pad,
    "Pow": Elementwise.power,
    "Range": Constants.range,
    "Reciprocal": Elementwise.reciprocal,
    "ReduceL1": Reductions.absoluteSum,
    "ReduceL2": Reductions.norm,
    "ReduceLogSum": Reductions.logarithmOfSum,
    "ReduceLogSumExp": Reductions.logarithmOfExponentials,
    "ReduceMax": Reductions.maximum,
    "ReduceMean": Reductions.mean,
    "ReduceMin": Reductions.minimum,
    "ReduceProd": Reductions.product,
    "ReduceSum": Reductions.sum,
    "ReduceSumSquare": Reductions.squareSum,
    "Relu": Elementwise.relu,
    "Reshape": Layout.reshape,
    "Resize": Resizing.resize,
    "Round": Arithmetic.round,
    "Selu": Activations.selu,
    "Shape": Constants.shape,
    "Shrink": Activations.shrink,
    "Sigmoid": Activations.sigmoid,
    "Sign": Elementwise.sign,
    "Sin": Elementwise.sine,
    "Size": Constants.size,
    "Slice": Slicing.slice,
    "Softmax": Softmax.softmax,
    "Softplus": Activations.softplus,
    "Softsign": Activations.softsign,
    "SpaceToDepth": Blocks.spaceToDepth,
    "Split": Slicing.split,
    "Sqrt": Elementwise.squareRoot,
    "Squeeze": Layout.squeeze,
    "Sub": Arithmetic.subtract,
    "Sum": Arithmetic.sum,
    "Tanh": Activations.tanh,
    "ThresholdedRelu": Activations.thresholdedReLU,
    "Tile": Layout.tile,
    "Transpose": Layout.transpose,
    "Unsqueeze": Layout.unsqueeze,
    "Upsample": Resizing.upsample,
    "Where": Comparisons.choose,
  ]

  /// Throws one diagnostic that names all operators of the network that are not in the table.
  static func check(_ graph: Onnx_GraphProto) throws(Diagnostic) {
    var missing: [String: [Int]] = [:]
    for (index, node) in graph.node.enumerated() {
      let isStandard = ONNXModel.isStandard(domain: node.domain)
      if isStandard, operators[node.opType] != nil { continue }
      missing[isStandard ? node.opType : "\(node.domain).\(node.opType)", default: []]
        .append(index)
    }
    guard !missing.isEmpty else { return }
    let names = missing.keys.sorted()
    throw Diagnostic(
      "the network uses operators that are not supported: \(names.joined(separator: ", "))",
      help: "write it with others (\(operators.keys.sorted().joined(separator: ", "))), or leave "
        + "that part out of the export",
      notes: names.prefix(12).map { note($0, missing[$0] ?? [], graph) })
  }

  private static func note(_ name: String, _ nodes: [Int], _ graph: Onnx_GraphProto) -> String {
    let first = nodes[0]
    let title = graph.node[first].name.isEmpty ? "" : " '\(graph.node[first].name)'"
    let more = nodes.count > 1 ? " and \(nodes.count - 1) more" : ""
    return "\(name): node \(first + 1)\(title)\(more)"
  }
}
