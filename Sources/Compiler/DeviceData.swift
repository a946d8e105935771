import CodeGen
import Diagnostics
import LoopIR
import Schedules

/// What the runtime's `device.c` asks for: PTX, kernels and launches as C definitions.
struct DeviceData {
  let ptx: String
  let program: DeviceProgram
  /// 90 for `sm_90`: the least compute capability, times ten.
  let capability: Int
  /// As the PTX names it: `sm_90`, or `sm_90a` for GPUs of exactly this capability.
  let architecture: String
  /// Machine code for exactly the target, where an assembler was at hand.
  let cubin: [UInt8]?

  init(
    _ model: StagedModel, _ module: LoopModule, _ pipeline: Pipeline, _ assembler: DeviceAssembler?
  ) throws(Diagnostic) {
    let text = try StageWriter(pipeline).text(of: model, at: .ptx)
    // The interface in the dump's comments says nothing to a driver.
    let code =
      text.split(separator: "\n").filter { !$0.hasPrefix("//") }
      .joined(separator: "\n") + "\n"
    ptx = code
    program = try DeviceProgram(module)
    capability = Targets.leastCapability(of: pipeline.target)
    architecture = try DeviceAssembler.architecture(of: code)
    cubin = try assembler.map { (assembler) throws(Diagnostic) in try assembler.assemble(code) }
  }

  func definitions(_ module: LoopModule) throws(Diagnostic) -> [String] {
    let entries = Array(Set(program.launches.map(\.entry))).sorted()
    var launches: [String] = []
    for launch in program.launches {
      var places: [String] = []
      for name in launch.arguments { places.append(try place(name, module)) }
      let kernel = entries.firstIndex(of: launch.entry) ?? 0
      launches.append(
        "{\(kernel), \(launch.grid.blocks), \(launch.grid.threads), "
          + "\(launch.grid.dynamicSharedBytes), \(places.count), {\(places.joined(separator: ", "))}}"
      )
    }
    let parameters = program.launches.map(\.arguments.count).max() ?? 1
    return [
      "REPHASE_DEVICE 1",
      "REPHASE_DEVICE_CAPABILITY \(capability)",
      "REPHASE_DEVICE_ALIGNMENT \(PlanMemory.alignment)",
      "REPHASE_DEVICE_PARAMETERS \(parameters)",
      "REPHASE_DEVICE_ARENA_BYTES \(try module.workspaceByteCount())",
      "REPHASE_DEVICE_KERNELS {\(entries.map { ModelData.literal($0.utf8) }.joined(separator: ", "))}",
      "REPHASE_DEVICE_LAUNCHES {\(launches.joined(separator: ", "))}",
      "REPHASE_DEVICE_PTX \(ModelData.literal(ptx.utf8))",
    ] + (architecture.hasSuffix("a") ? ["REPHASE_DEVICE_EXACT 1"] : [])
      + (cubin.map { ["REPHASE_DEVICE_CUBIN \(ModelData.literal($0))"] } ?? [])
  }

  /// A buffer of a launch as device.c names it.
  private func place(_ name: String, _ module: LoopModule) throws(Diagnostic) -> String {
    guard let item = module.buffer(named: name) else {
      throw Diagnostic("there is no buffer %\(name) to launch a kernel with")
    }
    switch item.role {
    case .input:
      return
        "{REPHASE_INPUT, \(number(of: name, module) { if case .input = $0 { true } else { false } })}"
    case .output:
      return
        "{REPHASE_OUTPUT, \(number(of: name, module) { if case .output = $0 { true } else { false } })}"
    case .constant:
      return "{REPHASE_CONSTANT, \(try module.constantLayout().offsets[name] ?? 0)}"
    case .temporary(let offset?): return "{REPHASE_ARENA, \(offset)}"
    default: throw Diagnostic("%\(name) cannot be used on a GPU")
    }
  }

  /// Its place among the buffers of its kind.
  private func number(
    of name: String, _ module: LoopModule, _ isOfKind: (BufferRole) -> Bool
  ) -> Int {
    module.buffers.filter { isOfKind($0.role) }.firstIndex { $0.buffer.name == name } ?? 0
  }
}
