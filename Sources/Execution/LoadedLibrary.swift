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
  let functions: Functions

  public var inputShapes: [Shape] { tensors.inputs.map(\.shape) }
  public var outputShapes: [Shape] { tensors.outputs.map(\.shape) }
  /// The network and its settings, as in the metadata of weight files; empty where the library is of none.
  public var metadata: [String: String] { tensors.metadata }

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
    try LibraryContext(self, threads: threads, weights: weights).run(inputs: inputs)
  }

  /// Runs the library's built-in test; throws where its outputs differ from those the compiler saw.
  public func selftest(threads: Int = 0, weights: [UInt8]? = nil) throws(Diagnostic) {
    try LibraryContext(self, threads: threads, weights: weights).selftest()
  }

  /// Copies of the inputs, aligned; throws where they do not fit the model.
  func memories(of inputs: [Tensor<Float>]) throws(Diagnostic) -> [AlignedMemory] {
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

  /// Throws where the tensor's shape is not that input's.
  func check(_ tensor: Tensor<Float>, asInput number: Int) throws(Diagnostic) {
    try tensors.inputs[number].check(tensor, "input")
  }

  func check(_ status: rephase_status, _ call: String) throws(Diagnostic) {
    guard status != REPHASE_OK else { return }
    throw Diagnostic(
      "\(name)_\(call): \(String(cString: functions.statusText(status)))", help: help(status))
  }

  private func help(_ status: rephase_status) -> String? {
    switch status {
    case REPHASE_WEIGHTS_MISSING, REPHASE_WEIGHTS_SIZE, REPHASE_WEIGHTS_MISMATCH:
      return "give --weights the \(name).weights that 'compile' wrote beside the library"
    case REPHASE_GPU_MEMORY: return HostGPU.memoryHelp
    case REPHASE_GPU_FAILED: return HostGPU.failureHelp
    default: return nil
    }
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
