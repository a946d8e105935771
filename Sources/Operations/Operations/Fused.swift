import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// A group of operations that becomes one kernel; its region says which.
public struct Fused: TensorOperation, RegionOperation {
  public static let mnemonic = "fused"
  public static let summary =
    "Computes its region in one kernel: pointwise operations and at most one reduction (a convolution, a pooling), whose result reaches the region's only result through elementwise operations. What the reduction reads may be concatenated."

  public init() {}
  public init(_ reader: inout AttributeReader) throws(Diagnostic) {}
  public var attributes: [Attribute] { [] }

  /// The region decides; see `Function.append`.
  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    throw Diagnostic("[G8] fused needs a region", help: "add { ^(...): ... return ... }")
  }

  /// The region decides; see `Reference.evaluate`.
  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    []
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation { .source }

  public func verifyRegion(_ body: Function) throws(Diagnostic) {
    guard body.results.count == 1, let result = body.results.first,
      !body.arguments.contains(result)
    else {
      throw Diagnostic("[G10] a fused region computes exactly one result")
    }
    var afterReduction: Set<ValueID> = []
    var concatenation: Node?
    for node in body.nodes {
      guard let operation = node.operation as? any TensorOperation, node.results.count == 1 else {
        throw Diagnostic("[G10] \(node.operation.mnemonic) cannot be fused", at: node.location)
      }
      let reduced = node.operands.contains { afterReduction.contains($0) }
      let type = body.type(of: node.results[0])
      switch operation.computation(operands: body.types(of: node.operands), result: type) {
      case .pointwise:
        if !reduced { continue }
        guard operation.isElementwise else {
          throw Diagnostic(
            "[G10] \(operation.mnemonic) after the reduction of a fused region is not elementwise",
            at: node.location)
        }
      case .reduction:
        guard afterReduction.isEmpty else {
          throw Diagnostic("[G10] a fused region holds one reduction at most", at: node.location)
        }
      case .concatenation:
        guard afterReduction.isEmpty else {
          throw Diagnostic(
            "[G10] a fused region concatenates before its reduction only", at: node.location)
        }
        concatenation = concatenation ?? node
        continue
      case .source:
        throw Diagnostic("[G10] \(operation.mnemonic) cannot be fused", at: node.location)
      }
      afterReduction.insert(node.results[0])
    }
    if let concatenation, afterReduction.isEmpty {
      throw Diagnostic(
        "[G10] a fused region without a reduction cannot concatenate", at: concatenation.location)
    }
    guard afterReduction.isEmpty || afterReduction.contains(result) else {
      throw Diagnostic("[G10] the reduction of a fused region does not reach its result")
    }
  }

  /// The gradient of the region, which is computed again outside of it.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    guard let region = call.regions.first else { return call.operands.map { _ in nil } }
    let first = builder.function.nodes.count
    var mapping = Dictionary(uniqueKeysWithValues: zip(region.arguments, call.operands))
    for node in region.nodes {
      let results = try builder.results(node.operation, node.operands.compactMap { mapping[$0] })
      for (old, new) in zip(node.results, results) { mapping[old] = new }
    }
    let seeds = region.results.compactMap { mapping[$0] }.map {
      (value: $0, cotangent: call.cotangent)
    }
    return try ReverseMode.cotangents(
      of: call.operands, through: Array(builder.function.nodes[first...]), seeds: seeds, &builder)
  }

  public static var samples: [OperationSample] {
    var body = Function("")
    let x = body.addArgument(.sample([1, 3, 5, 6]), name: "x")
    let w = body.addArgument(.sample([8, 3, 3, 3]), name: "w")
    let r = body.addArgument(.sample([1, 8, 5, 6]), name: "r")
    guard let sum = try? body.append(Convolution(padding: [1, 1, 1, 1]), [x, w]),
      let positive = try? body.append(ReLU(), sum),
      let result = try? body.append(Add(), [r] + positive)
    else { return [] }
    body.results = result
    var other = Function("")
    let a = other.addArgument(.sample([4, 6]), name: "a")
    guard let half = try? other.append(Constant(0.5, .sample([4, 6])), []),
      let scaled = try? other.append(Multiply(), [a] + half),
      let last = try? other.append(ReLU(), scaled)
    else { return [] }
    other.results = last
    var joined = Function("")
    let low = joined.addArgument(.sample([1, 3, 2, 3]), name: "low")
    let skip = joined.addArgument(.sample([1, 2, 4, 6]), name: "skip")
    let v = joined.addArgument(.sample([2, 5, 3, 3]), name: "v")
    guard let up = try? joined.append(UpsampleNearest(scale: [2, 2]), [low]),
      let both = try? joined.append(Concatenate(dimension: 1), up + [skip]),
      let taps = try? joined.append(Convolution(padding: [1, 1, 1, 1]), both + [v])
    else { return [] }
    joined.results = taps
    return [
      OperationSample(
        Fused(), body.types(of: body.arguments), region: body,
        refused: [[.sample([1, 3, 5, 6])], []]),
      OperationSample(Fused(), [.sample([4, 6])], region: other),
      OperationSample(Fused(), joined.types(of: joined.arguments), region: joined),
    ]
  }
}

extension TensorOperation {
  /// Whether each element of the result depends on the operands' elements at the same index alone.
  public var isElementwise: Bool {
    self is any ElementwiseUnary || self is any ElementwiseBinary || self is Convert
      || self is Compare || self is Select
  }

  /// Whether each element of the result is one of the operand's, at a place that sums and products of the index tell: a
  /// transposition, a repetition, a part.
  public func movesElements(_ operands: [TensorType], to result: TensorType) -> Bool {
    let index = (0..<result.shape.rank).map { Expression.variable("i\($0)") }
    guard case .pointwise(let element) = computation(operands: operands, result: result),
      case .load(_, let place) = element(index, { .load("\($0)", $1) })
    else { return false }
    return place.flatMap(\.subexpressions).allSatisfy {
      switch $0 {
      case .binary(.divide, _, _), .binary(.remainder, _, _): return false
      default: return true
      }
    }
  }
}
