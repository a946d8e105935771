import CRephaseRuntime
import CodeGen
import Diagnostics
import Schedules

/// Whether this machine can run code for a target.
public enum HostCheck {
  /// Throws, naming what is missing, where running would end in an illegal instruction.
  public static func check(_ target: Schedules.Target) throws(Diagnostic) {
    if target.gpu != nil { throw needsGPU("code for \(target.name)") }
    let present = rephase_cpu_features()
    let missing = Targets.requiredFeatures(of: target).filter {
      rephase_cpu_feature_bit($0) & ~present != 0
    }
    guard missing.isEmpty else {
      throw Diagnostic(
        "this machine cannot run code for \(target.name): it lacks \(missing.joined(separator: ", "))",
        help: "use --target native to run here; compiling for \(target.name) works")
    }
  }

  /// Throws, with what was found, where this machine's GPU cannot run a target's code.
  public static func checkGPU(_ target: Schedules.Target) throws(Diagnostic) {
    try HostGPU.check(target)
  }

  /// What is said where a GPU would have to run something.
  public static func needsGPU(_ what: String) -> Diagnostic {
    Diagnostic(
      "this command cannot run \(what)",
      help: "run, verify, recon, bench, train and tune can; or use --target native")
  }
}
