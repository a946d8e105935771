import CodeGen
import Diagnostics
import Schedules

/// What the target `auto` is on this machine.
public struct AutomaticTarget: Sendable {
  /// As users write it.
  public static let name = "auto"

  public let target: Schedules.Target
  /// Why it is this one, after "because".
  public let reason: String

  /// The target of the driver's first GPU where there is one for it, otherwise the host's own.
  public init(allowsGPU: Bool) throws(Diagnostic) {
    let (capability, finding) = HostGPU.find()
    let gpu = capability.flatMap { Targets.gpuName(capability: $0) }
    target = try Targets.resolve(allowsGPU ? gpu ?? "native" : "native")
    switch (capability, gpu) {
    case (.some, nil): reason = finding + ", which no target is for"
    case (.some, .some) where !allowsGPU: reason = finding + ", but this command uses the CPU"
    default: reason = finding
    }
  }
}
