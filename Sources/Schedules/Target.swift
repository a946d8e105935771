import Diagnostics
import LoopIR

/// What schedules and code generation need to know of a processor.
public struct Target: Hashable, Sendable {
  /// As the user wrote it: `native`, `x86-64-v3`, ...
  public var name: String
  /// LLVM's name of the processor, and its feature string (`+avx2,+fma,...`; empty where the processor says all).
  public var processor: String
  public var features: String
  public var triple: String
  /// Bytes of one vector register.
  public var vectorBytes: Int
  public var vectorRegisters: Int
  /// Whether a·b+c is one instruction with one rounding.
  public var hasFMA: Bool
  /// Vector FMAs (or multiplies, without FMA) that can start each cycle, and cycles until one is done.
  public var fmaPerCycle: Int
  public var fmaLatency: Int
  /// Bytes of a core's first and second level data cache.
  public var l1Bytes: Int
  public var l2Bytes: Int
  /// Bytes of the last level cache, all cores together.
  public var l3Bytes: Int
  /// Set for GPUs, whose kernels are grids of blocks of threads.
  public var gpu: GPU?

  /// Bytes of stack that the local buffers of a kernel may take on any processor.
  public static let localBytes = 704 << 10

  public init(
    name: String, processor: String, features: String, triple: String, vectorBytes: Int,
    vectorRegisters: Int, hasFMA: Bool, fmaPerCycle: Int = 2, fmaLatency: Int = 4,
    l1Bytes: Int = 32 << 10, l2Bytes: Int = 512 << 10,
    l3Bytes: Int = 16 << 20, gpu: GPU? = nil
  ) {
    self.name = name
    self.processor = processor
    self.features = features
    self.triple = triple
    self.vectorBytes = vectorBytes
    self.vectorRegisters = vectorRegisters
    self.hasFMA = hasFMA
    self.fmaPerCycle = fmaPerCycle
    self.fmaLatency = fmaLatency
    self.l1Bytes = l1Bytes
    self.l2Bytes = l2Bytes
    self.l3Bytes = l3Bytes
    self.gpu = gpu
  }

  /// Throws where only other processors have the precision's arithmetic.
  public func check(_ precision: Precision) throws(Diagnostic) {
    guard gpu == nil, !Precision.ofCPUs.contains(precision) else { return }
    throw Diagnostic(
      "the precision '\(precision.rawValue)' is there on GPUs only, and \(name) is a CPU",
      help: "give --precision standard, or a GPU such as --target sm_90")
  }

  /// Elements of 4 bytes in one vector register.
  public var floatLanes: Int { vectorBytes / 4 }
}
