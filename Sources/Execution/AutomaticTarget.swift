import CRephaseRuntime
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
  ///
  /// Also the host's own where code is to run in this process, which a GPU's cannot yet.
  public init(runningHere: Bool) throws(Diagnostic) {
    let (gpu, reason) = Self.gpu()
    guard let gpu, !runningHere else {
      target = try Targets.resolve("native")
      self.reason =
        gpu == nil ? reason : "\(reason), but this command runs code in its own process"
      return
    }
    target = try Targets.resolve(gpu)
    self.reason = reason
  }

  /// The target of the GPU, or nil, and what was found.
  private static func gpu() -> (name: String?, reason: String) {
    var capability: Int32 = 0
    switch rephase_gpu_capability(&capability) {
    case REPHASE_OK: break
    case REPHASE_GPU_DRIVER_MISSING:
      return (nil, "NVIDIA's driver (libcuda.so.1) cannot be loaded")
    case REPHASE_GPU_MISSING: return (nil, "the NVIDIA driver finds no GPU")
    default: return (nil, "the NVIDIA driver reports an error")
    }
    let found = "the GPU has compute capability \(capability / 10).\(capability % 10)"
    guard let name = Targets.gpuName(capability: Int(capability)) else {
      return (nil, found + ", which no target is for")
    }
    return (name, found)
  }
}
