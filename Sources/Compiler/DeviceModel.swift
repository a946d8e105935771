import CodeGen
import Diagnostics
import Execution
import LoopIR
import Schedules
import Tensors

/// A model on this machine's GPU: a library in a temporary folder, loaded into this process.
public struct DeviceModel {
  private let context: LibraryContext
  private let inputShapes: [Shape]

  /// Throws where the target is no GPU's, or the GPU, its driver or the C tool chain is missing.
  public init(
    _ model: StagedModel, target: Target, precision: Precision, choices: ScheduleChoices? = nil,
    weights: [String: Tensor<Float>]
  ) throws(Diagnostic) {
    try HostCheck.checkGPU(target)
    let name = "model"
    let folder = try WorkFolder()
    var compiler = LibraryCompiler(
      target: target, precision: precision, embedsWeights: true, choices: choices,
      assembler: try DeviceAssembler.installed())
    compiler.hasSelftest = false
    _ = try compiler.compile(model, name: name, source: "", weights: weights, to: folder.url.path)
    // What is loaded needs its file no more.
    let library = try LoadedLibrary(
      path: folder.url.appendingPathComponent("lib\(name).so").path)
    inputShapes = library.inputShapes
    context = try LibraryContext(library)
  }

  /// Images computed together.
  public var batch: Int { inputShapes.first?.extents.first ?? 1 }

  public func run(inputs: [Tensor<Float>]) throws(Diagnostic) -> [Tensor<Float>] {
    try context.run(inputs: inputs)
  }

  /// The model with its inputs and outputs kept on the GPU.
  public func makeRunner() throws(Diagnostic) -> DeviceRunner { try DeviceRunner(context) }

  /// Seconds of each round, after two that are not counted; copies to the GPU and back are part of them.
  public func times(rounds: Int) throws(Diagnostic) -> [Double] {
    var seconds: [Double] = []
    let inputs = Benchmark.inputs(inputShapes)
    try context.repeated(rounds + 2, inputs: inputs) { seconds.append(Benchmark.seconds($0)) }
    return Array(seconds.dropFirst(2))
  }
}
