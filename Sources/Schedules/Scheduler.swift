import Diagnostics
import LoopIR

/// The order of rewrites from plain loops to loops that a processor runs fast.
public enum Scheduler {
  /// Lays out buffers, schedules every kernel that `run` calls, and plans memory.
  ///
  /// Results equal those of the unscheduled module to the bit, except where sums are added up in parts
  /// (see `LaneSumTile`, `ReductionTile` and `SplitSums`).
  /// Kernels of `prepare` stay plain: they run once, when the model is compiled.
  public static func schedule(
    _ module: LoopModule, for target: Target, precision: Precision = .standard
  ) -> LoopModule {
    if let gpu = target.gpu {
      return GPUScheduler(target: target, gpu: gpu, precision: precision).schedule(module)
    }
    var result = SplitBatch.apply(to: module, target: target)
    result = AssignLayouts.apply(to: result, target: target)
    if precision == .standard { result = ApplyWinograd.apply(to: result, target: target) }
    result = SplitSums.apply(to: result, target: target, precision: precision)
    let called = Set(
      result.run.compactMap { statement -> String? in
        if case .call(let kernel, _) = statement { return kernel } else { return nil }
      })
    let prepared = Set(
      result.prepare.compactMap { statement -> String? in
        if case .call(let kernel, _) = statement { return kernel } else { return nil }
      })
    for index in result.kernels.indices where called.contains(result.kernels[index].name) {
      if prepared.contains(result.kernels[index].name) { continue }
      result.kernels[index] = schedule(
        result.kernels[index], for: target, precision: precision)
    }
    result = PlanMemory.apply(to: result)
    result.scheduledFor = target.name
    result.precision = precision
    return result
  }

  /// The schedule for one kernel; a kernel of no known form stays as it is, and is slow.
  public static func schedule(
    _ kernel: Kernel, for target: Target, precision: Precision = .standard
  ) -> Kernel {
    if var reduction = ScheduleReduction(kernel, target, precision) { return reduction.scheduled() }
    if var pointwise = SchedulePointwise(kernel, target) { return pointwise.scheduled() }
    return kernel
  }
}
