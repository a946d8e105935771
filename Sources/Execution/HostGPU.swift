import CRephaseRuntime
import CodeGen
import Diagnostics
import Schedules

/// The first GPU of NVIDIA's driver on this machine.
enum HostGPU {
  /// Its compute capability, times ten, or nil where there is none; and what was found, for people.
  static func find() -> (capability: Int?, finding: String) {
    var capability: Int32 = 0
    switch rephase_gpu_capability(&capability) {
    case REPHASE_OK:
      return (
        Int(capability),
        "the GPU has compute capability \(capability / 10).\(capability % 10)"
      )
    case REPHASE_GPU_DRIVER_MISSING:
      return (nil, "NVIDIA's driver (libcuda.so.1) cannot be loaded")
    case REPHASE_GPU_MISSING: return (nil, "the NVIDIA driver finds no GPU")
    default: return (nil, "the NVIDIA driver reports an error")
    }
  }

  /// Throws, with what was found, where the GPU cannot run a target's code.
  static func check(_ target: Schedules.Target) throws(Diagnostic) {
    let (capability, finding) = find()
    guard let capability, capability >= Targets.leastCapability(of: target) else {
      throw Diagnostic(
        "code for \(target.name) cannot run here: \(finding)",
        help: "use --target auto or native, or check the kernels with 'rephase verify --emulate'")
    }
  }

  /// The first GPU, for one thread; `otherwise` is what the error says where there is none.
  static func open(_ otherwise: String) throws(Diagnostic) -> OpaquePointer {
    var gpu: OpaquePointer?
    let status = rephase_gpu_open(&gpu)
    guard status == REPHASE_OK, let gpu else {
      throw Diagnostic(
        "\(otherwise): " + String(cString: rephase_status_text(status)),
        help: "run this on a machine with an NVIDIA GPU and its driver")
    }
    return gpu
  }

  /// Throws where `result`, the driver's error number, is not 0.
  static func check(_ result: Int32, _ what: String) throws(Diagnostic) {
    if result != 0 { throw failure(result, what) }
  }

  static func failure(_ result: Int32, _ what: String) -> Diagnostic {
    Diagnostic(
      "\(what) on the GPU failed: the driver reports error \(result)",
      help: result == 2 ? "the GPU has too little memory left: " + memoryHelp : failureHelp)
  }

  static let memoryHelp = "choose a smaller batch, or end what else uses the GPU"
  static let failureHelp =
    "update NVIDIA's driver, or check the kernels with 'rephase verify --emulate'"
}
