import Tensors

/// Where a buffer lives.
public enum MemorySpace: String, Hashable, Sendable, CaseIterable {
  /// The host's memory: inputs, outputs, constants, the arena.
  case heap
  case stack
  /// Shared by a GPU block.
  case shared
  /// Scalars and vectors that the code generator keeps in registers; indices become constants.
  case register
}

/// Memory with logical indices; strides (in elements) say how they are laid out, so a layout is only a choice of strides.
public struct Buffer: Hashable, Sendable {
  public var name: String
  public var element: ElementType
  public var extents: [Int]
  /// Elements between neighbours along each dimension.
  public var strides: [Int]
  /// Of the first element, in bytes.
  public var alignment: Int
  public var space: MemorySpace

  public init(
    _ name: String, _ element: ElementType, extents: [Int], strides: [Int]? = nil,
    alignment: Int = 64, space: MemorySpace = .heap
  ) {
    self.name = name
    self.element = element
    self.extents = extents
    self.strides = strides ?? Self.rowMajor(extents)
    self.alignment = alignment
    self.space = space
  }

  /// Strides with the last dimension contiguous.
  public static func rowMajor(_ extents: [Int]) -> [Int] {
    strides(extents, order: Array(extents.indices))
  }

  /// Strides for dimensions laid out in the given order, outermost first.
  public static func strides(_ extents: [Int], order: [Int]) -> [Int] {
    var strides = [Int](repeating: 1, count: extents.count)
    var step = 1
    for dimension in order.reversed() {
      strides[dimension] = step
      step *= extents[dimension]
    }
    return strides
  }

  /// Elements from the first to one past the last that the strides reach.
  public var spanElements: Int {
    zip(extents, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
  }

  public var byteCount: Int { spanElements * element.byteCount }
}

/// What a kernel does with a parameter.
public enum Access: String, Hashable, Sendable {
  case read = "in"
  /// Its content is undefined when the kernel begins.
  case write = "out"
  case update = "inout"

  /// Whether the kernel needs what it finds there.
  public var reads: Bool { self != .write }
  public var writes: Bool { self != .read }
}

/// A kernel's parameter: a heap buffer that does not overlap any other one that is written.
public struct KernelParameter: Hashable, Sendable {
  public var buffer: Buffer
  public var access: Access

  public init(_ buffer: Buffer, _ access: Access) {
    self.buffer = buffer
    self.access = access
  }
}

/// A loop nest over whole buffers: what one fused group of graph operations does.
public struct Kernel: Hashable, Sendable {
  /// Readable: op, fused tail, shape; unique in its module.
  public var name: String
  public var parameters: [KernelParameter]
  public var body: [Statement]

  public init(_ name: String, parameters: [KernelParameter], body: [Statement]) {
    self.name = name
    self.parameters = parameters
    self.body = body
  }
}
