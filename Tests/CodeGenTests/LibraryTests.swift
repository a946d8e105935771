import CodeGen
import Diagnostics
import Execution
import Foundation
import LoopIR
import Schedules
import Tensors
import Testing

/// Compiled libraries: what is in them, and that they compute what the JIT computes.
@Suite struct LibraryTests {
  private let convolution = Convolution(
    channels: 3, outputs: 16, height: 4, width: 9, tile: 4, lanes: 8)

  /// Writes the convolution as library `conv`; gives back the constants too.
  private func write(to folder: String, embed: Bool) throws -> [UInt8] {
    let module = convolution.module(convolution.scheduled, scheduled: true)
    let shape = try Shape([16, 3, 3, 3])
    let constants = try Preparation.constants(
      of: module,
      parameters: [
        "weight": try Tensor(shape, noise(shape.elementCount)),
        "bias": Tensor(try Shape([16]), repeating: 1),
      ]
    ).bytes
    let generator = CodeGenerator(target: try Targets.resolve("x86-64-v3"))
    let code = try generator.kernels(of: module, prefix: "conv")
    try code.optimize()
    let manifest = """
      {"inputs": [{"name": "x", "shape": [1, 3, 4, 9]}], \
      "outputs": [{"name": "y", "shape": [1, 16, 4, 9]}]}
      """
    let quoted = manifest.replacingOccurrences(of: "\"", with: "\\\"")
    let zeros = Array(repeating: "0", count: 32).joined(separator: ",")
    let data = """
      #define REPHASE_MANIFEST "\(quoted)"
      #define REPHASE_WEIGHTS_EMBEDDED \(embed ? 1 : 0)
      #define REPHASE_WORKSPACE_BYTES \(try module.workspaceByteCount())
      #define REPHASE_WORKSPACE_ALIGNMENT 64
      #define REPHASE_INPUT_COUNT 1
      #define REPHASE_OUTPUT_COUNT 1
      #define REPHASE_INPUT_ELEMENTS {108}
      #define REPHASE_OUTPUT_ELEMENTS {576}
      #define REPHASE_CONSTANT_BYTES \(constants.count)
      #define REPHASE_CONSTANT_SHA256 {\(zeros)}
      #define REPHASE_CPU_FEATURES 0
      #define REPHASE_HAS_SELFTEST 0
      #define REPHASE_SELFTEST_DIGEST {\(zeros)}

      """
    let files = try LibraryWriter(generator).write(
      LibraryContents(
        name: "conv", kernels: try code.object(), modelData: data,
        documentation: "A test.\nWith a comment's end */ in it.", manifest: manifest,
        constants: constants, embedsConstants: embed), to: folder)
    #expect(files.contains("conv.weights") != embed)
    return constants
  }

  private func temporaryFolder() -> URL {
    FileManager.default.temporaryDirectory.appendingPathComponent("rephase-\(UUID().uuidString)")
  }

  @Test func libraryComputesWhatTheJITComputes() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    _ = try write(to: folder.path, embed: true)
    let library = try LoadedLibrary(path: folder.appendingPathComponent("libconv.so").path)
    #expect(library.name == "conv")
    let shape = try Shape([1, 3, 4, 9])
    let input = try Tensor(shape, noise(108, seed: 5))
    let weights = try Shape([16, 3, 3, 3])
    let session = try NativeSession(
      convolution.module(convolution.scheduled, scheduled: true),
      target: try Targets.resolve("x86-64-v3"),
      parameters: [
        "weight": try Tensor(weights, noise(weights.elementCount)),
        "bias": Tensor(try Shape([16]), repeating: 1),
      ])
    #expect(try library.run(inputs: [input], threads: 2) == session.run(inputs: [input]))
    #expect(throws: Diagnostic.self) { try library.run(inputs: []) }
    #expect(throws: Diagnostic.self) { try library.selftest() }
  }

  @Test func sameFilesEachTime() throws {
    let folders = [temporaryFolder(), temporaryFolder()]
    defer { for folder in folders { try? FileManager.default.removeItem(at: folder) } }
    for folder in folders { _ = try write(to: folder.path, embed: true) }
    let names = try FileManager.default.contentsOfDirectory(atPath: folders[0].path).sorted()
    #expect(names == ["conv.h", "conv.json", "conv.o", "libconv.a", "libconv.so"])
    for name in names {
      let contents = try folders.map { try Data(contentsOf: $0.appendingPathComponent(name)) }
      #expect(contents[0] == contents[1], "\(name)")
      #expect(contents[0].range(of: Data(folders[0].path.utf8)) == nil)
    }
  }

  @Test func weightsCanLieBesideTheLibrary() throws {
    let folder = temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let constants = try write(to: folder.path, embed: false)
    let file = folder.appendingPathComponent("conv.weights")
    #expect(try Data(contentsOf: file) == Data(constants))
    let library = try LoadedLibrary(path: folder.appendingPathComponent("libconv.so").path)
    let input = Tensor<Float>(try Shape([1, 3, 4, 9]), repeating: 0)
    #expect(throws: Diagnostic.self) { try library.run(inputs: [input]) }
  }

  @Test func otherFilesAreNoLibraries() throws {
    let folder = temporaryFolder()
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("libx.so").path
    #expect(throws: Diagnostic.self) { try LoadedLibrary(path: file) }
    try Data("text".utf8).write(to: URL(fileURLWithPath: file))
    #expect(throws: Diagnostic.self) { try LoadedLibrary(path: file) }
  }

  @Test func nothingIsLeftWhereWritingFails() throws {
    let file = temporaryFolder()
    try Data().write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    #expect(throws: Diagnostic.self) {
      try write(to: file.appendingPathComponent("sub").path, embed: true)
    }
  }
}
