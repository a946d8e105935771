import Diagnostics
import Tensors
import Testing

@testable import LoopIR

/// Runs a kernel from its text on tensors of the given values, shaped as its parameters.
private func run(_ text: String, _ values: [[Double]] = []) throws -> [[Double]] {
  let kernel = try LoopParser.parseKernel(text)
  let reads = kernel.parameters.filter(\.access.reads)
  var tensors: [Tensor<Double>] = []
  for (parameter, values) in zip(reads, values) {
    tensors.append(try Tensor(try Shape(parameter.buffer.extents), values))
  }
  return try LoopInterpreter.runKernel(kernel, arguments: tensors).map(\.values)
}

private func failure(_ text: String, _ values: [[Double]] = []) -> Diagnostic? {
  do {
    _ = try run(text, values)
    return nil
  } catch {
    return error as? Diagnostic
  }
}

private let arithmetic: [(String, Double)] = [
  ("f32 0.1 + f32 0.2", Double(Float(0.1) + Float(0.2))),
  ("f32(f64 0.1 + f64 0.2)", Double(Float(0.1 + 0.2))),
  ("f32 1.0 / f32 3.0", Double(Float(1) / Float(3))),
  ("sqrt(f32 2.0)", Double(Float(2).squareRoot())),
  ("fma(f32 0.1, f32 10.0, f32 -1.0)", Double((-1 as Float).addingProduct(0.1, 10))),
  ("f32(16777217)", 16_777_216),
  ("f32(f16 0.1)", 0.0999755859375),
  ("f32(bf16 0.1)", 0.10009765625),
  ("f32(f16 1.0 / f16 3.0)", Double(Float16(1) / Float16(3))),
  ("max(f32 1.0, f32 2.0)", 2),
  ("abs(min(f32 nan, f32 2.0))", .nan),
  ("max(f32 2.0, f32 nan)", .nan),
  ("f32 1.0 / min(f32 0.0, f32 -0.0)", -.infinity),
  ("f32 1.0 / max(f32 -0.0, f32 0.0)", .infinity),
  ("f32(-7 / 2)", -4), ("f32(-7 mod 2)", 1), ("f32(abs(-7) - min(3, 4) + max(3, 4))", 8),
  ("select(f32 nan == f32 nan || f32 nan < f32 1.0, f32 1.0, f32 2.0)", 2),
  ("select(!(1 <= 0) && 2 == 2, f32 1.0, f32 2.0)", 1),
  ("exp(f32 1.0)", 2.7182817459106445), ("log(exp(f32 0.0))", 0), ("tanh(f32 100.0)", 1),
  ("sin(f32 0.0)", 0), ("cos(f32 0.0)", 1), ("atan(f32 0.0)", 0),
  ("floor(f32 -1.5)", -2), ("round(f32 2.5)", 2),
]

private let mistakes: [(String, String)] = [
  (
    "for %i in 0 ..< 5 { %y[%i] = f32 0.0 }",
    "kernel @k: %y[4]: index 4 of dimension 0 is outside 0 ..< 4"
  ),
  (
    "for %i in 0 ..< 4 { %y[%i] = %x[%i - 1] }",
    "kernel @k: %x[-1]: index -1 of dimension 0 is outside 0 ..< 4"
  ),
  // Both sides of a selection are evaluated.
  (
    "for %i in 0 ..< 4 { %y[%i] = select(%i < 3, %x[%i + 1], f32 0.0) }",
    "kernel @k: %x[4]: index 4 of dimension 0 is outside 0 ..< 4"
  ),
  ("for %i in 0 ..< 4 { %y[%i] = %y[%i] }", "kernel @k: %y[0] is read before it is written"),
  // A local buffer's content does not live on to the next iteration.
  (
    "for %i in 0 ..< 4 { allocate %a : f32[1] stack if %i == 0 { %a[0] = f32 1.0 } %y[%i] = %a[0] }",
    "kernel @k: %a[0] is read before it is written"
  ),
  (
    "for %i in 0 ..< 2 { %y[%i * 3] = f32 0.0 }", "%y[1] is a result but was never written"
  ),
  ("let %z = 0 let %a = 1 / %z", "kernel @k: an index is divided by zero"),
  ("let %z = 0 let %a = 1 mod %z", "kernel @k: an index is divided by zero"),
  ("let %z = 9223372036854775807 let %a = %z + 1", "kernel @k: an index does not fit 64 bits"),
  (
    "let %z = -9223372036854775807 let %a = (%z - 1) / -1",
    "kernel @k: an index does not fit 64 bits"
  ),
]

