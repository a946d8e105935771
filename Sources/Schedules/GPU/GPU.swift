/// What schedules need to know of a GPU.
public struct GPU: Hashable, Sendable {
  public var multiprocessors: Int
  /// Bytes of shared memory that a block can have.
  public var sharedBytes: Int
  /// 32-bit registers that kernels use at most (a thread can have 255, but then few blocks run beside each other to
  /// hide each other's waits), and that the threads of a multiprocessor have together.
  public var registersPerThread: Int
  public var registers: Int
  /// Registers that tiles of matrices leave over for each thread besides: as found by assembling, which spills some
  /// otherwise.
  public var spareRegisters: Int
  /// Threads that run in lockstep.
  public var warp: Int
  /// Whether warp groups multiply matrices in shared memory.
  public var hasWarpGroups: Bool

  /// Bytes of shared memory that a kernel may declare; where it needs more, a launch says how many.
  public static let staticSharedBytes = 48 << 10
  /// Bytes that each block takes besides its own.
  private static let reservedSharedBytes = 1 << 10

  public init(
    multiprocessors: Int, sharedBytes: Int = 227 << 10, registersPerThread: Int = 168,
    registers: Int = 64 << 10, spareRegisters: Int = 0, warp: Int = 32,
    hasWarpGroups: Bool = false
  ) {
    self.multiprocessors = multiprocessors
    self.sharedBytes = sharedBytes
    self.registersPerThread = registersPerThread
    self.registers = registers
    self.spareRegisters = spareRegisters
    self.warp = warp
    self.hasWarpGroups = hasWarpGroups
  }

  /// Registers that each of a block's threads may use: they are given out in eights, and a block must have all of its
  /// own to start.
  public func registers(of threads: Int) -> Int {
    min(registersPerThread, registers / max(1, threads) / 8 * 8)
  }

  /// Blocks that fit on a multiprocessor beside each other.
  public func residentBlocks(threads: Int, registers: Int, sharedBytes: Int) -> Int {
    let own = Self.reservedSharedBytes
    return min(
      self.registers / (threads * registers), (self.sharedBytes + own) / (sharedBytes + own))
  }
}
