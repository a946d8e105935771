import Diagnostics

/// 32 threads that run in lockstep where their ways do not part.
final class Warp {
  static let lanes = 32

  /// Register r of lane l is at 32 r + l.
  let registers: UnsafeMutablePointer<UInt64>
  /// The number of the first thread in its block.
  let firstThread: Int
  /// The block that it works on.
  @exclusivity(unchecked) private(set) var block = 0
  /// Threads of a block.
  let blockThreads: Int
  let shared: SharedMemory
  let buffers: [DeviceBuffer]
  let launch: UInt32
  private let threads: Int
  private let blockRegister: Int?

  /// Products of its warp group.
  var products = WarpProducts()
  /// For each lane the next instruction; past the last one where it has returned.
  @exclusivity(unchecked) private var places: [Int]
  private(set) var isWaiting: UInt32 = 0
  /// Lanes that wait for the others of the warp.
  private var isHeld: UInt32 = 0

  init(
    _ code: KernelCode, firstThread: Int, threads: Int, shared: SharedMemory,
    buffers: [DeviceBuffer], launch: UInt32
  ) {
    registers = .allocate(capacity: code.registerCount * Self.lanes)
    registers.initialize(repeating: 0xFFFF_FFFF_7FC0_0000, count: code.registerCount * Self.lanes)
    self.firstThread = firstThread
    blockThreads = threads
    self.threads = min(Self.lanes, threads - firstThread)
    self.shared = shared
    self.buffers = buffers
    self.launch = launch
    places = Array(repeating: 0, count: Self.lanes)
    blockRegister = code.blockRegister
    for (register, value) in code.constants { fill(register) { _ in value } }
    for (number, register) in code.parameters.enumerated() {
      fill(register) { _ in DeviceBuffer.address(of: number) }
    }
    if let register = code.threadRegister { fill(register) { UInt64(firstThread + $0) } }
  }

  deinit { registers.deallocate() }

  func fill(_ register: Int, _ value: (Int) -> UInt64) {
    for lane in 0..<Self.lanes { registers[register + lane] = value(lane) }
  }

  /// Sends all lanes to the kernel's first instruction, for another block.
  func start(block: Int) {
    self.block = block
    if let blockRegister { fill(blockRegister) { _ in UInt64(block) } }
    for lane in 0..<Self.lanes { places[lane] = lane < threads ? 0 : Int.max }
    (isWaiting, isHeld) = (0, 0)
    products = WarpProducts()
  }

  /// Lanes that have not returned.
  private var present: UInt32 {
    (0..<Self.lanes).reduce(0) { places[$1] == Int.max ? $0 : $0 | 1 << UInt32($1) }
  }

  /// The instruction after the barrier at which all lanes wait; nil where all have returned.
  ///
  /// Throws where they wait at different ones, or where some have returned.
  func barrier() throws(Diagnostic) -> Int? {
    let present = present
    if present == 0 { return nil }
    let waiting = (0..<threads).map { places[$0] }
    guard isWaiting == present, let first = waiting.first, waiting.allSatisfy({ $0 == first })
    else { throw Diagnostic("some threads wait at a barrier that others do not reach") }
    return first
  }

  /// Lets the lanes that wait go on.
  func passBarrier() { isWaiting = 0 }

  /// Runs until every lane waits at a barrier or has returned; lanes that are behind go first, so that ways that have
  /// parted join again.
  func run(_ code: KernelCode, budget: inout Int) throws(Diagnostic) {
    while true {
      var place = Int.max
      let stopped = isWaiting | isHeld
      for lane in 0..<threads where stopped & 1 << UInt32(lane) == 0 {
        place = min(place, places[lane])
      }
      if place == Int.max {
        if isHeld == 0 { return }
        try join(code)
        continue
      }
      var mask: UInt32 = 0
      var stop = Int.max
      for lane in 0..<threads where stopped & 1 << UInt32(lane) == 0 {
        if places[lane] == place {
          mask |= 1 << UInt32(lane)
        } else {
          stop = min(stop, places[lane])
        }
      }
      try run(code, from: place, until: stop, mask, &budget)
    }
  }

  /// Lets lanes that have waited for each other go on; throws where some of the warp will never come.
  private func join(_ code: KernelCode) throws(Diagnostic) {
    let first = places[isHeld.trailingZeroBitCount]
    guard isHeld == UInt32.max, places.allSatisfy({ $0 == first }) else {
      throw AccessFailure(
        lane: isHeld.trailingZeroBitCount, message: "other threads of the warp never get here"
      ).diagnostic(code, first, self)
    }
    isHeld = 0
  }

  /// Runs lanes at one place until they part, wait, return or reach the place of others.
  private func run(
    _ code: KernelCode, from start: Int, until stop: Int, _ mask: UInt32, _ budget: inout Int
  ) throws(Diagnostic) {
    var place = start
    while place < stop {
      budget -= 1
      guard budget > 0 else {
        throw Diagnostic("kernel \(code.name) does not come to an end")
      }
      guard place < code.steps.count else {
        throw Diagnostic("kernel \(code.name) runs past its last instruction")
      }
      switch code.steps[place] {
      case .work(let work):
        do throws(AccessFailure) { try work(self, mask) } catch {
          throw error.diagnostic(code, place, self)
        }
        place += 1
      case .together(let work):
        guard mask == UInt32.max else {
          isHeld |= mask
          return move(mask, to: place)
        }
        do throws(AccessFailure) { try work(self, mask) } catch {
          throw error.diagnostic(code, place, self)
        }
        place += 1
      case .branch(let target, let predicate, let isNegated):
        let taken = mask & lanes(predicate, isNegated)
        if taken == mask {
          place = target
          // Others may now be behind.
          if stop != Int.max { return move(mask, to: place) }
        } else if taken == 0 {
          place += 1
        } else {
          move(taken, to: target)
          return move(mask & ~taken, to: place + 1)
        }
      case .barrier:
        isWaiting |= mask
        return move(mask, to: place + 1)
      case .exit: return move(mask, to: Int.max)
      }
    }
    move(mask, to: place)
  }

  private func move(_ mask: UInt32, to place: Int) {
    for lane in 0..<Self.lanes where mask & 1 << UInt32(lane) != 0 { places[lane] = place }
  }

  /// Lanes whose predicate holds; all without one.
  func lanes(_ predicate: Int?, _ isNegated: Bool) -> UInt32 {
    guard let predicate else { return UInt32.max }
    var mask: UInt32 = 0
    for lane in 0..<Self.lanes where registers[predicate + lane] & 1 != 0 {
      mask |= 1 << UInt32(lane)
    }
    return isNegated ? ~mask : mask
  }
}

/// A wrong access to memory by one lane.
struct AccessFailure: Error {
  var lane: Int
  var message: String

  func diagnostic(_ code: KernelCode, _ place: Int, _ warp: Warp) -> Diagnostic {
    let instruction = code.instructions[place]
    return Diagnostic(
      "kernel \(code.name): \(message)",
      notes: [
        "line \(instruction.line) of the PTX: \(instruction.text)",
        "block \(warp.block), thread \(warp.firstThread + lane)",
      ])
  }
}
