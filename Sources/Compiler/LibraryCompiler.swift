import CodeGen
import Diagnostics
import Execution
import Foundation
import LoopIR
import Networks
import Schedules
import Tensors

/// Compiles a model ahead of time: `N.o`, `libN.a`, `libN.so`, `N.h`, `N.json` (and `N.weights`).
public struct LibraryCompiler {
  public var target: Target
  public var precision: Precision
  public var embedsWeights: Bool
  /// A schedule file's, instead of the cost model's.
  public var choices: ScheduleChoices?
  /// Makes machine code for a GPU; without it there is PTX alone.
  public var assembler: DeviceAssembler?
  /// Whether the library gets a self-test, where there can be one.
  var hasSelftest = true

  public init(
    target: Target, precision: Precision, embedsWeights: Bool, choices: ScheduleChoices? = nil,
    assembler: DeviceAssembler? = nil
  ) {
    self.target = target
    self.precision = precision
    self.embedsWeights = embedsWeights
    self.choices = choices
    self.assembler = assembler
  }

  /// Writes the library into a folder and gives back the names of its files.
  ///
  /// The same model, weights and options give the same bytes. `source` is the model's text, for the manifest's hash.
  public func compile(
    _ model: StagedModel, name: String, source: String, weights: [String: Tensor<Float>],
    to folder: String
  ) throws(Diagnostic) -> [String] {
    try ModelName.check(name)
    guard !folder.isEmpty else {
      throw Diagnostic("an empty name is no folder", help: "use . for the current one")
    }
    let pipeline = Pipeline(target: target, precision: precision, choices: choices)
    let module = try pipeline.scheduled(model)
    try MemoryLimit.check(module)
    let hasInput = module.buffers.contains { if case .input = $0.role { true } else { false } }
    guard hasInput else {
      throw Diagnostic("the model has no input, and libraries are called with one at least")
    }
    let device = try target.gpu.map { _ throws(Diagnostic) in
      try DeviceData(model, module, pipeline, assembler)
    }
    let object =
      device == nil ? try self.object(model, module, name: name, pipeline) : nil
    let constants = try Preparation.constants(of: module, parameters: weights)
    let blob = DigestedBytes(constants.bytes)
    let manifest = Manifest(
      name: name, module: module, target: target, source: source,
      constants: blob, embedsConstants: embedsWeights, precision: precision,
      promise: model.promise(precision),
      workspaceBytes: device == nil ? try workspaceByteCount(module) : 0,
      gpuCode: device.map { Manifest.GPUCode($0, assembler) })
    let json = try manifest.json()
    var data = ModelData(
      module: module, target: target, constants: blob, embedsConstants: embedsWeights,
      manifest: json, device: device)
    if hasSelftest {
      data.selftest =
        if let object { try selftest(module, object, constants, name: name) } else {
          try DeviceSelftest(model, precision, weights)?.definitions ?? []
        }
    }
    let contents = LibraryContents(
      name: name, kernels: object, modelData: try data.text(), documentation: data.documentation,
      manifest: json, constants: blob.bytes, embedsConstants: embedsWeights)
    let host = device == nil ? target : try Targets.resolve("x86-64")
    return try LibraryWriter(CodeGenerator(target: host)).write(contents, to: folder)
  }

  /// The arena, then the self-test's inputs and outputs, as the library's own function says.
  private func workspaceByteCount(_ module: LoopModule) throws(Diagnostic) -> Int {
    let tensors = module.buffers.filter {
      switch $0.role {
      case .input, .output: return hasSelftest
      default: return false
      }
    }
    return try module.workspaceByteCount() + BufferLayout(tensors.map(\.buffer)).byteCount
  }

  /// The kernels, for the library, whose writer hides them, and for the self-test.
  private func object(
    _ model: StagedModel, _ module: LoopModule, name: String, _ pipeline: Pipeline
  ) throws(Diagnostic) -> [UInt8] {
    switch model {
    case .graph, .loops:
      var renamed = module
      renamed.name = name
      return try pipeline.code(renamed, hidden: false).object()
    case .llvm(let text, _):
      let renamed = LLVMText.visible(text, from: module.name, to: name)
      return try GeneratedCode(parsing: renamed, target: target).object()
    case .ptx:
      throw Diagnostic("the dump is PTX, not code for \(target.name)", help: "give --target sm_90")
    case .assembly(let text, _):
      return try Assembly.object(text, from: module.name, to: name)
    }
  }

