import CRephaseRuntime
import Schedules

/// What a processor must have to run code for a target.
extension Targets {
  /// LLVM's names of the instruction set extensions beyond baseline x86-64, in a fixed order.
  public static func requiredFeatures(of target: Schedules.Target) -> [String] {
    if !target.features.isEmpty {
      return target.features.split(separator: ",").filter { $0.hasPrefix("+") }
        .map { String($0.dropFirst()) }
    }
    switch target.processor {
    case "x86-64": return []
    case "x86-64-v2": return v2
    case "x86-64-v3": return v3
    case "x86-64-v4": return v4
    case "haswell": return v3 + ["pclmul", "fsgsbase"]
    case "broadwell": return v3 + ["pclmul", "fsgsbase", "adx"]
    case "skylake": return skylake
    case "alderlake": return skylake + ["sha"] + crypto + ["avxvnni"]
    case "skylake-avx512": return v4 + modern
    case "cascadelake": return v4 + modern + ["avx512vnni"]
    case "icelake-server": return iceLake
    case "sapphirerapids": return iceLake + ["avxvnni", "avx512bf16", "avx512fp16"]
    case "znver1", "znver2": return v3 + modern + ["sha"]
    case "znver3": return v3 + modern + ["sha", "vaes", "vpclmulqdq"]
    case "znver4": return iceLake + ["avx512bf16"]
    default: return v4
    }
  }

  /// The runtime's mask of those features, as a library checks them when it is loaded.
  public static func featureMask(of target: Schedules.Target) -> UInt64 {
    requiredFeatures(of: target).reduce(0) { $0 | rephase_cpu_feature_bit($1) }
  }

  // The levels as the x86-64 psABI defines them; processors as LLVM's X86.td does.
  private static let v2 = ["sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16", "sahf"]
  private static let v3 =
    v2 + ["avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"]
  private static let v4 = v3 + ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]
  private static let modern = ["pclmul", "aes", "fsgsbase", "adx"]
  private static let crypto = ["gfni", "vaes", "vpclmulqdq"]
  private static let skylake = v3 + modern
  private static let iceLake =
    v4 + modern + ["sha"] + crypto + [
      "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vnni", "avx512bitalg", "avx512vpopcntdq",
    ]
}
