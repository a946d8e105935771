/// Copies from global to shared memory that arrive when their thread has waited for them.
extension Decoder {
  mutating func copy(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    switch instruction.opcode.dropFirst().joined(separator: ".") {
    case "async.ca.shared.global", "async.cg.shared.global": return try started(instruction)
    case "async.commit_group":
      try check(instruction, 0)
      return Self.forEachThread { $0.commitCopies(of: $1) }
    case "async.wait_group":
      try check(instruction, 1)
      guard let remaining = Int(instruction.operands[0]), remaining >= 0 else {
        throw DecodeFailure("a number of groups is expected")
      }
      return Self.forEachThread { $0.awaitCopies(of: $1, remaining: remaining) }
    case "async.wait_all":
      try check(instruction, 0)
      return Self.forEachThread {
        $0.commitCopies(of: $1)
        $0.awaitCopies(of: $1, remaining: 0)
      }
    default: throw unknown(instruction)
    }
  }

  private static func forEachThread(_ body: @escaping (SharedMemory, Int) -> Void) -> Work {
    { warp, mask in
      Lanes.forEach(mask) { lane in body(warp.shared, warp.firstThread + lane) }
    }
  }

  /// `[shared], [global], bytes` and, where not all of them are read, how many: the others become zero.
  private mutating func started(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    let operands = instruction.operands
    let sizes = instruction.opcode.contains("cg") ? [16] : [4, 8, 16]
    guard (3...4).contains(operands.count), let bytes = Int(operands[2]), sizes.contains(bytes)
    else { throw unknown(instruction) }
    let (to, from) = (try place(operands[0]), try place(operands[1]))
    return CopyWork(
      bytes: bytes,
      target: Access(bytes: bytes, count: 1, base: to.base, offset: to.offset, isLoad: false),
      source: Access(bytes: bytes, count: 1, base: from.base, offset: from.offset, isLoad: true),
      size: operands.count == 4 ? try source(operands[3]) : nil
    ).work()
  }
}

private struct CopyWork {
  var bytes: Int
  var target: Access
  var source: Access
  /// The register that says how many bytes are read: all or none.
  var size: Int?

  func work() -> Work {
    { warp, mask throws(AccessFailure) in
      for lane in 0..<Warp.lanes where mask & 1 << UInt32(lane) != 0 {
        let count = size.map { Int(UInt32(truncatingIfNeeded: warp.registers[$0 + lane])) } ?? bytes
        guard count == 0 || count == bytes else {
          throw AccessFailure(lane: lane, message: "copies \(count) of \(bytes) bytes")
        }
        let (buffer, start) = try source.global(warp, lane, touches: count > 0)
        let place = try target.shared(warp, lane)
        for byte in 0..<bytes {
          warp.shared.bytes[place + byte] = count > 0 ? buffer.memory.bytes[start + byte] : 0
        }
        warp.shared.startCopy(to: place / 4..<(place + bytes) / 4, of: warp.firstThread + lane)
      }
    }
  }
}
