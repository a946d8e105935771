import Diagnostics
import Tensors

/// Checks what can be known of loop IR without running it.
///
/// The constraints L1, L2, ... are listed in IR/LoopIR.md; every message ends with the number of the one broken.
public enum LoopVerifier {
  /// Bytes of all local buffers of a kernel: what fits a thread's stack.
  public static let maximumLocalBytes = 1 << 20
  public static let maximumLanes = 256
  public static let maximumUnrolling = 4096
  /// Of one gpu_block loop, and of one gpu_thread loop: what CUDA launches.
  public static let maximumBlocks = (1 << 31) - 1
  public static let maximumThreads = 1024

  /// Throws the first broken constraint.
  public static func verify(_ module: LoopModule) throws(Diagnostic) {
    try verify(module, places: nil)
  }

  /// `places`: of a module that was read from a text.
  static func verify(_ module: LoopModule, places: LoopPlaces?) throws(Diagnostic) {
    try checkName(module.name, of: "module")
    do throws(Diagnostic) { try module.origin?.check() } catch {
      throw broken("L31", error.message, help: error.help)
    }
    try verifyBuffers(of: module, places?.buffers)
    var names: Set<String> = []
    for (number, kernel) in module.kernels.enumerated() {
      guard names.insert(kernel.name).inserted else {
        throw broken("L2", "kernel @\(kernel.name) is declared twice")
      }
      try verify(kernel, places: places?.kernels[number])
    }
    try ProgramVerifier.verify(module, places)
  }

  /// Checks a kernel on its own.
  public static func verify(_ kernel: Kernel) throws(Diagnostic) {
    try verify(kernel, places: nil)
  }

  private static func verify(
    _ kernel: Kernel, places: LoopPlaces.Kernel?
  ) throws(Diagnostic) {
    try checkName(kernel.name, of: "kernel")
    do {
      var verifier = KernelVerifier(places: places)
      try verifier.verify(kernel)
    } catch {
      var error = error.located(at: places?.name)
      error.message = "kernel @\(kernel.name): " + error.message
      throw error
    }
  }

  static func broken(_ constraint: String, _ message: String, help: String? = nil) -> Diagnostic {
    Diagnostic("\(message) [\(constraint)]", help: help)
  }

  /// L1: the lexer must be able to read the name back.
  static func checkName(_ name: String, of thing: String) throws(Diagnostic) {
    let isFine = name.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."),
        UInt8(ascii: "$"):
        return true
      default: return false
      }
    }
    guard isFine, !name.isEmpty else {
      throw broken(
        "L1", "'\(name)' cannot be the name of a \(thing)",
        help: "use letters, digits, '_', '.' and '$'")
    }
  }
}

// MARK: Buffers

extension LoopVerifier {
  private static func verifyBuffers(
    of module: LoopModule, _ places: [SourceLocation]?
  ) throws(Diagnostic) {
    var names: Set<String> = []
    var userNames: Set<String> = []
    for (number, entry) in module.buffers.enumerated() {
      do { try verify(entry, of: module, &names, &userNames) } catch {
        throw error.located(at: places?[number])
      }
    }
  }

  /// `names`: of the buffers before this one; `userNames`: of the user's, with their roles.
  private static func verify(
    _ entry: ModuleBuffer, of module: LoopModule, _ names: inout Set<String>,
    _ userNames: inout Set<String>
  ) throws(Diagnostic) {
    let buffer = entry.buffer
    guard names.insert(buffer.name).inserted else {
      throw broken("L2", "buffer %\(buffer.name) is declared twice")
    }
    try verify(buffer)
    guard buffer.space == .heap else {
      throw broken(
        "L6", "%\(buffer.name) of a module is in \(buffer.space.rawValue) memory, not heap")
    }
    switch entry.role {
    case .parameter(let name), .input(let name), .output(let name):
      guard userNames.insert("\(entry.role.word) \(name)").inserted else {
        throw broken("L2", "two \(entry.role.word)s are called \"\(name)\"")
      }
      guard buffer.isRowMajor else {
        throw broken(
          "L23", "%\(buffer.name) is the user's memory, so its strides must be row-major",
          help: "copy it into a buffer of another layout")
      }
    case .slice(let whole, let first):
      guard names.contains(whole), let entry = module.buffer(named: whole), entry.isOfHost else {
        throw broken(
          "L25", "%\(buffer.name) is a slice of %\(whole), which is no input or output before it")
      }
      try verify(buffer, slices: entry.buffer, at: first)
    case .temporary(let offset?): try verify(offset: offset, of: buffer)
    case .temporary(nil), .constant, .scratch: break
    }
  }

