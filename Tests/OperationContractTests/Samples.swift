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
    var random = SeededNumbers(seed: UInt64(number) &* 7919 &+ UInt64(operation.mnemonic.count))
    return sample.operands.map { type in
      var tensor = Tensor<Double>(type.shape, repeating: 0)
      for position in tensor.values.indices { tensor.values[position] = random.next(sample.domain) }
      return tensor
    }
  }

  /// Weights for an operation that asks for them.
  var parameters: [String: Tensor<Double>] {
    guard let parameter = sample.operation as? ParameterOperation else { return [:] }
    var random = SeededNumbers(seed: 3)
    var tensor = Tensor<Double>(parameter.type.shape, repeating: 0)
    for position in tensor.values.indices { tensor.values[position] = random.next(-2...2) }
    return [parameter.name: tensor]
  }
}

/// SplitMix64 (Steele, Lea and Flood 2014), rounded to float32 so that every engine gets the same numbers.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func next(_ range: ClosedRange<Double>) -> Double {
    Double(Float(Double.random(in: range, using: &self)))
  }
}
