import CRephaseRuntime
import Diagnostics
import Foundation

/// Everything a model's library is made of.
public struct LibraryContents: Sendable {
  /// Begins every symbol and file name.
  public var name: String
  /// The object with `<name>_kernels`, hidden; nil where a GPU runs the kernels.
  public var kernels: [UInt8]?
  /// The C definitions that the runtime's `model.c` asks for.
  public var modelData: String
  /// One sentence or more about the model, for the header's first lines.
  public var documentation: String
  public var manifest: String
  /// The blob of constants (a multiple of 64 bytes).
  public var constants: [UInt8]
  /// In the library, or in a file `<name>.weights` beside it.
  public var embedsConstants: Bool

  public init(
    name: String, kernels: [UInt8]?, modelData: String, documentation: String, manifest: String,
    constants: [UInt8], embedsConstants: Bool
  ) {
    self.name = name
    self.kernels = kernels
    self.modelData = modelData
    self.documentation = documentation
    self.manifest = manifest
    self.constants = constants
    self.embedsConstants = embedsConstants
  }
}

/// Makes `N.o`, `libN.a`, `libN.so`, `N.h`, `N.json` (and `N.weights`): the same bytes from the same contents.
public struct LibraryWriter: Sendable {
  private let generator: CodeGenerator

  public init(_ generator: CodeGenerator) {
    self.generator = generator
  }

  /// The functions of the C interface, without the model's name; all else is local to the library. The last two are
  /// in libraries for GPUs alone.
  static let exports = [
    "manifest", "workspace_bytes", "workspace_alignment", "context_bytes", "create", "run",
    "selftest", "status_text", "destroy", "device_info", "run_device",
  ]

  /// Writes the library into a folder, made where it is missing; the names of the files are given back.
  ///
  /// Throws where the name is no C identifier, the C tool chain is missing or fails, or the folder cannot be written.
  @discardableResult
  public func write(
    _ contents: LibraryContents, to destination: String
  ) throws(Diagnostic) -> [String] {
    let name = contents.name
    try ModelName.check(name)
    let work = try WorkFolder()
    let objects = try writeInputs(contents, work)
    try build(name, objects, work.url)
    var files = ["\(name).o", "lib\(name).a", "lib\(name).so", "\(name).h", "\(name).json"]
    try work.write("\(name).json", contents.manifest.utf8)
    if !contents.embedsConstants {
      try work.write("\(name).weights", contents.constants)
      files.append("\(name).weights")
    }
    try publish(files, from: work.url, to: destination)
    return files
  }

  /// The objects and C files; gives back the objects' names.
  private func writeInputs(
    _ contents: LibraryContents, _ work: borrowing WorkFolder
  ) throws(Diagnostic) -> [String] {
    let header = try Self.header(
      name: contents.name, documentation: contents.documentation,
      forGPU: contents.kernels == nil)
    for (name, text) in Self.runtimeFiles where !name.hasSuffix("_header.h") {
      try work.write("runtime/\(name)", text.utf8)
    }
    try work.write("runtime/model_header.h", header.utf8)
    try work.write("runtime/model_data.h", contents.modelData.utf8)
    try work.write("\(contents.name).h", header.utf8)
    var objects: [String] = []
    if let kernels = contents.kernels {
      try work.write("kernels.o", kernels)
      objects.append("kernels.o")
    }
    guard contents.embedsConstants else { return objects }
    try work.write(
      "constants.o", try generator.constants(contents.constants, prefix: contents.name))
    return objects + ["constants.o"]
  }

  private func build(_ name: String, _ objects: [String], _ folder: URL) throws(Diagnostic) {
    let compiler = try Tool("cc")
    let objcopy = try Tool("objcopy")
    let archiver = try Tool("ar")
    let runtime = [
      "-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-ident", "-pthread",
      "-DREPHASE_MODEL=\(name)", "-ffile-prefix-map=\(folder.path)=.", "-c", "runtime/model.c",
      "-o", "runtime.o",
    ]
    do throws(Diagnostic) { try compiler.run(runtime, in: folder) } catch {
      throw Diagnostic(
        error.message,
        help:
          "C may use '\(name)' for something else: choose another by --name, or check 'cc --version'",
        notes: error.notes)
    }
    try compiler.run(["-r", "-nostdlib", "-o", "whole.o", "runtime.o"] + objects, in: folder)
    let kept = Self.exports.map { "--keep-global-symbol=\(name)_\($0)" }
    try objcopy.run(kept + ["whole.o", "\(name).o"], in: folder)
    try archiver.run(["rcsD", "lib\(name).a", "\(name).o"], in: folder)
    try compiler.run(
      [
        "-shared", "-o", "lib\(name).so", "\(name).o", "-Wl,-soname,lib\(name).so",
        "-Wl,--no-undefined", "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,-z,relro",
        "-Wl,-z,now", "-Wl,--as-needed", "-lm", "-pthread",
      ], in: folder)
  }

  /// The runtime's C files by name, in a fixed order.
  static var runtimeFiles: [(name: String, text: String)] {
    var count = 0
    guard let files = rephase_runtime_files(&count) else { return [] }
    return UnsafeBufferPointer(start: files, count: count).map { file in
      let bytes = UnsafeBufferPointer(start: file.bytes, count: file.size)
      return (String(cString: file.name), String(decoding: bytes, as: UTF8.self))
    }
  }

  /// The host's header: the runtime's template with the model's name.
  public static func header(
    name: String, documentation: String, forGPU: Bool
  ) throws(Diagnostic) -> String {
    let files = runtimeFiles
    guard let template = files.first(where: { $0.name == "model_header.h" }),
      let device = files.first(where: { $0.name == "device_header.h" }),
      let types = files.first(where: { $0.name == "rephase_types.h" })
    else { throw Diagnostic("this build of the compiler lacks the runtime's C files") }
    let comment = documentation.replacingOccurrences(of: "*/", with: "* /")
      .split(separator: "\n", omittingEmptySubsequences: false)
      .map { $0.isEmpty ? " *" : " * \($0)" }.joined(separator: "\n")
    return template.text.replacingOccurrences(of: "@TYPES@", with: types.text)
      .replacingOccurrences(of: "@DEVICE@", with: forGPU ? device.text : "")
      .replacingOccurrences(of: "@NAME@", with: name)
      .replacingOccurrences(of: "@DOC@", with: comment)
  }
}
