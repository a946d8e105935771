import Tensors

extension ElementType {
  /// Elementary functions, step by step as code generators emit them; f16 and bf16 go through f32, sine and cosine
  /// through f64.
  func elementary(_ op: UnaryOperator) -> ((Double) -> Double)? {
    if op.elementaryType(of: self) == .f64 {
      let function = ElementaryFunctions(MachineArithmetic<Double>(), op, of: self).function(op)
      return function.map { function in
        self == .f64 ? function : { rounded(Double(Float(function($0)))) }
      }
    }
    let functions = ElementaryFunctions(MachineArithmetic<Float>(), op, of: self)
    return functions.function(op).map { function in { rounded(Double(function(Float($0)))) } }
  }
}

protocol MachineNumber: BinaryFloatingPoint {
  associatedtype Pattern: FixedWidthInteger & UnsignedInteger
  var bitPattern: Pattern { get }
  init(bitPattern: Pattern)
}

extension Float: MachineNumber {}
extension Double: MachineNumber {}

/// Arithmetic with fused multiply-adds.
private struct MachineArithmetic<Number: MachineNumber>: ElementaryArithmetic {
  typealias Bits = Number.Pattern
  typealias Truth = Bool

  func number(_ value: Double) -> Number { Number(value) }
  func add(_ a: Number, _ b: Number) -> Number { a + b }
  func subtract(_ a: Number, _ b: Number) -> Number { a - b }
  func multiply(_ a: Number, _ b: Number) -> Number { a * b }
  func divide(_ a: Number, _ b: Number) -> Number { a / b }
  func fma(_ a: Number, _ b: Number, _ c: Number) -> Number { c.addingProduct(a, b) }
  func isLess(_ a: Number, _ b: Number) -> Bool { a < b }
  func select(_ condition: Bool, _ a: Number, _ b: Number) -> Number { condition ? a : b }

  func bits(_ pattern: UInt64) -> Bits { Bits(truncatingIfNeeded: pattern) }
  func bits(of number: Number) -> Bits { number.bitPattern }
  func number(of bits: Bits) -> Number { Number(bitPattern: bits) }
  func add(_ a: Bits, _ b: Bits) -> Bits { a &+ b }
  func and(_ a: Bits, _ b: Bits) -> Bits { a & b }
  func or(_ a: Bits, _ b: Bits) -> Bits { a | b }
  func shiftLeft(_ a: Bits, by count: Int) -> Bits { a << Bits(count) }
  func shiftRight(_ a: Bits, by count: Int) -> Bits { a >> Bits(count) }
}
