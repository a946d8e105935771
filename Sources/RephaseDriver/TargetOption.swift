import CodeGen
import Diagnostics
import Execution
import LoopIR
import Schedules

/// What `--target` names.
enum TargetOption {
  /// Says on standard error what `auto` is here and why; not a GPU where the command cannot use it.
  ///
  /// Throws where the target does not have the precision's arithmetic.
  static func resolve(
    _ name: String, precision: Precision, allowsGPU: Bool
  ) throws(UsageError) -> Schedules.Target {
    let target = try resolve(name, allowsGPU: allowsGPU)
    try UsageError.of { () throws(Diagnostic) in try target.check(precision) }
    return target
  }

  private static func resolve(
    _ name: String, allowsGPU: Bool
  ) throws(UsageError) -> Schedules.Target {
    guard name == AutomaticTarget.name else {
      return try UsageError.of { () throws(Diagnostic) in try Targets.resolve(name) }
    }
    let automatic = try UsageError.of { () throws(Diagnostic) in
      try AutomaticTarget(allowsGPU: allowsGPU)
    }
    Console.error("target auto: \(automatic.target.name), because \(automatic.reason)")
    return automatic.target
  }
}
