import Diagnostics
import Execution
import Glibc
import LoopIR
import Schedules
import Tensors
import Testing

@testable import CodeGen

@Suite struct KernelTests {
  private func x(_ index: Expression) -> Expression { .load("x0", [index]) }

  @Test(
    arguments: [1, 2, 5, 17, 64, 67, 100, 1000],
    LoopKind.allCases.filter { !$0.rawValue.hasPrefix("gpu") })
  func everyLoopKindComputesTheSame(_ count: Int, _ kind: LoopKind) throws {
    let value: Expression = .fma(x(variable("i")), .real(2, .f32), .load("x1", [.integer(0)]))
    let module = oneKernel(
      inputs: [[count], [1]], output: [count],
      body: [loop("i", count, kind, [.store("y", [variable("i")], value)])])
    let input = noise(count)
    let result = try run(module, [input, [0.25]], threads: 2)
    #expect(result == input.map { $0 * 2 + 0.25 })
  }

  /// Strided and reversed lanes, lanes of a transposed buffer, and a uniform condition around them.
  @Test func lanesAtAnyDistance() throws {
    let module = oneKernel(
      inputs: [[16, 7]], output: [7, 16],
      body: [
        loop(
          "j", 7,
          [
            loop(
              "v", 16, .vectorized,
              [
                .conditional(
                  .binary(.less, variable("j"), .integer(4)),
                  then: [
                    .store(
                      "y", [variable("j"), variable("v")],
                      .load("x0", [.integer(15) - variable("v"), variable("j")]))
                  ],
                  otherwise: [
                    .store(
                      "y", [variable("j"), .integer(15) - variable("v")],
                      .load("x0", [variable("v"), variable("j")]))
                  ])
              ])
          ])
      ])
    let input = noise(112)
    let expected = (0..<112).map { (place: Int) -> Float in
      let (row, column) = (15 - place % 16, place / 16)
      return input[row * 7 + column]
    }
    #expect(try run(module, [input]) == expected)
  }

  /// Divisions and conditions that differ between lanes go lane by lane.
  @Test func lanesThatDisagree() throws {
    let v = variable("v")
    let module = oneKernel(
      inputs: [[16]], output: [32],
      body: [
        loop(
          "v", 32, .vectorized,
          [
            .bind("half", .binary(.divide, v, .integer(2))),
            .conditional(
              .binary(.equal, .binary(.remainder, v, .integer(3)), .integer(0)),
              then: [.store("y", [v], x(variable("half")))],
              otherwise: [.store("y", [v], .unary(.negate, x(variable("half"))))]),
          ])
      ])
    let input = noise(16)
    let expected = (0..<32).map { (lane: Int) -> Float in
      lane % 3 == 0 ? input[lane / 2] : -input[lane / 2]
    }
    #expect(try run(module, [input]) == expected)
  }

  @Test(arguments: [1, 2, 3, 7, 8, 64])
  func indexDivisionRoundsDown(_ divisor: Int) throws {
    // The loop's variable is no constant, so that instructions do the division.
    let index = variable("i") - .integer(50)
    let module = oneKernel(
      inputs: [[1]], output: [2, 100],
      body: [
        loop(
          "i", 100,
          [
            .store(
              "y", [.integer(0), variable("i")],
              .cast(.f32, .binary(.divide, index, .integer(divisor)))),
            .store(
              "y", [.integer(1), variable("i")],
              .cast(.f32, .binary(.remainder, index, .integer(divisor)))),
          ])
      ])
    let quotients = (-50..<50).map { (Double($0) / Double(divisor)).rounded(.down) }
    let rests = zip(-50..<50, quotients).map { Double($0) - $1 * Double(divisor) }
    #expect(try run(module, [[0]]) == (quotients + rests).map { Float($0) })
  }

  @Test(arguments: [BinaryOperator.minimum, .maximum], [1, 16])
  func NaNWinsInExtrema(_ operation: BinaryOperator, _ lanes: Int) throws {
    let module = oneKernel(
      inputs: [[16], [16]], output: [2, 16],
      body: [
        loop(
          "i", 16, lanes == 1 ? .serial : .vectorized,
          [
            .store(
              "y", [.integer(0), variable("i")],
              .binary(operation, x(variable("i")), .load("x1", [variable("i")]))),
            .store(
              "y", [.integer(1), variable("i")],
              .binary(operation, x(variable("i")), .real(0, .f32))),
          ])
      ])
    var (a, b) = (noise(16), noise(16, seed: 9))
    (a[3], b[5], a[7], b[7]) = (.nan, .nan, .nan, .nan)
    func expected(_ a: Float, _ b: Float) -> Float {
      if a.isNaN || b.isNaN { return .nan }
      return operation == .minimum ? min(a, b) : max(a, b)
    }
    let wanted = zip(a, b).map(expected) + a.map { expected($0, 0) }
    let result = try run(module, [a, b])
    #expect(zip(result, wanted).allSatisfy { $0 == $1 || ($0.isNaN && $1.isNaN) })
  }

  /// The parallel loop's body uses an outer variable, a `let` and a stack buffer from outside.
  @Test(arguments: [1, 2, 3])
  func parallelLoopsSeeWhatIsAround(_ threads: Int) throws {
    let module = oneKernel(
      inputs: [[3, 50]], output: [3, 50],
      body: [
        loop(
          "i", 3,
          [
            .allocate(Buffer("s", .f32, extents: [1], space: .stack)),
            .store("s", [.integer(0)], .cast(.f32, variable("i"))),
            .bind("first", .load("x0", [variable("i"), .integer(0)])),
            .loop(
              Loop(
                "j", variable("i"), .integer(50), kind: .parallel,
                body: [
                  .store(
                    "y", [variable("i"), variable("j")],
                    .load("x0", [variable("i"), variable("j")]) * variable("first")
                      + .load("s", [.integer(0)]))
                ])),
          ])
      ])
    let input = noise(150)
    let result = try run(module, [input], threads: threads)
    for i in 0..<3 {
      for j in i..<50 {
        #expect(result[i * 50 + j] == input[i * 50 + j] * input[i * 50] + Float(i))
      }
    }
  }

  @Test func functionsMatchTheLibrary() throws {
    let operations: [(UnaryOperator, (Float) -> Float)] = [
      (.negate, { -$0 }), (.abs, { $0.magnitude }), (.sqrt, { $0.squareRoot() }),
      (.exp, { exp($0) }), (.log, { log($0) }), (.tanh, { tanh($0) }),
    ]
    let input = noise(16).map { $0.magnitude }
    for (operation, reference) in operations {
      for kind in [LoopKind.serial, .vectorized] {
        let module = oneKernel(
          inputs: [[16]], output: [16],
          body: [
            loop(
              "i", 16, kind,
              [
                .store("y", [variable("i")], .unary(operation, x(variable("i"))))
              ])
          ])
        let result = try run(module, [input])
        for (value, argument) in zip(result, input) {
          #expect(abs(value - reference(argument)) <= 2 * reference(argument).ulp.magnitude)
        }
      }
    }
  }

  /// relu is one instruction, and a masked select keeps to vectors.
  @Test func reluIsOneInstruction() throws {
    guard try Targets.resolve("native").floatLanes == 16 else { return }
    let module = oneKernel(
      inputs: [[16]], output: [16],
      body: [
        loop(
          "i", 16, .vectorized,
          [
            .store("y", [variable("i")], .binary(.maximum, x(variable("i")), zero()))
          ])
      ])
    let text = try assembly(module)
    #expect(text.contains("vmaxps"))
    #expect(!text.contains("vcmp"))
  }
}