private let races: [(String, String, String)] = [
  // Two iterations write one element.
  ("parallel for %i in 0 ..< 4 { %y[%i / 2] = f32 0.0 }", "0 and 1 of parallel loop %i", "%y[0]"),
  // One reads what another has written, or will write.
  (
    "%y[0] = f32 0.0 parallel for %i in 1 ..< 4 { %y[%i] = %y[%i - 1] }",
    "1 and 2 of parallel loop %i", "%y[1]"
  ),
  (
    "for %j in 0 ..< 4 { %y[%j] = f32 0.0 } vectorized for %i in 0 ..< 3 { %y[%i] = %y[%i + 1] }",
    "0 and 1 of vectorized loop %i", "%y[1]"
  ),
  // A sum over lanes.
  (
    "%y[0] = f32 0.0 vectorized for %i in 0 ..< 4 { %y[0] = %y[0] + %x[%i] }",
    "0 and 1 of vectorized loop %i", "%y[0]"
  ),
  // Many read before one writes.
  (
    "%y[0] = f32 0.0 parallel for %i in 0 ..< 4 { if %i < 3 { let %a = %y[0] } else { %y[0] = f32 1.0 } }",
    "0 and 3 of parallel loop %i", "%y[0]"
  ),
  // The inner loop is fine, the outer one is not.
  (
    "parallel for %i in 0 ..< 2 { vectorized for %j in 0 ..< 4 { %y[%j] = f32 0.0 } }",
    "0 and 1 of parallel loop %i", "%y[0]"
  ),
  // Threads of a block, from one loop to the next without a barrier.
  (
    "gpu_block for %b in 0 ..< 1 { gpu_thread for %t in 0 ..< 4 { %y[%t] = f32 0.0 } gpu_thread for %u in 0 ..< 4 { let %a = %y[3 - %u] } }",
    "3 and 0 of gpu_thread loop %u", "%y[3]"
  ),
  // All threads read before one of them writes.
  (
    "%y[0] = f32 0.0 gpu_block for %b in 0 ..< 1 { gpu_thread for %t in 0 ..< 4 { let %a = %y[0] } gpu_thread for %u in 0 ..< 1 { %y[0] = f32 1.0 } }",
    "3 and 0 of gpu_thread loop %u", "%y[0]"
  ),
  (
    "gpu_block for %b in 0 ..< 2 { %y[0] = f32 0.0 }", "0 and 1 of gpu_block loop %b", "%y[0]"
  ),
]

