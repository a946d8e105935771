/// Products of matrices in shared memory by warp groups, which are under way until their warp has waited for them.
///
/// Each warp computes its 16 rows when it starts a product. Nobody may write what the product reads, nor touch its
/// registers, before the wait; what a GPU does without fences is not emulated, their absence is an error.
extension Decoder {
  mutating func warpGroup(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    let operation = instruction.opcode.joined(separator: ".")
    switch operation {
    case "fence.proxy.async.shared::cta":
      try check(instruction, 0)
      return { warp, mask in
        Lanes.forEach(mask) { warp.shared.fence(warp.firstThread + $0) }
      }
    case "wgmma.fence.sync.aligned":
      try check(instruction, 0)
      return together { $0.products.accessed = [] }
    case "wgmma.commit_group.sync.aligned":
      try check(instruction, 0)
      return together { $0.products.commit() }
    case "wgmma.wait_group.sync.aligned":
      try check(instruction, 1)
      guard let remaining = Int(instruction.operands[0]), remaining >= 0 else {
        throw DecodeFailure("a number of groups is expected")
      }
      return together { $0.products.wait(remaining, $0.shared) }
    default: return try groupProduct(instruction)
    }
  }

  /// By a warp, whose threads are all here.
  private func together(_ body: @escaping (Warp) throws(AccessFailure) -> Void) -> Work {
    { warp, _ throws(AccessFailure) in
      guard warp.blockThreads % WarpGroupWork.threads == 0 else {
        throw AccessFailure(lane: 0, message: "the block is not made of whole warp groups")
      }
      try body(warp)
    }
  }

  private mutating func groupProduct(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    let parts = instruction.opcode
    guard parts.count == 8, parts[1...3] == ["mma_async", "sync", "aligned"], parts[5] == "f32",
      let factors = ["tf32": MatrixFactors.tf32, "bf16": .bf16][parts[6]], parts[7] == parts[6],
      parts[4].hasPrefix("m64n"), parts[4].hasSuffix("k\(factors.depth)"),
      let columns = Int(parts[4].dropFirst(4).prefix { $0.isNumber }), columns % 8 == 0,
      (8...256).contains(columns)
    else { throw unknown(instruction) }
    // Added to the sum, with no sign changed and nothing transposed.
    let flags = factors == .bf16 ? ["1", "1", "1", "0", "0"] : ["1", "1", "1"]
    try check(instruction, 3 + flags.count)
    guard Array(instruction.operands.dropFirst(3)) == flags else { throw unknown(instruction) }
    let registers = Self.vector(instruction.operands[0])
    guard registers.count == columns / 2 else {
      throw DecodeFailure("\(columns / 2) values are expected")
    }
    var sums: [Int] = []
    for name in registers { sums.append(try destination(name)) }
    let work = WarpGroupWork(
      factors: factors, sums: sums, a: try source(instruction.operands[1]),
      b: try source(instruction.operands[2]))
    return together { (warp) throws(AccessFailure) in try work.start(warp) }
  }

  static func sums(of kernel: PTXKernel) -> Set<String> {
    let products = kernel.instructions.filter { $0.opcode.starts(with: ["wgmma", "mma_async"]) }
    return Set(products.flatMap { $0.operands.first.map(vector) ?? [] })
  }

  /// The work of an instruction that touches such registers.
  func touching(_ sums: [Int], _ work: @escaping Work) -> Work {
    if sums.isEmpty { return work }
    return { warp, mask throws(AccessFailure) in
      for register in sums {
        guard warp.products.underWay[register] == nil else {
          throw AccessFailure(
            lane: 0, message: "touches a sum while a product that changes it is under way")
        }
        warp.products.accessed?.insert(register)
      }
      try work(warp, mask)
    }
  }
}

/// Products that a warp has started.
struct WarpProducts {
  struct Started {
    var sums: [Int]
    /// Words of shared memory.
    var words: [Int]
  }

  /// By group, the oldest first.
  private var groups: [[Started]] = []
  /// In no group yet.
  private var started: [Started] = []
  /// Products under way that change a register.
  private(set) var underWay: [Int: Int] = [:]
  /// Sums that other instructions have touched since the last fence; nil, for all, before the first one.
  var accessed: Set<Int>?

  mutating func start(_ product: Started) {
    for register in product.sums { underWay[register, default: 0] += 1 }
    started.append(product)
  }

