/// Products of matrices by whole warps.
extension Decoder {
  mutating func product(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    try check(instruction, 4)
    let factors: MatrixFactors
    switch instruction.opcode.dropFirst().joined(separator: ".") {
    case "sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32": factors = .tf32
    case "sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32": factors = .bf16
    default: throw unknown(instruction)
    }
    var places: [[Int]] = []
    for (operand, count) in zip(instruction.operands, [4, 4, 2, 4]) {
      var registers: [Int] = []
      for name in Self.vector(operand) {
        registers.append(places.isEmpty ? try destination(name) : try source(name))
      }
      guard registers.count == count else { throw DecodeFailure("\(count) values are expected") }
      places.append(registers)
    }
    return MatrixWork(
      factors: factors, d: places[0], a: places[1], b: places[2], c: places[3]
    ).work()
  }
}

// MARK: Reads

extension Decoder {
  /// `ldmatrix.sync.aligned.m8n8.xN.shared.b16 {registers}, [row]`.
  mutating func matrixLoad(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    try check(instruction, 2)
    let counts = ["x1": 1, "x2": 2, "x4": 4]
    let parts = instruction.opcode
    guard parts.count == 7, let count = counts[parts[4]],
      parts[1...3].elementsEqual(["sync", "aligned", "m8n8"]),
      parts[5...].elementsEqual(["shared", "b16"])
    else { throw unknown(instruction) }
    var registers: [Int] = []
    for name in Self.vector(instruction.operands[0]) { registers.append(try destination(name)) }
    guard registers.count == count else { throw DecodeFailure("\(count) values are expected") }
    let (base, offset) = try place(instruction.operands[1])
    return MatrixRead(
      row: Access(bytes: 16, count: 1, base: base, offset: offset, isLoad: true),
      registers: registers
    ).work()
  }
}

/// Lane 8 m + r says where row r of matrix m is; every lane gets 4 bytes of each matrix.
private struct MatrixRead {
  var row: Access
  var registers: [Int]

  func work() -> Work {
    { warp, mask throws(AccessFailure) in
      guard mask == UInt32.max else {
        throw AccessFailure(
          lane: mask.trailingZeroBitCount & 31,
          message: "reads matrices while other threads of the warp are elsewhere")
      }
      var rows: [Int] = []
      for lane in 0..<8 * registers.count { rows.append(try row.shared(warp, lane)) }
      for (matrix, register) in registers.enumerated() {
        for lane in 0..<Warp.lanes {
          let place = rows[8 * matrix + lane / 4] + lane % 4 * 4
          let word = warp.shared.bytes.load(fromByteOffset: place, as: UInt32.self)
          warp.registers[register + lane] = UInt64(word)
        }
      }
    }
  }
}

// MARK: Products

/// The type of what is multiplied.
enum MatrixFactors {
  /// A 32-bit register holds one number.
  case tf32
  /// A 32-bit register holds two, the first in its lower half.
  case bf16

  var depth: Int { self == .tf32 ? 8 : 16 }

  /// The numbers of a register; nil where tensor cores would ignore some of its bits.
  func values(_ bits: UInt32) -> [Double]? {
    switch self {
    case .tf32:
      let value = Float(bitPattern: bits)
      return bits & 0x1FFF == 0 || value.isNaN ? [Double(value)] : nil
    case .bf16:
      return [bits << 16, bits & 0xFFFF_0000].map { Double(Float(bitPattern: $0)) }
    }
  }

  /// Where the numbers of a register of A are: row and column of the first one.
  func left(lane: Int, register: Int) -> (row: Int, column: Int) {
    let (group, member) = (lane >> 2, lane & 3)
    let row = register == 0 || register == 2 ? group : group + 8
    switch self {
    case .tf32: return (row, register < 2 ? member : member + 4)
    case .bf16: return (row, register < 2 ? member * 2 : member * 2 + 8)
    }
  }

  func right(lane: Int, register: Int) -> (row: Int, column: Int) {
    let (group, member) = (lane >> 2, lane & 3)
    switch self {
    case .tf32: return (register == 0 ? member : member + 4, group)
    case .bf16: return (register == 0 ? member * 2 : member * 2 + 8, group)
    }
  }

  /// Tensor cores cut off what float32 does not hold (Fasi et al. 2021, PeerJ Computer Science 7:e330).
  static func towardsZero(_ value: Double) -> Float {
    let nearest = Float(value)
    guard nearest.isFinite, Double(nearest).magnitude > value.magnitude else { return nearest }
    return nearest > 0 ? nearest.nextDown : nearest.nextUp
  }
}

/// D = A · B + C by one warp, by the tables of the PTX ISA for the shapes m16n8k8 and m16n8k16.
private struct MatrixWork {
  var factors: MatrixFactors
  var d: [Int]
  var a: [Int]
  var b: [Int]
  var c: [Int]

  func work() -> Work {
    { warp, mask throws(AccessFailure) in
      guard mask == UInt32.max else {
        throw AccessFailure(
          lane: mask.trailingZeroBitCount & 31,
          message: "multiplies matrices while other threads of the warp are elsewhere")
      }
      let depth = factors.depth
      var left = [Double](repeating: 0, count: 16 * depth)
      var right = [Double](repeating: 0, count: 8 * depth)
      for lane in 0..<Warp.lanes {
        for (register, place) in a.enumerated() {
          let (row, column) = factors.left(lane: lane, register: register)
          for (step, value) in try values(warp, place, lane).enumerated() {
            left[row * depth + column + step] = value
          }
        }
        for (register, place) in b.enumerated() {
          let (row, column) = factors.right(lane: lane, register: register)
          for (step, value) in try values(warp, place, lane).enumerated() {
            right[column * depth + row + step] = value
          }
        }
      }
      for lane in 0..<Warp.lanes { add(left, right, warp, lane) }
    }
  }

  private func values(_ warp: Warp, _ place: Int, _ lane: Int) throws(AccessFailure) -> [Double] {
    let bits = UInt32(truncatingIfNeeded: warp.registers[place + lane])
    guard let values = factors.values(bits) else {
      throw AccessFailure(lane: lane, message: "multiplies a number that is not rounded to tf32")
    }
    return values
  }

  /// The four elements of a lane; exact products and sums, rounded towards zero at the end.
  private func add(_ left: [Double], _ right: [Double], _ warp: Warp, _ lane: Int) {
    let depth = factors.depth
    let sums = (0..<4).map { element in
      let row = (lane >> 2 + (element < 2 ? 0 : 8)) * depth
      let column = ((lane & 3) * 2 + element & 1) * depth
      var sum = Double(Float(bits: warp.registers[c[element] + lane]))
      for step in 0..<depth { sum += left[row + step] * right[column + step] }
      return MatrixFactors.towardsZero(sum)
    }
    for (place, sum) in zip(d, sums) { warp.registers[place + lane] = sum.bits }
  }

}