@Suite struct InterpreterTests {
  /// A 3x3 convolution with zero padding, bias-free, NCHW against a channels-last output.
  @Test func convolutionEqualsTripleLoop() throws {
    let (channels, size) = (8, 8)
    let text = """
      kernel @conv(in %x: f32[8, 8, 8], in %w: f32[8, 8, 3, 3], out %y: f32[8, 8, 8] strides [1, 64, 8]) {
        parallel for %i in 0 ..< 8 {
          for %j in 0 ..< 8 {
            allocate %acc : f32[8] register
            vectorized for %o in 0 ..< 8 {
              %acc[%o] = f32 0.0
              for %c in 0 ..< 8 {
                unrolled for %p in 0 ..< 3 {
                  unrolled for %q in 0 ..< 3 {
                    let %row = %i + %p - 1
                    let %column = %j + %q - 1
                    if 0 <= %row && %row < 8 && 0 <= %column && %column < 8 {
                      %acc[%o] = %acc[%o] + %x[%c, %row, %column] * %w[%o, %c, %p, %q]
                    }
                  }
                }
              }
              %y[%o, %i, %j] = %acc[%o]
            }
          }
        }
      }
      """
    var random = SplitMix64(seed: 4)
    func values(_ count: Int) -> [Float] {
      (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
    }
    let x = values(channels * size * size)
    let w = values(channels * channels * 9)
    var expected: [Double] = []
    for o in 0..<channels {
      for i in 0..<size {
        for j in 0..<size {
          var sum: Float = 0
          for c in 0..<channels {
            for p in 0..<3 {
              for q in 0..<3 {
                let (row, column) = (i + p - 1, j + q - 1)
                guard (0..<size).contains(row), (0..<size).contains(column) else { continue }
                sum += x[(c * size + row) * size + column] * w[((o * channels + c) * 3 + p) * 3 + q]
              }
            }
          }
          expected.append(Double(sum))
        }
      }
    }
    let clock = ContinuousClock()
    var result: [[Double]] = []
    let time = try clock.measure {
      result = try run(text, [x.map(Double.init), w.map(Double.init)])
    }
    #expect(result == [expected])
    #expect(time < .seconds(20), "an 8x8 convolution must not take \(time)")
  }

  @Test func modulesRunPrepareAndThenRun() throws {
    let module = try LoopParser.parseModule(sampleText, file: "sample.loops")
    let w = (0..<8).map { Double($0) - 3 }
    let x = (0..<32).map { Double($0) / 4 }
    let result = try LoopInterpreter.run(
      module, parameters: ["head.weight": try Tensor(try Shape([4, 2]), w)],
      inputs: [try Tensor(try Shape([2, 16]), x)])
    var expected: [Double] = []
    for k in 0..<4 {
      for j in 0..<16 {
        let start = k % 2 == 0 || j % 8 >= 4 ? 0.5 : Double(j % 8)
        expected.append(start + w[k * 2] * 2 * x[j] + w[k * 2 + 1] * 2 * x[16 + j])
      }
    }
    #expect(result.map(\.values) == [expected])
  }

  @Test(arguments: arithmetic)
  func arithmeticRoundsAsTheMachineDoes(_ expression: String, _ expected: Double) throws {
    let value = try run("kernel @k(out %y: f32[]) { %y[] = \(expression) }")[0][0]
    #expect(value.bitPattern == expected.bitPattern || value.isNaN && expected.isNaN, "\(value)")
  }

  @Test func stridesAreOnlyALayout() throws {
    let buffer = Buffer("x", .f32, extents: [2, 3], strides: [1, 4])
    #expect(buffer.packed([0, 1, 2, 3, 4, 5]) == [0, 3, 0, 0, 1, 4, 0, 0, 2, 5])
    #expect(buffer.unpacked(buffer.packed([0, 1, 2, 3, 4, 5])) == [0, 1, 2, 3, 4, 5])
    let text = """
      kernel @t(in %x: f32[2, 3] strides [0, 1], out %y: f32[3, 2] strides [1, 3]) {
        for %i in 0 ..< 2 { for %j in 0 ..< 3 { %y[%j, %i] = %x[%i, %j] } }
      }
      """
    #expect(try run(text, [[1, 2, 3, 1, 2, 3]]) == [[1, 1, 2, 2, 3, 3]])
  }

  @Test func whatIsUpdatedBeginsWithItsContent() throws {
    let text = """
      kernel @k(in %x: f32[3], inout %y: f32[3]) {
        for %i in 0 ..< 2 { %y[%i] = %y[%i] + %x[%i] }
      }
      """
    #expect(try run(text, [[1, 2, 3], [10, 20, 30]]) == [[11, 22, 30]])
    #expect(failure(text.replacing("inout", with: "out"), [[1, 2, 3]]) != nil)
  }
}

@Suite struct InterpreterCheckTests {
  @Test(arguments: mistakes)
  func mistakesAreCaught(_ body: String, _ expected: String) {
    let text = "kernel @k(in %x: f32[4], out %y: f32[4]) { \(body) }"
    #expect(failure(text, [[1, 2, 3, 4]])?.message == expected)
  }

