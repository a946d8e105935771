import Tensors

/// What a buffer of a module is for.
public enum BufferRole: Hashable, Sendable {
  /// Weights as the user's file has them, read by `prepare` alone; the string is their name there.
  case parameter(String)
  /// Written once by `prepare`, read by `run`: folded and packed weights.
  case constant
  /// The model's arguments and results, in order of declaration; the string is the user's name for it.
  case input(String)
  case output(String)
  /// Consecutive elements of an input or output, from this one on: some images of a batch.
  case slice(of: String, at: Int)
  /// Between kernels of `run`; the offset in bytes into the arena once memory is planned.
  case temporary(offset: Int?)
  /// Between kernels of `prepare`.
  case scratch
}

public struct ModuleBuffer: Hashable, Sendable {
  public var buffer: Buffer
  public var role: BufferRole

  public init(_ buffer: Buffer, _ role: BufferRole) {
    self.buffer = buffer
    self.role = role
  }
}

/// A whole model as loop nests.
///
/// `prepare` turns the user's weights into constants, once, at compile time; `run` turns inputs into outputs.
/// Both are lists of kernel calls.
public struct LoopModule: Hashable, Sendable {
  public var name: String
  /// The network that was lowered, where that is known.
  public var origin: ModelDescription?
  /// The target it is scheduled for (its text, see Schedules), or nil where no schedule has been applied.
  public var scheduledFor: String?
  /// The class that the schedule keeps to; means nothing where no schedule has been applied.
  public var precision: Precision
  public var buffers: [ModuleBuffer]
  public var kernels: [Kernel]
  /// `call` statements only.
  public var prepare: [Statement]
  /// `call` statements only.
  public var run: [Statement]

  public init(
    name: String, origin: ModelDescription? = nil, scheduledFor: String? = nil,
    precision: Precision = .standard,
    buffers: [ModuleBuffer] = [], kernels: [Kernel] = [], prepare: [Statement] = [],
    run: [Statement] = []
  ) {
    self.name = name
    self.origin = origin
    self.scheduledFor = scheduledFor
    self.precision = precision
    self.buffers = buffers
    self.kernels = kernels
    self.prepare = prepare
    self.run = run
  }

  public func buffer(named name: String) -> ModuleBuffer? {
    buffers.first { $0.buffer.name == name }
  }

  public func kernel(named name: String) -> Kernel? {
    kernels.first { $0.name == name }
  }
}
