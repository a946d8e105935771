/// Moves, selections, comparisons and conversions.
extension Decoder {
  mutating func move(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    let type = instruction.opcode.last.flatMap(PTXType.init(rawValue:))
    guard let type, let result = instruction.operands.first else { throw unknown(instruction) }
    if instruction.opcode == ["mov", "b32"], instruction.operands.contains(where: Self.isVector) {
      return try moveHalves(instruction)
    }
    if instruction.opcode == ["mov", "b64"], Self.isVector(result) {
      return try moveUpperHalf(instruction)
    }
    let d = try destination(result)
    var s: [Int] = []
    for operand in instruction.operands.dropFirst() { s.append(try source(operand)) }
    switch (instruction.opcode[0], s.count) {
    case ("mov", 1) where instruction.opcode.count == 2:
      return Lanes.unary(d, s[0]) { (a: UInt64) in a }
    case ("selp", 3) where instruction.opcode.count == 2:
      return Lanes.ternary(d, s[0], s[1], s[2]) { (a: UInt64, b: UInt64, holds: Bool) in
        holds ? a : b
      }
    case ("setp", 2) where instruction.opcode.count == 3:
      guard let work = Self.comparison(type, instruction.opcode[1], d, s) else { break }
      return work
    case ("cvt", 1) where instruction.opcode.dropFirst() == ["rna", "tf32", "f32"]:
      return Lanes.unary(d, s[0], Self.roundedToTF32)
    case ("cvt", 1) where instruction.opcode.dropFirst() == ["rn", "bf16", "f32"]:
      return Lanes.unary(d, s[0], Self.roundedToBrain)
    case ("cvt", 2) where instruction.opcode.dropFirst() == ["rn", "bf16x2", "f32"]:
      return Lanes.binary(d, s[0], s[1]) { (a: Float, b: Float) in
        UInt32(Self.roundedToBrain(a)) << 16 | UInt32(Self.roundedToBrain(b))
      }
    case ("cvt", 1):
      guard let work = Self.conversion(Array(instruction.opcode.dropFirst()), d, s[0]) else {
        break
      }
      return work
    default: break
    }
    throw unknown(instruction)
  }

  private static func comparison(
    _ type: PTXType, _ operation: String, _ d: Int, _ s: [Int]
  ) -> Work? {
    switch type {
    case .s16: return compare(Int16.self, operation, d, s)
    case .u16, .b16: return compare(UInt16.self, operation, d, s)
    case .s32: return compare(Int32.self, operation, d, s)
    case .u32, .b32: return compare(UInt32.self, operation, d, s)
    case .s64: return compare(Int64.self, operation, d, s)
    case .u64, .b64: return compare(UInt64.self, operation, d, s)
    case .f32: return compareFloats(Float.self, operation, d, s)
    case .f64: return compareFloats(Double.self, operation, d, s)
    case .pred, .b8, .u8, .s8: return nil
    }
  }