  /// The definitions of the self-test of code for CPUs; none where this machine cannot run it.
  private func selftest(
    _ module: LoopModule, _ object: [UInt8], _ constants: AlignedMemory, name: String
  ) throws(Diagnostic) -> [String] {
    let runsHere: Void? = try? HostCheck.check(target)
    guard runsHere != nil else { return [] }
    let session = try NativeSession(module, object: object, constants: constants, prefix: name)
    let outputs = try session.run(inputs: try Selftest.inputs(of: module))
    let digest = Selftest.digest(outputs).map(String.init).joined(separator: ", ")
    return ["REPHASE_SELFTEST_DIGEST {\(digest)}"]
  }
}

/// The C definitions that the runtime's `model.c` asks for.
struct ModelData {
  var module: LoopModule
  var target: Target
  var constants: DigestedBytes
  var embedsConstants: Bool
  var manifest: String
  /// Empty where there is none.
  var selftest: [String] = []
  /// Set where a GPU runs the kernels.
  var device: DeviceData?

  private var inputs: [Buffer] {
    module.buffers.compactMap {
      if case .input = $0.role { return $0.buffer } else { return nil }
    }
  }

  private var outputs: [Buffer] {
    module.buffers.compactMap {
      if case .output = $0.role { return $0.buffer } else { return nil }
    }
  }

  /// For the header's first lines.
  var documentation: String {
    func list(_ buffers: [Buffer]) -> String {
      buffers.enumerated().map { number, buffer in
        "\(number): \(buffer.name) \(buffer.element.rawValue)\(buffer.extents)"
      }.joined(separator: "; ")
    }
    return "\(module.name), compiled for \(target.name).\nInputs  \(list(inputs))\n"
      + "Outputs \(list(outputs))\nAll tensors are dense, row-major, batch first."
  }

  func text() throws(Diagnostic) -> String {
    func elements(_ buffers: [Buffer]) -> String {
      "{" + buffers.map { "\($0.extents.reduce(1, *))" }.joined(separator: ", ") + "}"
    }
    func bytes(_ digest: [UInt8]) -> String {
      "{" + digest.map(String.init).joined(separator: ", ") + "}"
    }
    var lines = [
      "REPHASE_INPUT_COUNT \(inputs.count)",
      "REPHASE_OUTPUT_COUNT \(outputs.count)",
      "REPHASE_INPUT_ELEMENTS \(elements(inputs))",
      "REPHASE_OUTPUT_ELEMENTS \(elements(outputs))",
      "REPHASE_WORKSPACE_BYTES \(device == nil ? try module.workspaceByteCount() : 0)",
      "REPHASE_WORKSPACE_ALIGNMENT \(PlanMemory.alignment)",
      "REPHASE_CONSTANT_BYTES \(constants.bytes.count)",
      "REPHASE_CONSTANT_SHA256 \(bytes(constants.digest))",
      "REPHASE_WEIGHTS_EMBEDDED \(embedsConstants ? 1 : 0)",
      "REPHASE_MANIFEST \(Self.literal(manifest.utf8))",
      "REPHASE_CPU_FEATURES 0x\(String(device == nil ? Targets.featureMask(of: target) : 0, radix: 16))ULL",
      "REPHASE_HAS_SELFTEST \(selftest.isEmpty ? 0 : 1)",
    ]
    lines += selftest
    if let device { lines += try device.definitions(module) }
    return lines.map { "#define \($0)\n" }.joined()
  }

  /// A C string literal; every byte that is not plain text is escaped in octal, and so are question marks, two of which
  /// begin a trigraph (C11, 5.2.1.1).
  static func literal(_ bytes: some Sequence<UInt8>) -> String {
    var literal = "\""
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\n"): literal += "\\n"
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): literal += "\\" + String(UnicodeScalar(byte))
      case 32..<127 where byte != UInt8(ascii: "?"): literal += String(UnicodeScalar(byte))
      default: literal += "\\" + String(UInt16(byte) + 0o1000, radix: 8).dropFirst()
      }
    }
    return literal + "\""
  }
}
