import Diagnostics
import GraphIR
import Operations
import Tensors
import Testing

/// One sample of one registered operation, with a name for the test's log.
struct Case: Sendable, CustomTestStringConvertible {
  var operation: any TensorOperation.Type
  var number: Int
  var sample: OperationSample

  var testDescription: String { "\(operation.mnemonic) \(number)" }

  /// Every sample of every operation there is.
  static let all: [Case] = OperationRegistry.all.flatMap { type in
    type.samples.enumerated().map { Case(operation: type, number: $0.offset, sample: $0.element) }
  }

  /// The operation alone: `func @name(operands) -> results`.
  func function() throws -> Function {
    var function = Function("\(operation.mnemonic)_\(number)")
    let operands = sample.operands.enumerated().map {
      function.addArgument($0.element, name: "x\($0.offset)")
    }
    function.results = try function.append(
      sample.operation, operands, regions: sample.region.map { [$0] } ?? [], names: ["y"],
      at: SourceLocation(file: "Samples.swift", line: 1 + number))
    return function
  }

  /// The operation between conversions from and to float32, the only type that native code takes from outside.
  func floatFunction() throws -> Function {
    var function = Function("\(operation.mnemonic)_\(number)")
    let operands = try sample.operands.map { type in
      let argument = function.addArgument(TensorType(type.shape, .f32))
      return type.element == .f32
        ? argument : try function.append(Convert(to: type.element), [argument])[0]
    }
    let results = try function.append(
      sample.operation, operands, regions: sample.region.map { [$0] } ?? [])
    function.results = try results.map { result in
      function.type(of: result).element == .f32
        ? result : try function.append(Convert(to: .f32), [result])[0]
    }
    return function
  }

  /// Values of the operands: the same for every run.
  var inputs: [Tensor<Double>] {
    var random = SplitMix64(seed: UInt64(number) &* 7919 &+ UInt64(operation.mnemonic.count))
    return sample.operands.map { type in
      var tensor = Tensor<Double>(type.shape, repeating: 0)
      for position in tensor.values.indices { tensor.values[position] = random.next(sample.domain) }
      return tensor
    }
  }

  /// The coarsest type that the sample computes in.
  var precision: ElementType {
    let types = sample.operands.map(\.element) + ((try? results) ?? []).map(\.element)
    return types.allSatisfy { $0 == .f64 } ? .f64 : .f32
  }

  private var results: [TensorType] {
    get throws {
      let function = try self.function()
      return function.types(of: function.results)
    }
  }

  /// The inputs with a NaN in the middle of each operand in turn.
  var inputsWithNaN: [[Tensor<Double>]] {
    inputs.indices.map { operand in
      var changed = inputs
      changed[operand].values[changed[operand].values.count / 2] = .nan
      return changed
    }
  }

  /// Elementwise operations on 64 elements, enough for every pair of odd values.
  static let elementwise: [Case] = all.filter { $0.sample.operation.isElementwise }.map { item in
    var item = item
    guard let shape = try? Shape([64]) else { return item }
    item.sample.operands = item.sample.operands.map { TensorType(shape, $0.element) }
    return item
  }

  /// Every pair of zeros, infinities, NaN, tiny and plain numbers.
  var oddInputs: [Tensor<Double>] {
    let odd: [Double] = [0, -0.0, .infinity, -.infinity, .nan, 0x1p-149, -1.5, 0x1.fffffep127]
    return sample.operands.enumerated().map { operand, type in
      var tensor = Tensor<Double>(type.shape, repeating: 0)
      for position in tensor.values.indices {
        tensor.values[position] = odd[(operand == 0 ? position : position / 8) % 8]
      }
      return tensor
    }
  }

  /// Weights for an operation that asks for them.
  var parameters: [String: Tensor<Double>] {
    guard let parameter = sample.operation as? ParameterOperation else { return [:] }
    var random = SplitMix64(seed: 3)
    var tensor = Tensor<Double>(parameter.type.shape, repeating: 0)
    for position in tensor.values.indices { tensor.values[position] = random.next(-2...2) }
    return [parameter.name: tensor]
  }
}

extension SplitMix64 {
  /// Rounded to float32, so that every engine gets the same numbers.
  mutating func next(_ range: ClosedRange<Double>) -> Double {
    Double(Float(Double.random(in: range, using: &self)))
  }
}
