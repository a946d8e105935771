/// Products of matrices by whole warps.
extension Decoder {
  mutating func product(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    try check(instruction, 4)
    let factors: MatrixFactors
    switch instruction.opcode.dropFirst().joined(separator: ".") {
    case "sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32": factors = .tf32
    case "sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32": factors = .bf16
    case "sync.aligned.m8n8k4.row.col.f64.f64.f64.f64": factors = .f64(rows: 8)
    case "sync.aligned.m16n8k8.row.col.f64.f64.f64.f64": factors = .f64(rows: 16)
    default: throw unknown(instruction)
    }
    var places: [[Int]] = []
    for (operand, count) in zip(instruction.operands, factors.registers) {
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
  /// `ldmatrix.sync.aligned.m8n8.xN.shared.b16 {registers}, [row]`, and the same with `.trans` behind xN.
  mutating func matrixLoad(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    try check(instruction, 2)
    let counts = ["x1": 1, "x2": 2, "x4": 4]
    var parts = instruction.opcode
    let isTransposed = parts.count == 8 && parts[5] == "trans"
    if isTransposed { parts.remove(at: 5) }
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
      registers: registers, isTransposed: isTransposed
    ).work()
  }
}

/// Lane 8 m + r says where row r of matrix m is; every lane gets 4 bytes of each matrix, or of its transpose in units of
/// 2 bytes.
private struct MatrixRead {
  var row: Access
  var registers: [Int]
  var isTransposed: Bool

  func work() -> Work {
    { warp, _ throws(AccessFailure) in
      var rows: [Int] = []
      for lane in 0..<8 * registers.count { rows.append(try row.shared(warp, lane)) }
      for (matrix, register) in registers.enumerated() {
        for lane in 0..<Warp.lanes {
          let word = word(lane, rows, first: 8 * matrix, warp.shared.bytes)
          warp.registers[register + lane] = UInt64(word)
        }
      }
    }
  }

  private func word(
    _ lane: Int, _ rows: [Int], first: Int, _ bytes: UnsafeMutableRawBufferPointer
  ) -> UInt32 {
    guard isTransposed else {
      return bytes.load(fromByteOffset: rows[first + lane / 4] + lane % 4 * 4, as: UInt32.self)
    }
    func half(_ number: Int) -> UInt32 {
      let row = rows[first + lane % 4 * 2 + number]
      return UInt32(bytes.load(fromByteOffset: row + lane / 4 * 2, as: UInt16.self))
    }
    return half(1) << 16 | half(0)
  }
}

// MARK: Products

/// The type of what is multiplied, and with it the shape.
enum MatrixFactors: Equatable {
  /// A 32-bit register holds one number.
  case tf32
  /// A 32-bit register holds two, the first in its lower half.
  case bf16
  /// A 64-bit register holds one number. There are two shapes: m8n8k4 and m16n8k8.
  case f64(rows: Int)

  var depth: Int {
    switch self {
    case .tf32: return 8
    case .bf16: return 16
    case .f64(let rows): return rows / 2
    }
  }

  /// Of D, A, B and C.
  var registers: [Int] { self == .f64(rows: 8) ? [2, 1, 1, 2] : [4, 4, 2, 4] }

  /// The numbers of a register; nil where tensor cores would ignore some of its bits.
  func values(_ bits: UInt64) -> [Double]? {
    let low = UInt32(truncatingIfNeeded: bits)
    switch self {
    case .tf32:
      let value = Float(bitPattern: low)
      return low & 0x1FFF == 0 || value.isNaN ? [Double(value)] : nil
    case .bf16:
      return [low << 16, low & 0xFFFF_0000].map { Double(Float(bitPattern: $0)) }
    case .f64: return [Double(bits: bits)]
    }
  }

  /// Where the numbers of a register of A are: row and column of the first one.
  func left(lane: Int, register: Int) -> (row: Int, column: Int) {
    let (group, member) = (lane >> 2, lane & 3)
    let row = register == 0 || register == 2 ? group : group + 8
    switch self {
    case .tf32, .f64: return (row, register < 2 ? member : member + 4)
    case .bf16: return (row, register < 2 ? member * 2 : member * 2 + 8)
    }
  }

  func right(lane: Int, register: Int) -> (row: Int, column: Int) {
    let (group, member) = (lane >> 2, lane & 3)
    switch self {
    case .tf32, .f64: return (register == 0 ? member : member + 4, group)
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

/// D = A · B + C by one warp, by the tables of the PTX ISA for the shapes m8n8k4, m16n8k8 and m16n8k16.
private struct MatrixWork {
  var factors: MatrixFactors
  var d: [Int]
  var a: [Int]
  var b: [Int]
  var c: [Int]

  func work() -> Work {
    { warp, _ throws(AccessFailure) in
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
    guard let values = factors.values(warp.registers[place + lane]) else {
      throw AccessFailure(lane: lane, message: "multiplies a number that is not rounded to tf32")
    }
    return values
  }

  /// The elements of a lane. f64: FMAs in the order of the depth, of which PTX says nothing. Else exact products and
  /// sums, rounded towards zero at the end.
  private func add(_ left: [Double], _ right: [Double], _ warp: Warp, _ lane: Int) {
    let depth = factors.depth
    let sums = c.enumerated().map { element, place in
      let row = (lane >> 2 + (element < 2 ? 0 : 8)) * depth
      let column = ((lane & 3) * 2 + element & 1) * depth
      let start = warp.registers[place + lane]
      if case .f64 = factors {
        return (0..<depth).reduce(Double(bits: start)) {
          $0.addingProduct(left[row + $1], right[column + $1])
        }.bits
      }
      var sum = Double(Float(bits: start))
      for step in 0..<depth { sum += left[row + step] * right[column + step] }
      return MatrixFactors.towardsZero(sum).bits
    }
    for (place, sum) in zip(d, sums) { warp.registers[place + lane] = sum }
  }

}
