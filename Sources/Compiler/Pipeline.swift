import CodeGen
import Diagnostics
import GraphIR
import GraphPasses
import LoopIR
import Operations
import Schedules

/// The whole path of a model, in order; each step takes what the one before yields.
///
/// ```
/// graph --optimized--> graph --loops--> loop module --scheduled--> loop module --code--> LLVM IR --> object code
/// ```
public struct Pipeline: Sendable {
  public var target: Target
  /// What schedules keep to.
  public var precision: Precision
  /// A schedule file's, instead of the cost model's.
  public var choices: ScheduleChoices?

  public init(
    target: Target, precision: Precision = .standard, choices: ScheduleChoices? = nil
  ) {
    self.target = target
    self.precision = precision
    self.choices = choices
  }

  /// The graph passes of the target, in order.
  var graphPasses: [any GraphPass.Type] {
    target.gpu == nil ? GraphPasses.standard : GraphPasses.standardOnGPUs
  }

  /// Graph passes: one node for each kernel.
  public func optimized(_ function: Function) throws(Diagnostic) -> Function {
    try GraphPasses.run(graphPasses, on: function)
  }

  /// Plain loops for each node.
  public func loops(_ function: Function) throws(Diagnostic) -> LoopModule {
    let module = try GraphLowering.lower(function)
    try verify(module, after: "lowering")
    return module
  }

  /// Layouts, schedules and the memory plan; a module that is scheduled already stays as it is.
  ///
  /// Throws where that schedule does not keep to the precision, or where choices do not fit the module.
  public func scheduled(_ module: LoopModule) throws(Diagnostic) -> LoopModule {
    if module.scheduledFor != nil {
      try checkScheduled(module)
      return module
    }
    let result = try unverified(module)
    try verify(result, after: "scheduling")
    return result
  }

  private func unverified(_ module: LoopModule) throws(Diagnostic) -> LoopModule {
    guard let choices else {
      return Scheduler.schedule(module, for: target, precision: precision)
    }
    return try Scheduler.schedule(module, for: target, precision: precision, by: choices)
  }

  /// Optimized LLVM IR; the entry point is `<name>_kernels`, or for a GPU each kernel is one.
  public func code(
    _ module: LoopModule, hidden: Bool, timingCalls: Bool = false
  ) throws(Diagnostic) -> GeneratedCode {
    let generator = CodeGenerator(target: target)
    let interface = LoopPrinter.text(try interface(of: module))
    guard target.gpu == nil else {
      let code = try generator.deviceCode(of: module, interface: interface)
      try code.optimize()
      return code
    }
    let code = try generator.kernels(
      of: module, prefix: module.name, hidden: hidden, separateCalls: timingCalls,
      interface: interface)
    try code.optimize()
    return code
  }

  /// A model at any stage up to loops, as plain loops; throws where it is past them.
  public func plain(_ model: StagedModel) throws(Diagnostic) -> LoopModule {
    switch model {
    case .graph(let function): return try loops(try optimized(function))
    case .loops(let module) where module.scheduledFor == nil: return module
    default: throw Self.past(.loops)
    }
  }

  static func past(_ stage: Stage) -> Diagnostic {
    Diagnostic(
      "the dump is past the stage '\(stage.rawValue)'",
      help: "choose a later stage, or start from an earlier dump")
  }

  /// A model at any stage up to loops, carried on to the scheduled stage.
  public func scheduled(_ model: StagedModel) throws(Diagnostic) -> LoopModule {
    switch model {
    case .graph(let function): return try scheduled(try loops(try optimized(function)))
    case .loops(let module): return try scheduled(module)
    case .llvm(_, let interface), .assembly(_, let interface), .ptx(_, let interface):
      try checkScheduled(interface)
      return interface
    }
  }

  private func checkScheduled(_ module: LoopModule) throws(Diagnostic) {
    guard choices == nil else {
      throw Diagnostic(
        "the dump is scheduled already, so a schedule file cannot change it",
        help: "start from a dump of the stage loops or earlier, or leave --schedule out")
    }
    let scheduled = module.precision
    guard scheduled.promise > precision.promise else { return }
    throw Diagnostic(
      "the dump was scheduled for \(scheduled.rawValue) precision, so it cannot keep the "
        + "\(precision.rawValue) promise",
      help: "start from a dump of the stage loops or earlier, or give --precision "
        + scheduled.rawValue)
  }

  /// What code needs to know besides itself: the buffers, how constants are prepared, and a GPU's launches.
  func interface(of module: LoopModule) throws(Diagnostic) -> LoopModule {
    var interface = module
    let prepared = Set(
      module.prepare.compactMap { statement -> String? in
        if case .call(let kernel, _) = statement { return kernel } else { return nil }
      })
    interface.kernels = module.kernels.filter { prepared.contains($0.name) }
    guard target.gpu != nil else {
      interface.run = []
      return interface
    }
    for kernel in module.kernels where !prepared.contains(kernel.name) {
      interface.kernels.append(try kernel.gridOnly())
    }
    return interface
  }

  /// A defect of the compiler, not of the user's model, where this throws.
  private func verify(_ module: LoopModule, after step: String) throws(Diagnostic) {
    do throws(Diagnostic) { try LoopVerifier.verify(module) } catch {
      var located = error
      located.message = "after \(step): " + located.message
      throw located
    }
  }
}