  mutating func commit() {
    groups.append(started)
    started = []
  }

  mutating func wait(_ remaining: Int, _ shared: SharedMemory) {
    while groups.count > remaining {
      for product in groups.removeFirst() {
        for register in product.sums {
          let count = underWay[register, default: 1] - 1
          underWay[register] = count > 0 ? count : nil
        }
        for word in product.words { shared.endProduct(reading: word) }
      }
    }
  }
}

/// A matrix in shared memory without swizzling, by the PTX ISA's "Matrix Descriptor Format" and "Strides" (K-major):
/// 16 bytes of 8 rows are contiguous.
private struct MatrixDescriptor {
  var start: Int
  /// Bytes from 16 bytes of a row to the next 16, and from 8 rows to the next 8.
  var leading: Int
  var stride: Int

  /// Nil where bits are set that mean swizzling or nothing.
  init?(_ bits: UInt64) {
    guard bits & 0xFFFF_C000_C000_C000 == 0 else { return nil }
    func bytes(_ shift: UInt64) -> Int { Int(bits >> shift & 0x3FFF) << 4 }
    start = bytes(0) - Int(SharedMemory.base)
    (leading, stride) = (bytes(16), bytes(32))
  }

  /// The first byte of some 16 bytes of a row.
  func place(row: Int, unit: Int) -> Int {
    start + row / 8 * stride + row % 8 * 16 + unit * leading
  }
}

/// D[64, n] += A · B by a warp group, of which a warp has 16 rows.
private struct WarpGroupWork {
  static let threads = 128
  private static let rows = 16

  var factors: MatrixFactors
  var sums: [Int]
  /// Registers of descriptors.
  var a: Int
  var b: Int

  private var columns: Int { sums.count * 2 }

  func start(_ warp: Warp) throws(AccessFailure) {
    for register in sums where warp.products.accessed?.contains(register) != false {
      throw AccessFailure(
        lane: 0, message: "multiplies to a sum without a wgmma.fence since it was touched")
    }
    var words: [Int] = []
    let first = warp.firstThread % Self.threads / Warp.lanes * Self.rows
    let left = try matrix(a, first..<first + Self.rows, warp, &words)
    let right = try matrix(b, 0..<columns, warp, &words)
    for lane in 0..<Warp.lanes { add(left, right, warp, lane) }
    warp.products.start(.init(sums: sums, words: words))
  }

  /// Rows of A, or columns of B, one after the other.
  private func matrix(
    _ register: Int, _ rows: Range<Int>, _ warp: Warp, _ words: inout [Int]
  ) throws(AccessFailure) -> [Double] {
    let bits = warp.registers[register]
    let isUniform = (0..<Warp.lanes).allSatisfy { warp.registers[register + $0] == bits }
    guard isUniform, let descriptor = MatrixDescriptor(bits) else {
      throw AccessFailure(lane: 0, message: "has no descriptor of one matrix without swizzling")
    }
    var values: [Double] = []
    for row in rows {
      for unit in 0..<2 {
        let place = descriptor.place(row: row, unit: unit)
        for word in place / 4..<place / 4 + 4 {
          if let complaint = warp.shared.startProduct(reading: word) {
            throw AccessFailure(lane: 0, message: "shared memory, byte \(word * 4): \(complaint)")
          }
          words.append(word)
          values += try self.values(
            warp.shared.bytes.load(fromByteOffset: word * 4, as: UInt32.self))
        }
      }
    }
    return values
  }

  private func values(_ bits: UInt32) throws(AccessFailure) -> [Double] {
    guard let values = factors.values(UInt64(bits)) else {
      throw AccessFailure(lane: 0, message: "multiplies a number that is not rounded to tf32")
    }
    return values
  }

  /// The elements of a lane, 4 of each 8 columns; exact products and sums, rounded towards zero at the end.
  private func add(_ left: [Double], _ right: [Double], _ warp: Warp, _ lane: Int) {
    let depth = factors.depth
    for (number, register) in sums.enumerated() {
      let row = (lane >> 2 + (number & 2) * 4) * depth
      let column = (number / 4 * 8 + (lane & 3) * 2 + number & 1) * depth
      var sum = Double(Float(bits: warp.registers[register + lane]))
      for step in 0..<depth { sum += left[row + step] * right[column + step] }
      warp.registers[register + lane] = MatrixFactors.towardsZero(sum).bits
    }
  }
}