  /// L25.
  private static func verify(
    _ slice: Buffer, slices whole: Buffer, at first: Int
  ) throws(Diagnostic) {
    guard slice.isRowMajor, slice.element == whole.element else {
      throw broken(
        "L25", "the slice %\(slice.name) is not of the type and order of %\(whole.name)")
    }
    guard first >= 0, first <= whole.spanElements,
      slice.spanElements <= whole.spanElements - first
    else {
      throw broken("L25", "the slice %\(slice.name) reaches beyond %\(whole.name)")
    }
  }

  /// L22.
  private static func verify(offset: Int, of buffer: Buffer) throws(Diagnostic) {
    let step = max(64, buffer.alignment)
    guard offset <= Shape.maximumElements else {
      throw broken(
        "L22", "offset \(offset) of %\(buffer.name) lies more than 64 GiB into the arena",
        help: "use smaller images or a smaller batch")
    }
    guard offset >= 0, offset % step == 0 else {
      throw broken(
        "L22", "offset \(offset) of %\(buffer.name) is not a multiple of \(step) in the arena")
    }
  }

  /// L1 and L5: after this, `spanElements` and `byteCount` cannot overflow.
  static func verify(_ buffer: Buffer) throws(Diagnostic) {
    try checkName(buffer.name, of: "buffer")
    func broken(_ message: String) -> Diagnostic {
      Self.broken("L5", "%\(buffer.name): " + message)
    }
    guard buffer.element.isFloat else {
      throw broken("elements cannot be \(buffer.element.rawValue), only floating-point numbers")
    }
    do {
      _ = try Shape(buffer.extents)
    } catch {
      throw broken(error.message)
    }
    guard buffer.strides.count == buffer.extents.count else {
      throw broken("\(buffer.strides.count) strides do not fit \(buffer.extents.count) extents")
    }
    var span = 1
    for (extent, stride) in zip(buffer.extents, buffer.strides) {
      guard stride >= 0 else { throw broken("stride \(stride) is negative") }
      let (reach, productOverflow) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, sumOverflow) = span.addingReportingOverflow(reach)
      guard !productOverflow, !sumOverflow, sum <= Shape.maximumElements else {
        throw broken("the strides span more than 2^36 elements")
      }
      span = sum
    }
    let alignment = buffer.alignment
    guard alignment > 0, alignment & (alignment - 1) == 0, alignment <= 4096,
      alignment >= buffer.element.byteCount
    else {
      throw broken("alignment \(alignment) is not a power of two from the element's size to 4096")
    }
  }

  /// L8: a written buffer has one place for each element: every stride passes all that smaller ones reach.
  static func verifyDistinctElements(_ buffer: Buffer) throws(Diagnostic) {
    let dimensions = zip(buffer.strides, buffer.extents).filter { $0.1 > 1 }
      .sorted { $0.0 < $1.0 }
    var reach = 0
    for (stride, extent) in dimensions {
      guard stride > reach else {
        throw broken(
          "L8", "%\(buffer.name) is written, but stride \(stride) puts two elements at one place")
      }
      reach += stride * (extent - 1)
    }
  }
}

extension BufferRole {
  /// The word in the text form and in messages.
  var word: String {
    switch self {
    case .parameter: return "parameter"
    case .constant: return "constant"
    case .input: return "input"
    case .output: return "output"
    case .slice: return "slice"
    case .temporary: return "temporary"
    case .scratch: return "scratch"
    }
  }
}

extension ModuleBuffer {
  /// Whether it is the host's memory: an input or an output.
  var isOfHost: Bool {
    switch role {
    case .input, .output: return true
    default: return false
    }
  }
}
