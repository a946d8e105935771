import LoopIR

/// Replaces convolutions by Winograd's algorithm where the cost model says that it is faster.
///
/// The weights must be constants: `prepare` then transforms them in float64 and rounds once. Where they are inputs of
/// `run`, as in training, the direct sum stays.
struct ApplyWinograd {
  private var module: LoopModule

  static func apply(to module: LoopModule, target: Target) -> LoopModule {
    let choice = WinogradChoice(
      target: target, transforms: WinogradChoice.withinStandardPrecision)
    return apply(to: module, choosing: choice.best)
  }

  /// Replaces the kernels for which there is a shape.
  static func apply(
    to module: LoopModule, choosing shape: (WinogradNest) -> WinogradShape?
  ) -> LoopModule {
    var rewrite = ApplyWinograd(module: module)
    for kernel in module.kernels { rewrite.replace(kernel, shape) }
    rewrite.dropUnread()
    return rewrite.module
  }

  private mutating func replace(
    _ kernel: Kernel, _ choose: (WinogradNest) -> WinogradShape?
  ) {
    guard let nest = Self.nest(of: kernel, in: module), let shape = choose(nest) else { return }
    var winograd = WinogradKernel(nest, shape)
    let scheduled = winograd.scheduled()
    guard let index = module.kernels.firstIndex(where: { $0.name == kernel.name }) else { return }
    module.kernels[index] = scheduled
    module.run = module.run.map { statement in
      guard case .call(kernel.name, var arguments) = statement else { return statement }
      arguments[nest.weights] = transformed(arguments[nest.weights], nest, shape)
      return .call(scheduled.name, arguments)
    }
  }

  /// The convolution of a kernel that `run` alone calls, always with constants as weights; nil for other kernels.
  static func nest(of kernel: Kernel, in module: LoopModule) -> WinogradNest? {
    guard let nest = WinogradNest(kernel), !module.prepare.call(kernel.name),
      module.run.call(kernel.name)
    else { return nil }
    let areConstants = module.run.allSatisfy { statement in
      guard case .call(kernel.name, let arguments) = statement else { return true }
      return module.buffer(named: arguments[nest.weights])?.role == .constant
    }
    return areConstants ? nest : nil
  }

  /// The constant that holds the transformed weights; `prepare` makes it when it is first asked for.
  private mutating func transformed(
    _ weights: String, _ nest: WinogradNest, _ shape: WinogradShape
  ) -> String {
    let name = "\(weights).winograd\(shape.transform.label)_\(shape.block)"
    if module.buffer(named: name) != nil { return name }
    let kernel = WinogradWeights(nest, shape).kernel()
    if module.kernel(named: kernel.name) == nil { module.kernels.append(kernel) }
    module.buffers.append(
      ModuleBuffer(WinogradKernel.weights(nest, shape, name: name), .constant))
    module.prepare.append(.call(kernel.name, [weights, name]))
    return name
  }

  /// Constants that only `prepare` reads now are no part of the model any more.
  private mutating func dropUnread() {
    var read: Set<String> = []
    for case .call(_, let arguments) in module.run { read.formUnion(arguments) }
    for index in module.buffers.indices
    where module.buffers[index].role == .constant
      && !read.contains(module.buffers[index].buffer.name)
    {
      module.buffers[index].role = .scratch
    }
  }
}

extension [Statement] {
  /// Whether a program calls the kernel.
  func call(_ kernel: String) -> Bool { contains { $0.calledKernel == kernel } }
}
