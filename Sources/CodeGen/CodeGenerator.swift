import CLLVM
import Diagnostics
import LLVM
import LoopIR
import Schedules

/// Turns loop modules into LLVM IR for one target.
public struct CodeGenerator: Sendable {
  public let target: Schedules.Target

  public init(target: Schedules.Target) {
    self.target = target
  }

  /// The `run` program as `<prefix>_kernels(inputs, outputs, constants, workspace, parallel)`.
  ///
  /// - `separateCalls` adds `<prefix>_call_<i>` with the same signature for each call of the program, for timing.
  /// - `hidden` keeps the entry point inside the library it is linked into.
  /// - `interface` is a text that travels with the module through its textual form.
  public func kernels(
    of module: LoopModule, prefix: String, hidden: Bool = true, separateCalls: Bool = false,
    interface: String? = nil
  ) throws(Diagnostic) -> GeneratedCode {
    var entries = [(name: prefix + "_kernels", calls: module.run)]
    if separateCalls {
      entries += module.run.enumerated().map { ("\(prefix)_call_\($0.offset)", [$0.element]) }
    }
    return try generate(
      module, prefix, entries, try runPlaces(module), arguments: 5, hidden: hidden,
      isScheduled: module.scheduledFor != nil, interface: interface)
  }

  /// The `prepare` program as `<prefix>_prepare(parameters, constants, scratch, parallel)`.
  public func preparation(
    of module: LoopModule, prefix: String
  ) throws(Diagnostic) -> GeneratedCode {
    let entries = [(name: prefix + "_prepare", calls: module.prepare)]
    return try generate(
      module, prefix, entries, try preparePlaces(module), arguments: 4, hidden: false,
      isScheduled: false, interface: nil)
  }

  private func generate(
    _ source: LoopModule, _ prefix: String, _ entries: [(name: String, calls: [Statement])],
    _ places: [String: ProgramEmitter.Place], arguments: Int, hidden: Bool, isScheduled: Bool,
    interface: String?
  ) throws(Diagnostic) -> GeneratedCode {
    let machine = try Machine(
      triple: target.triple, processor: target.processor, features: target.features)
    let ir = IRModule(name: prefix)
    machine.adopt(ir)
    if let interface { ir.setMetadata(GeneratedCode.interfaceKey, to: interface) }
    let emitter = ProgramEmitter(ir, source, target: target)
    try emitter.emit(entries, places: places, arguments: arguments, hidden: hidden)
    try ir.verify()
    return GeneratedCode(ir, machine, target, isScheduled: isScheduled)
  }

  private func runPlaces(
    _ module: LoopModule
  ) throws(Diagnostic) -> [String: ProgramEmitter.Place] {
    let constants = try module.constantLayout()
    var places: [String: ProgramEmitter.Place] = [:]
    var (inputs, outputs) = (0, 0)
    for item in module.buffers {
      let name = item.buffer.name
      switch item.role {
      case .input:
        places[name] = .table(argument: 0, index: inputs, offset: 0)
        inputs += 1
      case .output:
        places[name] = .table(argument: 1, index: outputs, offset: 0)
        outputs += 1
      case .constant: places[name] = .block(argument: 2, offset: constants.offsets[name] ?? 0)
      case .temporary(let offset):
        places[name] = .block(argument: 3, offset: try module.planned(item.buffer, offset))
      case .slice(let whole, let first):
        places[name] = try places[whole]?.moved(by: first, item.buffer)
      case .parameter, .scratch: break
      }
    }
    return places
  }

  private func preparePlaces(
    _ module: LoopModule
  ) throws(Diagnostic) -> [String: ProgramEmitter.Place] {
    let constants = try module.constantLayout()
    let scratch = try module.scratchLayout()
    var places: [String: ProgramEmitter.Place] = [:]
    var parameters = 0
    for item in module.buffers {
      let name = item.buffer.name
      switch item.role {
      case .parameter:
        places[name] = .table(argument: 0, index: parameters, offset: 0)
        parameters += 1
      case .constant: places[name] = .block(argument: 1, offset: constants.offsets[name] ?? 0)
      case .scratch: places[name] = .block(argument: 2, offset: scratch.offsets[name] ?? 0)
      case .input, .output, .slice, .temporary: break
      }
    }
    return places
  }
}
