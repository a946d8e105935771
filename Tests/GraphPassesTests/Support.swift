import Diagnostics
import GraphIR
import GraphPasses
import Operations
import Tensors

extension SplitMix64 {
  mutating func tensor(_ shape: Shape, in range: ClosedRange<Double>) -> Tensor<Double> {
    var tensor = Tensor<Double>(shape, repeating: 0)
    for position in tensor.values.indices {
      tensor.values[position] = Double.random(in: range, using: &self)
    }
    return tensor
  }
}

/// The body of `func @f(arguments) -> results`.
func function(_ signature: String, _ body: String) throws -> Function {
  let text = "rephase_ir 1\nfunc @f\(signature) {\n\(body)\n}\n"
  return try GraphParser.parse(text, file: "test.rir", table: OperationRegistry.table).functions[0]
}

func text(_ function: Function) -> String { GraphPrinter.text(Module([function])) }

/// The function's outputs for inputs and weights that the seed determines; variances are positive.
func outputs(of function: Function, seed: UInt64) throws -> [Tensor<Double>] {
  var numbers = SplitMix64(seed: seed)
  let inputs = function.types(of: function.arguments).map { numbers.tensor($0.shape, in: -2...2) }
  return try Reference.evaluate(
    function, inputs: inputs, parameters: parameters(of: function, seed: seed))
}

/// Each parameter's values depend on its name and the seed alone, so that dead ones may go.
private func parameters(of function: Function, seed: UInt64) -> [String: Tensor<Double>] {
  var values: [String: Tensor<Double>] = [:]
  for node in function.nodes {
    guard let parameter = node.operation as? ParameterOperation else { continue }
    let hash = parameter.name.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x0100_0000_01B3 }
    var numbers = SplitMix64(seed: hash)
    let range = parameter.name.hasPrefix("variance") ? 0.5...2.0 : -1.0...1.0
    values[parameter.name] = numbers.tensor(parameter.type.shape, in: range)
  }
  return values
}

/// The largest difference between two lists of tensors over the largest value; infinite where one is no number.
func difference(_ a: [Tensor<Double>], _ b: [Tensor<Double>]) -> Double {
  guard a.map(\.shape) == b.map(\.shape) else { return .infinity }
  var worst = 0.0
  for (x, y) in zip(a, b) {
    let scale = max(y.values.map(abs).max() ?? 0, 1e-300)
    let errors = zip(x.values, y.values).map { abs($0 - $1) }
    guard errors.allSatisfy(\.isFinite) else { return .infinity }
    let error = errors.max() ?? 0
    worst = max(worst, error / scale)
  }
  return worst
}
