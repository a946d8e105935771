import CodeGen
import Diagnostics
import Execution
import LoopIR
import PTXEmulator
import Schedules
import Tensors

/// A model for a GPU, run by the PTX emulator: checked and slow.
public struct EmulatedModel {
  private let module: LoopModule
  private let emulator: Emulator
  private let launches: [Launch]
  private let constants: DeviceMemory

  /// Carries the model on to PTX and folds the weights; throws where the target is no GPU.
  public init(
    _ model: StagedModel, target: Target, precision: Precision, choices: ScheduleChoices? = nil,
    weights: [String: Tensor<Float>]
  ) throws(Diagnostic) {
    let writer = StageWriter(target: target, precision: precision, choices: choices)
    let text = try writer.text(of: model, at: .ptx)
    module = try Pipeline(target: target, precision: precision, choices: choices).scheduled(model)
    try MemoryLimit.check(module)
    launches = try DeviceProgram(module).launches
    emulator = try Emulator(text)
    let bytes = try Preparation.constants(of: module, parameters: weights).bytes
    constants = DeviceMemory(byteCount: bytes.count)
    constants.fill(bytes)
  }

  /// One output for each of the model's, from one tensor for each input.
  ///
  /// Throws what the emulator finds wrong.
  public func run(inputs: [Tensor<Float>]) throws(Diagnostic) -> [Tensor<Float>] {
    let arena = DeviceMemory(byteCount: try module.workspaceByteCount())
    let layout = try module.constantLayout()
    var memories: [String: DeviceMemory] = [:]
    var next = inputs.makeIterator()
    for item in module.buffers {
      let memory = DeviceMemory(byteCount: item.buffer.byteCount)
      switch item.role {
      case .input:
        guard let values = next.next()?.values, values.count * 4 == item.buffer.byteCount else {
          throw Diagnostic("the inputs do not fit the model's")
        }
        memory.fill(values.withUnsafeBytes { Array($0) })
      case .output: break
      default: continue
      }
      memories[item.buffer.name] = memory
    }
    /// Where a launch finds a buffer.
    func place(_ name: String) throws(Diagnostic) -> (memory: DeviceMemory, range: Range<Int>) {
      guard let item = module.buffer(named: name) else {
        throw Diagnostic("there is no buffer %\(name)")
      }
      let bytes = item.buffer.byteCount
      switch item.role {
      case .temporary(let offset?): return (arena, offset..<offset + bytes)
      case .constant:
        let offset = layout.offsets[name] ?? 0
        return (constants, offset..<offset + bytes)
      default:
        guard let memory = memories[name] else {
          throw Diagnostic("%\(name) cannot be emulated on a GPU")
        }
        return (memory, 0..<bytes)
      }
    }
    for launch in launches {
      var buffers: [DeviceBuffer] = []
      for (name, parameter) in zip(launch.arguments, launch.kernel.parameters) {
        let place = try place(name)
        buffers.append(
          DeviceBuffer(
            name: name, memory: place.memory, range: place.range,
            isWritable: parameter.access.writes, isReadable: parameter.access.reads))
      }
      try emulator.launch(
        launch.entry, blocks: launch.grid.blocks, threads: launch.grid.threads,
        dynamicSharedBytes: launch.grid.dynamicSharedBytes, buffers: buffers)
    }
    return try outputs(memories)
  }

  private func outputs(
    _ memories: [String: DeviceMemory]
  ) throws(Diagnostic) -> [Tensor<Float>] {
    var outputs: [Tensor<Float>] = []
    for item in module.buffers {
      guard case .output(let name) = item.role else { continue }
      let shape = try Shape(item.buffer.extents)
      guard let values = memories[item.buffer.name]?.floats(item.buffer.spanElements) else {
        throw Diagnostic("the output \"\(name)\" was not written everywhere")
      }
      outputs.append(try Tensor(shape, values))
    }
    return outputs
  }
}
