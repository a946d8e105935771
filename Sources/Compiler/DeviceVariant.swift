import CodeGen
import Diagnostics
import LoopIR
import Schedules

/// Kernels of a model for a GPU by some choices, compiled but not yet on a GPU.
struct DeviceVariant: Sendable {
  let launches: [Launch]
  let ptx: String
  /// Machine code for exactly the target, where an assembler was at hand.
  let cubin: [UInt8]?
  /// Where each buffer lies in one block of memory, in which all have a place.
  private let offsets: [String: Int]
  let byteCount: Int

  /// The choices of `pipeline`, for the convolutions named alone, or the whole model.
  init(
    _ plain: LoopModule, _ pipeline: Pipeline, only kernels: Set<String>? = nil,
    _ assembler: DeviceAssembler?
  ) throws(Diagnostic) {
    var module = try pipeline.scheduled(plain)
    try MemoryLimit.check(module)
    (offsets, byteCount) = try Self.layout(module)
    if let kernels {
      module.run = module.run.filter {
        if case .call(let name, _) = $0 {
          kernels.contains(LoopModule.generalName(name))
        } else {
          false
        }
      }
    }
    launches = try DeviceProgram(module).launches
    let text = try pipeline.code(module, hidden: true).assembly()
    ptx = text
    cubin = try assembler.map { (assembler) throws(Diagnostic) in
      try assembler.assemble(text)
    }
  }

  /// Inputs and outputs, constants, and the arena.
  private static func layout(
    _ module: LoopModule
  ) throws(Diagnostic) -> (offsets: [String: Int], byteCount: Int) {
    let alignment = 256
    var offsets: [String: Int] = [:]
    var end = 0
    func take(_ bytes: Int) -> Int {
      defer { end += (bytes + alignment - 1) / alignment * alignment }
      return end
    }
    for item in module.buffers {
      switch item.role {
      case .input, .output: offsets[item.buffer.name] = take(item.buffer.byteCount)
      default: break
      }
    }
    let constants = try module.constantLayout()
    let first = take(constants.byteCount)
    for (name, offset) in constants.offsets { offsets[name] = first + offset }
    let arena = take(try module.workspaceByteCount())
    for item in module.buffers {
      if case .temporary(let offset?) = item.role { offsets[item.buffer.name] = arena + offset }
    }
    return (offsets, end)
  }

  /// Where a launch's buffers are from the start of the memory.
  func places(of launch: Launch) throws(Diagnostic) -> [Int] {
    var places: [Int] = []
    for name in launch.arguments {
      guard let offset = offsets[name] else {
        throw Diagnostic("%\(name) cannot be used on a GPU")
      }
      places.append(offset)
    }
    return places
  }
}
