import Glibc
import LoopIR
import Tensors
import Testing

@testable import CodeGen

/// exp, log, sin, round and the like in float32 and float64.
@Suite struct ElementaryTests {
  private static let functions: [(UnaryOperator, @Sendable (Double) -> Double)] = [
    (.exp, exp), (.log, log), (.tanh, tanh), (.erf, erf),
    (.sin, sin), (.cos, cos), (.atan, atan), (.floor, { $0.rounded(.down) }),
    (.round, { $0.rounded(.toNearestOrEven) }),
  ]

  private static func functions(
    of element: ElementType
  ) -> [(operation: UnaryOperator, @Sendable (Double) -> Double)] {
    functions.filter { element != .f64 || $0.0 != .sin && $0.0 != .cos }
  }

  /// Numbers of every exponent and sign, those where algorithms change, and the odd ones.
  private static let arguments: [Float] = {
    var values: [Float] = [
      0, -0.0, .infinity, -.infinity, .nan, 1, 0.625, 1.4142135, 88.72, -103.9,
    ]
    for exponent in UInt32(0)..<255 {
      for step in UInt32(0)..<8 {
        let pattern = exponent << 23 | (step &* 0x9E377 &+ exponent &* 0x3779B9) & 0x7F_FFFF
        values += [Float(bitPattern: pattern), Float(bitPattern: pattern | 1 << 31)]
      }
    }
    values += (0..<2000).map { Float($0) / 200 - 5 }
    values += (0..<64).map { Float(Double($0) * .pi / 4) }
    // Of all numbers those that come closest to multiples of pi / 2 (Muller, Elementary Functions, 11.3).
    values += [0x1.fffffep23, 0x1p24, 0x1.f0ce28p66, 16_367_173 * 0x1p72, -8388607.5, 2.5, -1.5]
    return values + [Float](repeating: 1, count: 16 - values.count % 16)
  }()

  private func module(_ operation: UnaryOperator, _ element: ElementType, lanes: Int) -> LoopModule
  {
    let count = Self.arguments.count
    let index = variable("i") * .integer(lanes) + variable("l")
    let x = Expression.cast(element, .load("x0", [index]))
    let inner = loop(
      "l", lanes, lanes == 1 ? .serial : .vectorized,
      [.store("y", [index], .cast(.f32, .unary(operation, x)))])
    return oneKernel(
      inputs: [[count]], output: [count], body: [loop("i", count / lanes, [inner])])
  }

  /// At most `limit` units in the last place of float32, or both infinite, NaN or zeros of one sign.
  private func isClose(_ value: Float, _ exact: Double, _ limit: Double) -> Bool {
    if exact.isNaN { return value.isNaN }
    let rounded = Float(exact)
    if value == rounded { return value != 0 || value.sign == exact.sign }
    guard value.isFinite, rounded.isFinite else { return false }
    return abs(Double(value) - exact) <= limit * Double(rounded.ulp)
  }

  @Test(arguments: [ElementType.f32, .f64], ["native", "x86-64"])
  func areRightToTwoUnits(_ element: ElementType, _ target: String) throws {
    for (operation, function) in Self.functions(of: element) {
      let values = try run(
        module(operation, element, lanes: 16), [Self.arguments], target: target)
      for (x, y) in zip(Self.arguments, values) {
        let exact = function(Double(x))
        #expect(isClose(y, exact, element == .f64 ? 0.5 : 2), "\(operation)(\(x)) is \(y)")
      }
    }
  }

  /// Vectors, single elements and the interpreter give the same bits.
  @Test(arguments: [ElementType.f32, .f64]) func areTheSameEverywhere(_ element: ElementType) throws
  {
    guard try Targets.resolve("native").hasFMA else { return }
    let input = try Tensor(try Shape([Self.arguments.count]), Self.arguments.map(Double.init))
    for (operation, _) in Self.functions(of: element) {
      let plain = module(operation, element, lanes: 1)
      let interpreted = try LoopInterpreter.run(plain, parameters: [:], inputs: [input])[0].values
      for lanes in [1, 16] {
        let native = try run(module(operation, element, lanes: lanes), [Self.arguments])
        let differs = zip(native, interpreted).contains {
          $0.bitPattern != Float($1).bitPattern && !($0.isNaN && $1.isNaN)
        }
        #expect(!differs, "\(operation), \(lanes) lanes")
      }
    }
  }

  /// libm's functions would differ from one machine to the next.
  @Test(arguments: ["x86-64", "x86-64-v4"]) func nothingIsCalled(_ target: String) throws {
    for (operation, _) in Self.functions {
      let text = try assembly(module(operation, .f32, lanes: 16), target: target)
      #expect(!text.contains("call"), "\(operation)")
    }
  }
}
