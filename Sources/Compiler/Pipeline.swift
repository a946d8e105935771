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

  public init(target: Target, precision: Precision = .standard) {
    self.target = target
    self.precision = precision
  }

  /// Graph passes: one node for each kernel.
  public func optimized(_ function: Function) throws(Diagnostic) -> Function {
    try GraphPasses.run(GraphPasses.standard, on: function)
  }

  /// Plain loops for each node.
  public func loops(_ function: Function) throws(Diagnostic) -> LoopModule {
    let module = try GraphLowering.lower(function)
    try verify(module, after: "lowering")
    return module
  }

  /// Layouts, schedules and the memory plan; a module that is scheduled already stays as it is.
  ///
  /// Throws where that schedule does not keep to the precision.
  public func scheduled(_ module: LoopModule) throws(Diagnostic) -> LoopModule {
    if module.scheduledFor != nil {
      try checkPrecision(module)
      return module
    }
    let result = Scheduler.schedule(module, for: target, precision: precision)
    try verify(result, after: "scheduling")
    return result
  }

  /// Optimized LLVM IR; the entry point is `<name>_kernels`.
  public func code(
    _ module: LoopModule, hidden: Bool, timingCalls: Bool = false
  ) throws(Diagnostic) -> GeneratedCode {
    let code = try CodeGenerator(target: target).kernels(
      of: module, prefix: module.name, hidden: hidden, separateCalls: timingCalls,
      interface: LoopPrinter.text(Self.interface(of: module)))
    try code.optimize()
    return code
  }

  /// A model at any stage up to loops, carried on to the scheduled stage.
  public func scheduled(_ model: StagedModel) throws(Diagnostic) -> LoopModule {
    switch model {
    case .graph(let function): return try scheduled(try loops(try optimized(function)))
    case .loops(let module): return try scheduled(module)
    case .llvm(_, let interface), .assembly(_, let interface):
      try checkPrecision(interface)
      return interface
    }
  }

  private func checkPrecision(_ module: LoopModule) throws(Diagnostic) {
    guard precision == .strict, module.precision != .strict else { return }
    throw Diagnostic(
      "the dump was scheduled for standard precision, so it cannot keep the strict promise",
      help: "start from a dump of the stage loops or earlier, or leave --precision out")
  }

  /// What code needs to know besides itself: the buffers, and how constants are prepared.
  static func interface(of module: LoopModule) -> LoopModule {
    var interface = module
    let prepared = Set(
      module.prepare.compactMap { statement -> String? in
        if case .call(let kernel, _) = statement { return kernel } else { return nil }
      })
    interface.kernels = module.kernels.filter { prepared.contains($0.name) }
    interface.run = []
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
