import CodeGen
import Diagnostics
import Execution
import Schedules

/// What `--target` names.
enum TargetOption {
  /// Says on standard error what `auto` is here and why; not a GPU where the command cannot use it.
  static func resolve(
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
