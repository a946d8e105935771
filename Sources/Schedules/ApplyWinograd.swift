import LoopIR

/// Replaces convolutions by Winograd's algorithm where the cost model says that it is faster.
///
/// Weights are transformed in float64 and rounded once: constants by `prepare`, those that change from run to run, as
/// in training, by `run` before they are first read. Sums over a convolution's result, such as the statistics of batch
/// norm, become its own work (`PartialSums`), and so do poolings of it (`PooledResult`).
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
    rewrite.module.dropUnreadConstants()
    rewrite.module.dropUncalled(since: module)
    return rewrite.module
  }

  private mutating func replace(
    _ kernel: Kernel, _ choose: (WinogradNest) -> WinogradShape?
  ) {
    guard let nest = Self.nest(of: kernel, in: module), let shape = choose(nest) else { return }
    var run: [Statement] = []
    for statement in module.run {
      guard case .call(kernel.name, var arguments) = statement else {
        run.append(statement)
        continue
      }
      arguments[nest.weights] = transformed(arguments[nest.weights], nest, shape, &run)
      run.append(.call(kernel.name, arguments))
    }
    module.run = run
    func pools(_ later: ResultPooling) -> ResultPooling? {
      nest.canPool(later.pooling, by: shape.transform) ? later : nil
    }
    module.replaceCalls(of: kernel, lanes: shape.outputLanes, pools: pools) { work in
      var winograd = WinogradKernel(nest, shape, work)
      return WorkingKernel(kernel: winograd.scheduled(), parts: winograd.sums.parts)
    }
  }

  /// The convolution of a kernel that `run` alone calls; nil for other kernels.
  static func nest(of kernel: Kernel, in module: LoopModule) -> WinogradNest? {
    guard let nest = WinogradNest(kernel), !module.prepare.call(kernel.name),
      module.run.call(kernel.name)
    else { return nil }
    return nest
  }

  /// The buffer that holds the transformed weights; `prepare`, or `run` before the next call, makes it when it is first
  /// asked for.
  private mutating func transformed(
    _ weights: String, _ nest: WinogradNest, _ shape: WinogradShape, _ run: inout [Statement]
  ) -> String {
    let name = "\(weights).winograd\(shape.transform.label)_\(shape.block)"
    if module.buffer(named: name) != nil { return name }
    let kernel = module.share(WinogradWeights(nest, shape).kernel())
    let isConstant = module.buffer(named: weights)?.role == .constant
    module.buffers.append(
      ModuleBuffer(
        WinogradKernel.weights(nest, shape, name: name),
        isConstant ? .constant : .temporary(offset: nil)))
    let call = Statement.call(kernel, [weights, name])
    if isConstant { module.prepare.append(call) } else { run.append(call) }
    return name
  }
}

extension [Statement] {
  /// Whether a program calls the kernel.
  func call(_ kernel: String) -> Bool { contains { $0.calledKernel == kernel } }
}
