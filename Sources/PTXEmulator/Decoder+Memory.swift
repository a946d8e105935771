/// Loads and stores.
extension Decoder {
  private enum Space { case global, shared, parameter }

  mutating func access(_ instruction: PTXInstruction) throws(DecodeFailure) -> Work {
    var parts = instruction.opcode.dropFirst()
    let isLoad = instruction.opcode[0] == "ld"
    let space: Space
    switch parts.popFirst() {
    case "global": space = .global
    case "shared": space = .shared
    case "param": space = .parameter
    default: throw unknown(instruction)
    }
    if isLoad, space == .global, parts.first == "nc" { parts = parts.dropFirst() }
    var count = 1
    if let vector = parts.first, vector == "v2" || vector == "v4" {
      count = vector == "v2" ? 2 : 4
      parts = parts.dropFirst()
    }
    // What is written, and who touches it, is kept for words of 4 bytes: halves of them can only be read.
    let least = isLoad && space == .global ? 2 : 4
    guard parts.count == 1, let type = PTXType(rawValue: parts[parts.startIndex]),
      type.byteCount >= 2, type.byteCount * count >= least
    else { throw unknown(instruction) }
    try check(instruction, 2)
    let (values, address) = (
      instruction.operands[isLoad ? 0 : 1], instruction.operands[isLoad ? 1 : 0]
    )
    if space == .parameter {
      guard isLoad, count == 1, type == .u64, kernel(has: address) else {
        throw unknown(instruction)
      }
      let (d, s) = (try destination(values), register(named: address))
      return Lanes.unary(d, s) { (a: UInt64) in a }
    }
    var registers: [Int] = []
    for name in Self.vector(values) {
      registers.append(isLoad ? try destination(name) : try source(name))
    }
    guard registers.count == count else { throw DecodeFailure("\(count) values are expected") }
    let (base, offset) = try place(address)
    let access = Access(
      bytes: type.byteCount, count: count, base: base, offset: offset, isLoad: isLoad)
    let transfer = Transfer(access: access, registers: registers)
    return space == .shared ? transfer.shared() : transfer.global()
  }

  private func kernel(has address: String) -> Bool {
    parameterNames.contains(String(address.dropFirst().dropLast()))
  }

  static func isVector(_ text: String) -> Bool { text.hasPrefix("{") && text.hasSuffix("}") }

  static func vector(_ text: String) -> [String] {
    guard isVector(text) else { return [text] }
    return text.dropFirst().dropLast().split(separator: ",").map(\.trimmed)
  }

  /// `[register or variable + offset]`.
  mutating func place(
    _ address: String
  ) throws(DecodeFailure) -> (base: Int, offset: UInt64) {
    guard address.hasPrefix("["), address.hasSuffix("]") else {
      throw DecodeFailure("'\(address)' is no address")
    }
    let parts = address.dropFirst().dropLast().split(separator: "+", maxSplits: 1)
    let offset = parts.count == 2 ? Int64(parts[1].trimmed) : 0
    guard let name = parts.first, let offset else {
      throw DecodeFailure("'\(address)' is no address")
    }
    return (try source(name.trimmed), UInt64(bitPattern: offset))
  }
}

/// An access to neighbouring bytes by each lane.
struct Access {
  /// Of one value.
  var bytes: Int
  var count: Int
  var base: Int
  var offset: UInt64
  var isLoad: Bool

  private var total: Int { bytes * count }
  private var verb: String { isLoad ? "reads" : "writes" }

  private func address(_ warp: Warp, _ lane: Int) -> UInt64 {
    warp.registers[base + lane] &+ offset
  }

  /// The first byte in shared memory; throws where the access is wrong.
  @inline(__always) func shared(_ warp: Warp, _ lane: Int) throws(AccessFailure) -> Int {
    let memory = warp.shared
    let place = Int(truncatingIfNeeded: address(warp, lane) &- SharedMemory.base)
    guard place >= 0, place <= memory.bytes.count - total else {
      throw AccessFailure(lane: lane, message: "\(verb) outside of shared memory")
    }
    guard place & (total - 1) == 0 else {
      throw AccessFailure(lane: lane, message: "\(verb) at an address that is not aligned")
    }
    for word in place / 4..<(place + total) / 4 {
      let complaint = memory.complaint(
        word: word, thread: warp.firstThread + lane, isWrite: !isLoad)
      if let complaint {
        throw AccessFailure(lane: lane, message: "shared memory, byte \(word * 4): \(complaint)")
      }
    }
    return place
  }

