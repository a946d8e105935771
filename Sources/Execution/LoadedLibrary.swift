import CRephaseRuntime
import Diagnostics
import Foundation
import Tensors

/// A compiled model, loaded from its shared library and run through its C interface.
public final class LoadedLibrary {
  public let name: String
  /// JSON, as the library gives it.
  public let manifest: String
  private let handle: UnsafeMutableRawPointer
  private let tensors: Manifest
  private let functions: Functions

  public var inputShapes: [Shape] { tensors.inputs.map(\.shape) }
  public var outputShapes: [Shape] { tensors.outputs.map(\.shape) }

  /// Loads `libN.so`; throws where the file is no model library. Loading runs the file's code: it must be trusted.
  public init(path: String) throws(Diagnostic) {
    let name = try Self.modelName(path)
    // A path without a slash would be searched for in the system's folders.
    guard let handle = dlopen(URL(fileURLWithPath: path).path, RTLD_NOW | RTLD_LOCAL) else {
      let reason = dlerror().map { String(cString: $0) } ?? "unknown error"
      throw Diagnostic("cannot load \(path): \(reason)")
    }
    do throws(Diagnostic) {
      functions = try Functions(handle, name)
      manifest = String(cString: functions.manifest())
      tensors = try Manifest(manifest)
    } catch {
      dlclose(handle)
      throw error.located(at: SourceLocation(file: path))
    }
    self.handle = handle
    self.name = name
  }

  deinit { dlclose(handle) }

  /// One inference; `weights` are the bytes of `N.weights` where the library does not embed them.
  public func run(
    inputs: [Tensor<Float>], threads: Int = 0, weights: [UInt8]? = nil
  ) throws(Diagnostic) -> [Tensor<Float>] {
    let sources = try memories(of: inputs)
    let results = tensors.outputs.map { AlignedMemory(byteCount: $0.shape.elementCount * 4) }
    let workspace = AlignedMemory(byteCount: functions.workspaceBytes())
    try withContext(threads, weights) { (context) throws(Diagnostic) in
      let from = sources.map { UnsafeRawPointer($0.pointer) as UnsafeRawPointer? }
      let to = results.map { $0.pointer as UnsafeMutableRawPointer? }
      try check(
        functions.run(context, from, to, workspace.pointer, workspace.byteCount), "run")
    }
    var outputs: [Tensor<Float>] = []
    for (declared, memory) in zip(tensors.outputs, results) {
      outputs.append(try Tensor(declared.shape, memory.floats(declared.shape.elementCount)))
    }
    return outputs
  }

  /// Runs the library's built-in test; throws where its outputs differ from those the compiler saw.
  public func selftest(threads: Int = 0, weights: [UInt8]? = nil) throws(Diagnostic) {
    let workspace = AlignedMemory(byteCount: functions.workspaceBytes())
    try withContext(threads, weights) { (context) throws(Diagnostic) in
      try check(functions.selftest(context, workspace.pointer, workspace.byteCount), "selftest")
    }
  }

  private func memories(of inputs: [Tensor<Float>]) throws(Diagnostic) -> [AlignedMemory] {
    guard inputs.count == tensors.inputs.count else {
      throw Diagnostic("the model takes \(tensors.inputs.count) inputs, not \(inputs.count)")
    }
    var memories: [AlignedMemory] = []
    for (tensor, declared) in zip(inputs, tensors.inputs) {
      try declared.check(tensor, "input")
      let memory = AlignedMemory(byteCount: tensor.values.count * 4)
      memory.fill(tensor.values)
      memories.append(memory)
    }
    return memories
  }

  private func withContext(
    _ threads: Int, _ weights: [UInt8]?,
    _ body: (UnsafeMutableRawPointer) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let context = AlignedMemory(byteCount: functions.contextBytes())
    let blob = weights.map { bytes in
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
    try check(
      functions.create(
        context.pointer, context.byteCount, blob?.pointer, blob?.byteCount ?? 0, &options),
      "create")
    defer { functions.destroy(context.pointer) }
    try body(context.pointer)
    withExtendedLifetime(blob) {}
  }

  private func check(_ status: rephase_status, _ call: String) throws(Diagnostic) {
    guard status != REPHASE_OK else { return }
    throw Diagnostic("\(name)_\(call): \(String(cString: functions.statusText(status)))")
  }

  /// The longest file that is looked at: a library with embedded weights.
  private static let maximumBytes = 4 << 30

  /// N, from the one exported name that ends in `_manifest`.
  private static func modelName(_ path: String) throws(Diagnostic) -> String {
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size]) as? Int
    guard let size, size <= maximumBytes,
      let data = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
    else { throw Diagnostic("cannot read \(path)") }
    guard data.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else {
      throw Diagnostic(
        "\(path) is not a shared library", help: "give libN.so as 'compile' wrote it")
    }
    guard ElfFile.isComplete(data) else {
      throw Diagnostic(
        "\(path) is damaged: its segments are not all there",
        help: "give libN.so as 'compile' wrote it")
    }
    let suffix = Data("_manifest\0".utf8)
    guard let end = data.range(of: suffix) else {
      throw Diagnostic("\(path) is not a model's library: it has no N_manifest")
    }
    let prefix = data[..<end.lowerBound].suffix(64).reversed().prefix { byte in
      byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }
    return String(decoding: prefix.reversed(), as: UTF8.self)
  }
}
