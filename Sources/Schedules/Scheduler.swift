import Diagnostics
import LoopIR

/// The order of rewrites from plain loops to loops that a processor runs fast.
public enum Scheduler {
  /// Lays out buffers, schedules every kernel that `run` calls, and plans memory.
  ///
  /// Results equal those of the unscheduled module to the bit, except where sums are added up in parts
  /// (see `LaneSumTile`, `ReductionTile`, `SplitSums` and `PartialSums`).
  /// Kernels of `prepare` stay plain: they run once, when the model is compiled.
  public static func schedule(
    _ module: LoopModule, for target: Target, precision: Precision = .standard
  ) -> LoopModule {
    if let gpu = target.gpu {
      return GPUScheduler(target: target, gpu: gpu, precision: precision).schedule(module)
    }
    let split = SplitBatch.apply(to: module, target: target)
    return scheduled(laidOut(split, target, precision), target, precision)
  }

  /// The same by the choices of a schedule file; throws, with the place in the file, where one does not fit.
  public static func schedule(
    _ module: LoopModule, for target: Target, precision: Precision,
    by choices: ScheduleChoices
  ) throws(Diagnostic) -> LoopModule {
    try choices.check(target, precision)
    if let gpu = target.gpu {
      let alternatives = GPUScheduler.alternatives(module, gpu, precision)
      let tiles = try choices.checkedTiles(for: alternatives)
      return GPUScheduler(target: target, gpu: gpu, precision: precision, choices: tiles)
        .schedule(module)
    }
    let split = try choices.split(module, target)
    let laidOut = laidOut(split, target, precision)
    return scheduled(
      laidOut, target, precision, try choices.checked(for: laidOut, target))
  }

  /// What can be chosen for the kernels, where as many images run together as the choices say.
  public static func alternatives(
    for module: LoopModule, target: Target, _ choices: ScheduleChoices
  ) throws(Diagnostic) -> KernelAlternatives {
    let split = try choices.split(module, target)
    return KernelAlternatives(
      laidOut(split, target, choices.precision), target, choices.precision)
  }

  /// What can be chosen for the convolutions of a module on a GPU; nil for other targets.
  public static func tiles(
    for module: LoopModule, target: Target, precision: Precision
  ) -> TileAlternatives? {
    target.gpu.map { GPUScheduler.alternatives(module, $0, precision) }
  }

  /// With layouts, and sums in the precision's arithmetic: what kernels are chosen and scheduled from.
  private static func laidOut(
    _ module: LoopModule, _ target: Target, _ precision: Precision
  ) -> LoopModule {
    AssignLayouts.apply(to: SumInDouble.apply(to: module, for: precision), target: target)
  }

  /// Schedules by the choices for some kernels and by the cost model for all others.
  private static func scheduled(
    _ laidOut: LoopModule, _ target: Target, _ precision: Precision,
    _ choices: [String: KernelChoice] = [:]
  ) -> LoopModule {
    var result = laidOut
    if precision == .standard {
      let alternatives = KernelAlternatives(laidOut, target, precision)
      if choices.isEmpty { result = inlined(result, target, alternatives) }
      result = ApplyWinograd.apply(to: result) { nest in
        alternatives.shape(nest, choices[nest.kernel.name])
      }
    }
    result = RunChains.apply(to: result, target: target, excluding: Set(choices.keys))
    result = PoolRows.apply(to: result, target: target, choices)
    result = SumRows.apply(to: result, target: target)
    result = SplitSums.apply(to: result, target: target, precision: precision)
    for index in result.kernels.indices {
      let kernel = result.kernels[index]
      guard result.run.call(kernel.name), !result.prepare.call(kernel.name) else { continue }
      result.kernels[index] = schedule(kernel, for: target, by: choices[kernel.name])
    }
    result = PlanMemory.apply(to: UpdateInPlace.apply(to: result))
    result.scheduledFor = target.name
    result.precision = precision
    return result
  }

  /// Elementwise operations as a part of the kernels that Winograd's algorithm computes.
  private static func inlined(
    _ module: LoopModule, _ target: Target, _ alternatives: KernelAlternatives
  ) -> LoopModule {
    let gradients = WinogradGradientChoice(
      target: target, transforms: WinogradChoice.withinStandardPrecision)
    return InlineElementwise.apply(to: module) { kernel, parameter in
      if let nest = ApplyWinograd.nest(of: kernel, in: module) {
        return nest.operand.loadedBuffers.contains(parameter)
          && alternatives.shape(nest, nil) != nil
      }
      guard let nest = WinogradGradientNest(kernel) else { return false }
      return nest.source.loadedBuffers.contains(parameter) && gradients.best(for: nest) != nil
    }
  }

  /// The schedule for one kernel; a kernel of no known form stays as it is, and is slow.
  public static func schedule(
    _ kernel: Kernel, for target: Target, by choice: KernelChoice? = nil
  ) -> Kernel {
    if var product = ScheduleProduct(kernel, target) { return product.scheduled() }
    if var rows = ScheduleRows(kernel, target) { return rows.scheduled() }
    if var reduction = ScheduleReduction(kernel, target, choice) { return reduction.scheduled() }
    if var pointwise = SchedulePointwise(kernel, target) { return pointwise.scheduled() }
    return kernel
  }

  /// The schedule for a part of a kernel that one thread computes.
  static func schedulePart(_ kernel: Kernel, for target: Target) -> Kernel {
    if var product = ScheduleProduct(kernel, target, isPart: true) { return product.scheduled() }
    if var rows = ScheduleRows(kernel, target, isPart: true) { return rows.scheduled() }
    return schedule(kernel, for: target)
  }
}
