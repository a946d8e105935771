/// How the iterations of a loop are carried out.
///
/// The kinds other than `serial` promise that iterations do not depend on each other (`parallel`, `vectorized`,
/// the GPU kinds), or only ask for code growth (`unrolled`). The values computed are the same for every kind.
public enum LoopKind: String, Hashable, Sendable, CaseIterable {
  case serial
  /// Over CPU threads; outermost in a kernel.
  case parallel
  /// Constant extent; emitted once per iteration.
  case unrolled
  /// Constant extent; one SIMD lane per iteration.
  case vectorized
  case gpuBlock
  case gpuThread

  /// The word before `for` in the text form; nothing for a serial loop.
  public var keyword: String {
    switch self {
    case .serial: return ""
    case .parallel, .unrolled, .vectorized: return rawValue
    case .gpuBlock: return "gpu_block"
    case .gpuThread: return "gpu_thread"
    }
  }
}

/// `for %variable in lower ..< upper`, step 1; empty where `upper <= lower`.
public struct Loop: Hashable, Sendable {
  public var variable: String
  public var lower: Expression
  public var upper: Expression
  public var kind: LoopKind
  public var body: [Statement]

  public init(
    _ variable: String, _ lower: Expression, _ upper: Expression, kind: LoopKind = .serial,
    body: [Statement]
  ) {
    self.variable = variable
    self.lower = lower
    self.upper = upper
    self.kind = kind
    self.body = body
  }

  /// The number of iterations, where both bounds are constants.
  public var constantExtent: Int? {
    guard case .integer(let low) = lower, case .integer(let high) = upper else { return nil }
    return max(0, high - low)
  }
}

/// A step of a kernel's or program's body.
public indirect enum Statement: Hashable, Sendable {
  case loop(Loop)
  /// Binds a name for the rest of the enclosing block.
  case bind(String, Expression)
  /// Writes one element.
  case store(String, [Expression], Expression)
  case conditional(Expression, then: [Statement], otherwise: [Statement])
  /// A stack or register buffer that lives for the rest of the enclosing block; its content is undefined.
  case allocate(Buffer)
  /// All threads of a GPU block wait for each other.
  case barrier
  /// A thread of a GPU block starts a copy of an element from global to shared memory.
  case copy(AsyncCopy)
  /// All threads of a GPU block close a group of the copies that they have started.
  case commitGroup
  /// All threads of a GPU block wait until at most this many of their groups, the latest ones, are under way.
  case waitGroup(Int)
  /// Warps of a GPU block read matrices from shared memory into their threads' registers.
  case loadMatrices(MatrixLoad)
  /// Warps of a GPU block multiply matrices that lie in their threads' registers.
  case multiply(MatrixProduct)
  /// Warp groups of a GPU block multiply matrices that lie in shared memory.
  case warpGroup(WarpGroupStep)
  /// Runs a kernel on whole buffers; in programs only.
  case call(String, [String])
  /// A scope with a comment-like label, kept through schedules.
  case block(String, [Statement])
}
