/// Arithmetic and logic.
extension Decoder {
  mutating func arithmetic(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    guard let type = instruction.opcode.last.flatMap(PTXType.init(rawValue:)),
      let result = instruction.operands.first
    else { throw unknown(instruction) }
    let operation = instruction.opcode.dropLast().joined(separator: ".")
    let d = try destination(result)
    var sources: [Int] = []
    for operand in instruction.operands.dropFirst() { sources.append(try source(operand)) }
    let work: Work?
    switch type {
    case .pred: work = Self.logic(Bool.self, operation, d, sources)
    case .s16: work = Self.integer(Int16.self, operation, d, sources)
    case .u16, .b16: work = Self.integer(UInt16.self, operation, d, sources)
    case .s32: work = Self.integer(Int32.self, operation, d, sources)
    case .u32, .b32: work = Self.integer(UInt32.self, operation, d, sources)
    case .s64: work = Self.integer(Int64.self, operation, d, sources)
    case .u64, .b64: work = Self.integer(UInt64.self, operation, d, sources)
    case .f32: work = Self.float(Float.self, operation, d, sources)
    case .f64: work = Self.float(Double.self, operation, d, sources)
    case .b8, .u8, .s8: work = nil
    }
    guard let work else { throw unknown(instruction) }
    return work
  }

  private static func logic(
    _ type: Bool.Type, _ operation: String, _ d: Int, _ s: [Int]
  ) -> Work? {
    switch (operation, s.count) {
    case ("and", 2): return Lanes.binary(d, s[0], s[1]) { (a: Bool, b: Bool) in a && b }
    case ("or", 2): return Lanes.binary(d, s[0], s[1]) { (a: Bool, b: Bool) in a || b }
    case ("xor", 2): return Lanes.binary(d, s[0], s[1]) { (a: Bool, b: Bool) in a != b }
    case ("not", 1): return Lanes.unary(d, s[0]) { (a: Bool) in !a }
    default: return nil
    }
  }

  private static func integer<T: FixedWidthInteger & Scalar>(
    _ type: T.Type, _ operation: String, _ d: Int, _ s: [Int]
  ) -> Work? {
    switch (operation, s.count) {
    case ("add", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a &+ b }
    case ("sub", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a &- b }
    case ("mul.lo", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a &* b }
    case ("mul.hi", 2):
      return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a.multipliedFullWidth(by: b).high }
    case ("mul.wide", 2): return wide(type, d, s)
    case ("mad.lo", 3):
      return Lanes.ternary(d, s[0], s[1], s[2]) { (a: T, b: T, c: T) in a &* b &+ c }
    case ("min", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in min(a, b) }
    case ("max", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in max(a, b) }
    case ("neg", 1): return Lanes.unary(d, s[0]) { (a: T) in 0 &- a }
    case ("abs", 1): return Lanes.unary(d, s[0]) { (a: T) in a < 0 ? 0 &- a : a }
    default: return bits(type, operation, d, s)
    }
  }

  /// Products of twice the width.
  private static func wide<T: FixedWidthInteger & Scalar>(
    _ type: T.Type, _ d: Int, _ s: [Int]
  ) -> Work? {
    guard T.bitWidth < 64 else { return nil }
    return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in
      Int64(truncatingIfNeeded: a) &* Int64(truncatingIfNeeded: b)
    }
  }

  private static func bits<T: FixedWidthInteger & Scalar>(
    _ type: T.Type, _ operation: String, _ d: Int, _ s: [Int]
  ) -> Work? {
    switch (operation, s.count) {
    case ("and", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a & b }
    case ("or", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a | b }
    case ("xor", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a ^ b }
    case ("not", 1): return Lanes.unary(d, s[0]) { (a: T) in ~a }
    // The amount is a 32-bit number whatever is shifted; too much shifts everything out.
    case ("shl", 2): return shift(d, s) { (a: T, amount) in a << amount }
    case ("shr", 2): return shift(d, s) { (a: T, amount) in a >> amount }
    case ("bfe", 3):
      return Lanes.ternary(d, s[0], s[1], s[2]) { (a: T, position: T, count: UInt32) in
        field(a, Int(truncatingIfNeeded: position) & 255, Int(count & 255))
      }
    default: return nil
    }
  }

  private static func shift<T: FixedWidthInteger & Scalar>(
    _ d: Int, _ s: [Int], _ function: @escaping (T, UInt32) -> T
  ) -> Work {
    let (a, b) = (s[0], s[1])
    return { warp, mask in
      let r = warp.registers
      Lanes.forEach(mask) {
        r[d + $0] = function(T(bits: r[a + $0]), UInt32(bits: r[b + $0])).bits
      }
    }
  }

  /// `count` bits from a position on, extended by the sign of the field for signed types.
  private static func field<T: FixedWidthInteger>(_ a: T, _ position: Int, _ count: Int) -> T {
    if count == 0 { return 0 }
    let unused = T.bitWidth - min(count, T.bitWidth)
    let field = a >> min(position, T.bitWidth - 1)
    return (field << unused) >> unused
  }

  private static func float<T: BinaryFloatingPoint & Scalar>(
    _ type: T.Type, _ operation: String, _ d: Int, _ s: [Int]
  ) -> Work? {
    switch (operation, s.count) {
    case ("add.rn", 2), ("add", 2):
      return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a + b }
    case ("sub.rn", 2), ("sub", 2):
      return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a - b }
    case ("mul.rn", 2), ("mul", 2):
      return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a * b }
    case ("div.rn", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a / b }
    case ("rcp.rn", 1): return Lanes.unary(d, s[0]) { (a: T) in 1 / a }
    case ("sqrt.rn", 1): return Lanes.unary(d, s[0]) { (a: T) in a.squareRoot() }
    case ("fma.rn", 3):
      return Lanes.ternary(d, s[0], s[1], s[2]) { (a: T, b: T, c: T) in c.addingProduct(a, b) }
    case ("neg", 1): return Lanes.unary(d, s[0]) { (a: T) in -a }
    case ("abs", 1): return Lanes.unary(d, s[0]) { (a: T) in a.magnitude }
    // A number wins over NaN.
    case ("min", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in T.minimum(a, b) }
    case ("max", 2): return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in T.maximum(a, b) }
    default: return nil
    }
  }
}