  private static func compare<T: Comparable & Scalar>(
    _ type: T.Type, _ operation: String, _ d: Int, _ s: [Int]
  ) -> Work? {
    switch operation {
    case "eq": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a == b }
    case "ne": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a != b }
    case "lt": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a < b }
    case "le": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a <= b }
    case "gt": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a > b }
    case "ge": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a >= b }
    default: return nil
    }
  }

  /// Ordered comparisons are false for NaN (in Swift `!=` is true for it), those that end in `u` are true.
  private static func compareFloats<T: BinaryFloatingPoint & Scalar>(
    _ type: T.Type, _ operation: String, _ d: Int, _ s: [Int]
  ) -> Work? {
    switch operation {
    case "ne": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a < b || a > b }
    case "neu": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a != b }
    case "equ": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in !(a < b || a > b) }
    case "ltu": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in !(a >= b) }
    case "leu": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in !(a > b) }
    case "gtu": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in !(a <= b) }
    case "geu": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in !(a < b) }
    case "num": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in !a.isNaN && !b.isNaN }
    case "nan": return Lanes.binary(d, s[0], s[1]) { (a: T, b: T) in a.isNaN || b.isNaN }
    default: return compare(type, operation, d, s)
    }
  }

  /// `cvt[.rn].to.from`.
  private static func conversion(_ parts: [String], _ d: Int, _ s: Int) -> Work? {
    let types = parts.suffix(2).compactMap(PTXType.init(rawValue:))
    let rounding = parts.dropLast(2)
    guard types.count == 2, rounding.isEmpty || rounding == ["rn"] else { return nil }
    let (to, from) = (types[0], types[1])
    switch (to.isFloat, from.isFloat) {
    case (false, false): return integers(to, from, d, s)
    case (true, false):
      let value = extended(from)
      if to == .f32 { return Lanes.unary(d, s) { (a: UInt64) in Float(value(a)) } }
      return Lanes.unary(d, s) { (a: UInt64) in Double(value(a)) }
    case (true, true):
      switch (to, from) {
      case (.f32, .f64): return Lanes.unary(d, s) { (a: Double) in Float(a) }
      case (.f64, .f32): return Lanes.unary(d, s) { (a: Float) in Double(a) }
      default: return Lanes.unary(d, s) { (a: UInt64) in a }
      }
    case (false, true): return nil
    }
  }

  private static func integers(_ to: PTXType, _ from: PTXType, _ d: Int, _ s: Int) -> Work {
    let (read, write) = (extended(from), extended(to))
    return Lanes.unary(d, s) { (a: UInt64) in
      UInt64(bitPattern: write(UInt64(bitPattern: read(a))))
    }
  }

  /// The low bits as a number of the type.
  private static func extended(_ type: PTXType) -> (UInt64) -> Int64 {
    let unused = 64 - 8 * type.byteCount
    return type.isSigned
      ? { Int64(bitPattern: $0 << unused) >> unused }
      : { Int64(bitPattern: ($0 << unused) >> unused) }
  }

  /// To 11 significant bits, ties away from zero.
  private static func roundedToTF32(_ value: Float) -> Float {
    if !value.isFinite { return value }
    return Float(bitPattern: (value.bitPattern + 0x1000) & 0xFFFF_E000)
  }

  /// The upper half of a float32, rounded to nearest, ties to even.
  private static func roundedToBrain(_ value: Float) -> UInt16 {
    if value.isNaN { return 0x7FFF }
    let bits = value.bitPattern
    return UInt16((bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }

  /// `mov.b64 {_, %r1}, %rd1`.
  private mutating func moveUpperHalf(
    _ instruction: PTXInstruction
  ) throws(DecodeFailure) -> Work {
    try check(instruction, 2)
    let result = Self.vector(instruction.operands[0])
    guard result.count == 2, result[0] == "_" else { throw unknown(instruction) }
    let (d, s) = (try destination(result[1]), try source(instruction.operands[1]))
    return Lanes.unary(d, s) { (a: UInt64) in UInt32(truncatingIfNeeded: a >> 32) }
  }

  /// `mov.b32 %r1, {%rs1, %rs2}` and back; the first of the two is the lower half, `_` one that nobody needs.
  private mutating func moveHalves(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    try check(instruction, 2)
    let (result, operand) = (
      Self.vector(instruction.operands[0]), Self.vector(instruction.operands[1])
    )
    if result.count == 1, operand.count == 2 {
      let d = try destination(result[0])
      let (low, high) = (try source(operand[0]), try source(operand[1]))
      return Lanes.binary(d, low, high) { (a: UInt16, b: UInt16) in UInt32(b) << 16 | UInt32(a) }
    }
    guard result.count == 2, operand.count == 1 else { throw unknown(instruction) }
    let whole = try source(operand[0])
    let halves = try result.map { (name) throws(DecodeFailure) in
      name == "_" ? nil : try destination(name)
    }
    return { warp, mask in
      let r = warp.registers
      Lanes.forEach(mask) {
        let bits = UInt32(bits: r[whole + $0])
        if let low = halves[0] { r[low + $0] = UInt64(bits & 0xFFFF) }
        if let high = halves[1] { r[high + $0] = UInt64(bits >> 16) }
      }
    }
  }
}
