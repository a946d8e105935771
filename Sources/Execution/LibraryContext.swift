import CRephaseRuntime
import Diagnostics
import Tensors

/// A context of a loaded library, which a host keeps between runs; one call at a time.
public final class LibraryContext {
  public let library: LoadedLibrary
  private let context: AlignedMemory
  private let workspace: AlignedMemory
  /// Those that the library does not embed.
  private let weights: AlignedMemory?

  /// `weights` are the bytes of `N.weights` where the library does not embed them.
  public init(
    _ library: LoadedLibrary, threads: Int = 0, weights: [UInt8]? = nil
  ) throws(Diagnostic) {
    let functions = library.functions
    self.library = library
    context = AlignedMemory(byteCount: functions.contextBytes())
    workspace = AlignedMemory(byteCount: functions.workspaceBytes())
    self.weights = weights.map { bytes in
      let memory = AlignedMemory(byteCount: bytes.count)
      bytes.withUnsafeBytes { source in
        if let start = source.baseAddress {
          memory.pointer.copyMemory(from: start, byteCount: source.count)
        }
      }
      return memory
    }
    var options = rephase_options()
    options.size = MemoryLayout<rephase_options>.size
    options.threads = UInt32(clamping: min(threads, Int(REPHASE_MAX_THREADS)))
    // Memory that holds no context is left alone by `destroy`, should this throw.
    context.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: context.byteCount)
    let status = functions.create(
      context.pointer, context.byteCount, self.weights?.pointer, self.weights?.byteCount ?? 0,
      &options)
    try library.check(status, "create")
  }

  /// A context of the library `path`; `weights` is the file where it does not embed them.
  public convenience init(path: String, weights: String?, threads: Int) throws(Diagnostic) {
    let bytes = try weights.map { (path) throws(Diagnostic) in try FileBytes.read(path) }
    let library = try LoadedLibrary(path: path)
    do { try self.init(library, threads: threads, weights: bytes) } catch {
      throw error.located(at: SourceLocation(file: weights ?? path))
    }
  }

  deinit { library.functions.destroy(context.pointer) }

  /// One inference.
  public func run(inputs: [Tensor<Float>]) throws(Diagnostic) -> [Tensor<Float>] {
    let shapes = library.outputShapes
    let results = shapes.map { AlignedMemory(byteCount: $0.elementCount * 4) }
    try run(from: try library.memories(of: inputs), to: results)
    var outputs: [Tensor<Float>] = []
    for (shape, memory) in zip(shapes, results) {
      outputs.append(try Tensor(shape, memory.floats(shape.elementCount)))
    }
    return outputs
  }

  /// Runs that many times on the same inputs; `watch` calls what it is given once and sees how long that takes.
  public func repeated(
    _ count: Int, inputs: [Tensor<Float>], watch: (() -> Void) -> Void
  ) throws(Diagnostic) {
    let sources = try library.memories(of: inputs)
    let results = library.outputShapes.map { AlignedMemory(byteCount: $0.elementCount * 4) }
    for _ in 0..<count {
      var problem: Diagnostic?
      watch {
        do throws(Diagnostic) { try run(from: sources, to: results) } catch { problem = error }
      }
      if let problem { throw problem }
    }
  }

  private func run(from sources: [AlignedMemory], to results: [AlignedMemory]) throws(Diagnostic) {
    let from = sources.map { UnsafeRawPointer($0.pointer) as UnsafeRawPointer? }
    let to = results.map { $0.pointer as UnsafeMutableRawPointer? }
    try library.check(
      library.functions.run(
        context.pointer, from, to, workspace.pointer, workspace.byteCount), "run")
    withExtendedLifetime((sources, results)) {}
  }

  /// Puts one inference on tensors in memory of the context's GPU into a stream of it.
  ///
  /// Throws where the library is for CPUs.
  func run(
    onDevice inputs: [UInt64], to outputs: [UInt64], stream: UnsafeMutableRawPointer?
  ) throws(Diagnostic) {
    guard let runDevice = library.functions.runDevice else {
      throw Diagnostic("the library of model '\(library.name)' is not for a GPU")
    }
    let from = inputs.map { UnsafeRawPointer(bitPattern: UInt($0)) }
    let to = outputs.map { UnsafeMutableRawPointer(bitPattern: UInt($0)) }
    try library.check(runDevice(context.pointer, from, to, stream), "run_device")
  }

  /// Runs the library's built-in test; throws where its outputs differ from those the compiler saw.
  public func selftest() throws(Diagnostic) {
    try library.check(
      library.functions.selftest(context.pointer, workspace.pointer, workspace.byteCount),
      "selftest")
  }
}