  /// The buffer and the first byte in its memory; throws where the address or the access is wrong.
  @inline(__always) func global(
    _ warp: Warp, _ lane: Int, touches: Bool = true
  ) throws(AccessFailure) -> (buffer: DeviceBuffer, start: Int) {
    let address = address(warp, lane)
    let number = Int(address >> UInt64(DeviceBuffer.addressBits)) - 1
    let place = Int(address & (1 << UInt64(DeviceBuffer.addressBits) - 1))
    guard warp.buffers.indices.contains(number),
      place <= warp.buffers[number].range.count - total
    else {
      throw AccessFailure(lane: lane, message: "\(verb) outside of every buffer")
    }
    let buffer = warp.buffers[number]
    let start = buffer.range.lowerBound + place
    guard start & (total - 1) == 0 else {
      throw AccessFailure(
        lane: lane, message: "\(verb) %\(buffer.name) at an address that is not aligned")
    }
    if touches, let complaint = complaint(buffer, start, warp, lane) {
      throw AccessFailure(lane: lane, message: "%\(buffer.name), byte \(place): \(complaint)")
    }
    return (buffer, start)
  }

  /// What is wrong with an access to global memory, or nil.
  private func complaint(
    _ buffer: DeviceBuffer, _ start: Int, _ warp: Warp, _ lane: Int
  ) -> String? {
    let memory = buffer.memory
    let thread = UInt32(
      truncatingIfNeeded: warp.block * warp.blockThreads + warp.firstThread + lane)
    guard isLoad || buffer.isWritable else { return "writes what the kernel only reads" }
    for word in start / 4..<(start + total + 3) / 4 {
      let writer = memory.writers[word]
      if writer.launch == warp.launch, writer.thread != thread {
        return "races with another thread of the launch, which writes it"
      }
      if isLoad {
        guard memory.isWritten[word] else { return "reads what nothing has written" }
      } else {
        memory.writers[word] = .init(launch: warp.launch, thread: thread)
        memory.isWritten[word] = true
      }
    }
    return nil
  }
}

/// A load or store of one value or a vector by each lane.
private struct Transfer {
  var access: Access
  var registers: [Int]

  func shared() -> Work {
    { warp, mask throws(AccessFailure) in
      for lane in 0..<Warp.lanes where mask & 1 << UInt32(lane) != 0 {
        let place = try access.shared(warp, lane)
        move(warp.shared.bytes, place, warp.registers, lane)
      }
    }
  }

  func global() -> Work {
    { warp, mask throws(AccessFailure) in
      for lane in 0..<Warp.lanes where mask & 1 << UInt32(lane) != 0 {
        let (buffer, start) = try access.global(warp, lane)
        move(buffer.memory.bytes, start, warp.registers, lane)
      }
    }
  }

  @inline(__always) private func move(
    _ memory: UnsafeMutableRawBufferPointer, _ start: Int,
    _ values: UnsafeMutablePointer<UInt64>, _ lane: Int
  ) {
    var place = start
    for register in registers {
      switch (access.isLoad, access.bytes) {
      case (true, 2):
        values[register + lane] = UInt64(memory.load(fromByteOffset: place, as: UInt16.self))
      case (false, 2):
        memory.storeBytes(
          of: UInt16(truncatingIfNeeded: values[register + lane]), toByteOffset: place,
          as: UInt16.self)
      case (true, 4):
        values[register + lane] = UInt64(memory.load(fromByteOffset: place, as: UInt32.self))
      case (true, _): values[register + lane] = memory.load(fromByteOffset: place, as: UInt64.self)
      case (false, 4):
        memory.storeBytes(
          of: UInt32(truncatingIfNeeded: values[register + lane]), toByteOffset: place,
          as: UInt32.self)
      case (false, _):
        memory.storeBytes(of: values[register + lane], toByteOffset: place, as: UInt64.self)
      }
      place += access.bytes
    }
  }
}
