import LoopIR
import Tensors
import Testing

@testable import CodeGen

/// Roundings to the types of tensor cores on CPUs, which have no instructions for them.
@Suite struct RoundingTests {
  /// Ties, the largest numbers, subnormal ones, infinities and NaNs whose low bits alone tell them from infinity.
  private static let patterns: [UInt32] = [
    0, 0x8000_0000, 0x3F80_0000, 0x3F80_8000, 0x3F81_8000, 0x3F80_7FFF, 0x3F80_8001, 0xBF80_1000,
    0x3F80_0FFF, 0x3F80_3000, 0x7F7F_FFFF, 0xFF7F_F000, 0x0000_0001, 0x807F_FFFF, 0x0000_8000,
    0x7F80_0000, 0xFF80_0000, 0x7F80_0001, 0xFFC0_0000, 0x7FFF_FFFF,
  ]

  private func rounding(_ value: Expression, lanes: Int) -> LoopModule {
    let count = Self.patterns.count
    return oneKernel(
      inputs: [[count]], output: [count],
      body: [
        loop(
          "i", count / lanes,
          [
            .allocate(Buffer("s", .bf16, extents: [lanes], space: .register)),
            loop(
              "l", lanes, .vectorized,
              [
                .store("s", [variable("l")], .cast(.bf16, value)),
                .store(
                  "y", [variable("i") * .integer(lanes) + variable("l")],
                  .cast(.f32, .load("s", [variable("l")]))),
              ]),
          ])
      ])
  }

  private var element: Expression {
    .load("x0", [variable("i") * .integer(4) + variable("l")])
  }

  private func check(
    _ module: LoopModule, _ patterns: [UInt32] = Self.patterns, _ reference: (Float) -> Float
  ) throws {
    let values = patterns.map { Float(bitPattern: $0) }
    let native = try run(module, [values])
    let interpreted = try LoopInterpreter.run(
      module, parameters: [:],
      inputs: [try Tensor(try Shape([values.count]), values.map(Double.init))])[0]
    for (index, value) in values.enumerated() {
      let wanted = reference(value)
      for result in [native[index], Float(interpreted.values[index])] {
        #expect(
          wanted.isNaN ? result.isNaN : result.bitPattern == wanted.bitPattern,
          "\(value) becomes \(result)")
      }
    }
  }

  /// To the upper 16 bits, ties to even.
  @Test func toBrain() throws {
    try check(rounding(element, lanes: 4)) { value in
      if !value.isFinite { return value }
      let (lower, rest) = (value.bitPattern & 0xFFFF_0000, value.bitPattern & 0xFFFF)
      let isUp = rest > 0x8000 || (rest == 0x8000 && lower & 0x1_0000 != 0)
      return Float(bitPattern: isUp ? lower + 0x1_0000 : lower)
    }
  }

  private func intoTF32(_ operation: UnaryOperator, lanes: Int) -> LoopModule {
    let index = variable("i") * .integer(lanes) + variable("l")
    let store = Statement.store("y", [index], .unary(operation, .load("x0", [index])))
    let count = Self.patterns.count
    let inner = loop("l", lanes, lanes == 1 ? .serial : .vectorized, [store])
    return oneKernel(
      inputs: [[count]], output: [count], body: [loop("i", count / lanes, [inner])])
  }

  /// To the upper 19 bits, ties away from zero.
  @Test(arguments: [1, 4]) func toTF32(_ lanes: Int) throws {
    try check(intoTF32(.tf32, lanes: lanes)) { value in
      if !value.isFinite { return value }
      let (lower, rest) = (value.bitPattern & 0xFFFF_E000, value.bitPattern & 0x1FFF)
      return Float(bitPattern: rest >= 0x1000 ? lower + 0x2000 : lower)
    }
  }

  /// A NaN that quiet arithmetic yields stays one.
  @Test(arguments: [1, 4]) func cutsToTF32(_ lanes: Int) throws {
    let quiet = Self.patterns.map { $0 == 0x7F80_0001 ? 0x7FC0_0001 : $0 }
    try check(intoTF32(.tf32TowardsZero, lanes: lanes), quiet) { value in
      value.isNaN ? value : Float(bitPattern: value.bitPattern & 0xFFFF_E000)
    }
  }

  /// No processor level has the conversion done by a function that libraries would have to be linked with.
  @Test(arguments: ["x86-64", "x86-64-v3", "x86-64-v4", "native"])
  func nothingIsCalled(_ target: String) throws {
    for value in [element, .cast(.f32, .cast(.f64, element) * .real(3, .f64))] {
      let text = try assembly(rounding(value, lanes: 4), target: target)
      #expect(!text.contains("trunc") && !text.contains("__extend"))
    }
  }

  @Test func nothingIsComputedInBrain() throws {
    let product = Expression.cast(.bf16, element) * .cast(.bf16, element)
    #expect {
      _ = try assembly(rounding(.cast(.f32, product), lanes: 4))
    } throws: {
      "\($0)".contains("'*' of bf16 elements is not there on CPUs")
    }
  }
}