  @Test(arguments: races)
  func racesAreCaught(_ body: String, _ iterations: String, _ element: String) {
    let text = "kernel @k(in %x: f32[4], out %y: f32[4]) { \(body) }"
    #expect(
      failure(text, [[1, 2, 3, 4]])?.message
        == "kernel @k: iterations \(iterations) race for \(element): at least one of them writes it"
    )
  }

  @Test(arguments: [
    "parallel for %i in 0 ..< 4 { allocate %a : f32[1] stack %a[0] = %x[0] %y[%i] = %a[0] }",
    "for %j in 0 ..< 2 { vectorized for %i in 0 ..< 4 { %y[%i] = %x[(%i + %j) mod 4] } }",
    "parallel for %i in 0 ..< 4 { for %j in 0 ..< 2 { %y[%i] = %x[%j] } }",
    "gpu_block for %b in 0 ..< 1 { gpu_thread for %t in 0 ..< 4 { %y[%t] = f32 0.0 } barrier gpu_thread for %u in 0 ..< 4 { let %a = %y[3 - %u] } }",
  ])
  func independentIterationsPass(_ body: String) {
    let text = "kernel @k(in %x: f32[4], out %y: f32[4]) { \(body) }"
    #expect(failure(text, [[1, 2, 3, 4]]) == nil)
  }

  /// A temporary that shares its place in the arena with a later one is lost when that is written.
  @Test func arenaReuseIsSeen() throws {
    let text = """
      rephase_loops 1
      module @m {
        input %x "x" : f32[4]
        output %y "y" : f32[4]
        temporary %a : f32[4] at 0
        temporary %b : f32[4] at OFFSET
        kernel @copy(in %s: f32[4], out %d: f32[4]) { for %i in 0 ..< 4 { %d[%i] = %s[%i] } }
        run { call @copy(%x, %a) call @copy(%x, %b) call @copy(%a, %y) }
      }
      """
    let x = try Tensor<Double>(try Shape([4]), [1, 2, 3, 4])
    func found(_ offset: String) throws -> String? {
      let module = try LoopParser.parseModule(
        text.replacing("OFFSET", with: offset), file: "arena.loops")
      return message { () throws(Diagnostic) in
        _ = try LoopInterpreter.run(module, parameters: [:], inputs: [x])
      }
    }
    #expect(try found("64") == nil)
    #expect(try found("0") == "kernel @copy: %s[0] (%a) is read before it is written")
  }

  @Test func argumentsAreChecked() throws {
    let module = try LoopParser.parseModule(sampleText, file: "sample.loops")
    let w = Tensor<Double>(try Shape([4, 2]), repeating: 1)
    let x = Tensor<Double>(try Shape([2, 16]), repeating: 1)
    func found(_ parameters: [String: Tensor<Double>], _ inputs: [Tensor<Double>]) -> String? {
      message { () throws(Diagnostic) in
        _ = try LoopInterpreter.run(module, parameters: parameters, inputs: inputs)
      }
    }
    #expect(found([:], [x]) == "the parameter \"head.weight\" is not given")
    #expect(found(["head.weight": w], []) == "the input \"x\" is not given")
    #expect(found(["head.weight": w], [x, x]) == "2 inputs are given, module @sample has 1")
    #expect(
      found(["head.weight": x], [x]) == "the tensor [2, 16] does not fit '%p0 : f32[4, 2]'")
    let kernel = module.kernels[0]
    let missing = message { () throws(Diagnostic) in
      _ = try LoopInterpreter.runKernel(kernel, arguments: [])
    }
    #expect(missing == "kernel @copy_4x2 reads 1 buffers, 0 tensors are given")
  }

  @Test func hugeBuffersAreRefused() throws {
    let text = "kernel @k(in %x: f32[65536, 65536], out %y: f32[1]) { %y[0] = f32 0.0 }"
    let kernel = try LoopParser.parseKernel(text)
    let x = Tensor<Double>(try Shape([1]), repeating: 1)
    let found = message { () throws(Diagnostic) in
      _ = try LoopInterpreter.runKernel(kernel, arguments: [x])
    }
    #expect(found == "the buffers have more than 268435456 elements, too many to interpret")
  }
}
