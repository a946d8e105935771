import Diagnostics
import Foundation
import LLVM
import Schedules

/// The targets that code can be generated for, by the names users give them.
public enum Targets {
  /// Names that `resolve` knows, for messages and completions.
  public static var names: [String] { ["native"] + table.map(\.name) + gpus.map(\.name) }

  /// `native`, an x86-64 level, or LLVM's name of a processor; throws with the choices for anything else.
  public static func resolve(_ name: String) throws(Diagnostic) -> Schedules.Target {
    if name == "native" { return try native() }
    if let gpu = try gpu(name) { return gpu }
    guard let entry = table.first(where: { $0.name == name }) else {
      throw Diagnostic(
        "there is no target '\(name)'", help: "choose \(names.joined(separator: ", "))")
    }
    return Schedules.Target(
      name: name, processor: name, features: "", triple: triple, vectorBytes: entry.vectorBytes,
      vectorRegisters: entry.vectorBytes == 64 ? 32 : 16, hasFMA: entry.vectorBytes > 16,
      l1Bytes: entry.l1Bytes, l2Bytes: entry.l2Bytes)
  }

  private static let triple = "x86_64-unknown-linux-gnu"

  private struct Entry {
    var name: String
    var vectorBytes: Int
    var l1Bytes = 32 << 10
    var l2Bytes = 512 << 10
  }

  /// Vector widths and caches per core, from the vendors' optimization manuals.
  private static let table: [Entry] = [
    Entry(name: "x86-64", vectorBytes: 16, l2Bytes: 256 << 10),
    Entry(name: "x86-64-v2", vectorBytes: 16, l2Bytes: 256 << 10),
    Entry(name: "x86-64-v3", vectorBytes: 32),
    Entry(name: "x86-64-v4", vectorBytes: 64, l2Bytes: 1 << 20),
    Entry(name: "haswell", vectorBytes: 32, l2Bytes: 256 << 10),
    Entry(name: "broadwell", vectorBytes: 32, l2Bytes: 256 << 10),
    Entry(name: "skylake", vectorBytes: 32, l2Bytes: 256 << 10),
    Entry(name: "skylake-avx512", vectorBytes: 64, l2Bytes: 1 << 20),
    Entry(name: "cascadelake", vectorBytes: 64, l2Bytes: 1 << 20),
    Entry(name: "icelake-server", vectorBytes: 64, l1Bytes: 48 << 10, l2Bytes: 1280 << 10),
    Entry(name: "alderlake", vectorBytes: 32, l1Bytes: 48 << 10, l2Bytes: 1280 << 10),
    Entry(name: "sapphirerapids", vectorBytes: 64, l1Bytes: 48 << 10, l2Bytes: 2 << 20),
    Entry(name: "znver1", vectorBytes: 32),
    Entry(name: "znver2", vectorBytes: 32),
    Entry(name: "znver3", vectorBytes: 32),
    Entry(name: "znver4", vectorBytes: 64, l2Bytes: 1 << 20),
  ]

  /// NVIDIA GPUs by compute capability: PTX version, and the multiprocessors of the one that tiles are chosen for
  /// (A100, H100 and H200).
  private static let gpus: [(name: String, features: String, gpu: GPU)] = [
    ("sm_80", "+ptx70", GPU(multiprocessors: 108, sharedBytes: 163 << 10, spareRegisters: 32)),
    ("sm_90", "+ptx80", GPU(multiprocessors: 132, sharedBytes: 227 << 10, hasWarpGroups: true)),
  ]

  /// The newest target whose code runs on a GPU of a compute capability (times ten), or nil where there is none.
  public static func gpuName(capability: Int) -> String? {
    gpus.map(\.name).filter { number(of: $0) <= capability }.max { number(of: $0) < number(of: $1) }
  }

  /// 90 for `sm_90`: the least compute capability (times ten) of GPUs that run a target's code.
  public static func leastCapability(of target: Schedules.Target) -> Int {
    number(of: target.processor)
  }

  private static func number(of gpu: String) -> Int { Int(gpu.dropFirst("sm_".count)) ?? .max }

  /// What has a GPU's instructions for warp groups, which later GPUs do not run: `sm_90a`. Throws for other GPUs.
  static func withWarpGroups(_ target: Schedules.Target) throws(Diagnostic) -> Schedules.Target {
    guard target.gpu?.hasWarpGroups == true else {
      throw Diagnostic(
        "kernels for warp groups are for sm_90 only, and \(target.name) has none",
        help: "give --target sm_90, or a schedule without them")
    }
    var result = target
    result.processor += "a"
    return result
  }

  /// Nil for names of other kinds of processors.
  private static func gpu(_ name: String) throws(Diagnostic) -> Schedules.Target? {
    guard name.hasPrefix("sm_") else { return nil }
    guard let entry = gpus.first(where: { $0.name == name }) else {
      throw Diagnostic(
        "there is no NVIDIA target '\(name)'",
        help: "choose \(gpus.map(\.name).joined(separator: " or ")): later GPUs run their code too")
    }
    return Schedules.Target(
      name: name, processor: name, features: entry.features, triple: "nvptx64-nvidia-cuda",
      vectorBytes: 16, vectorRegisters: 255, hasFMA: true, gpu: entry.gpu)
  }

  /// The machine this runs on: every feature it has, and its caches.
  private static func native() throws(Diagnostic) -> Schedules.Target {
    guard Host.triple.hasPrefix("x86_64") else {
      throw Diagnostic(
        "this machine (\(Host.triple)) is not an x86-64 one, the only kind there is native code for"
      )
    }
    let features = Set(Host.features.split(separator: ",").map(String.init))
    let hasFMA = features.contains("+fma")
    let width = features.contains("+avx512f") ? 64 : features.contains("+avx") ? 32 : 16
    return Schedules.Target(
      name: "native", processor: Host.processor,
      features: Host.features, triple: triple, vectorBytes: width,
      vectorRegisters: width == 64 ? 32 : 16, hasFMA: hasFMA,
      l1Bytes: cache(_SC_LEVEL1_DCACHE_SIZE, otherwise: 32 << 10),
      l2Bytes: cache(_SC_LEVEL2_CACHE_SIZE, otherwise: 512 << 10),
      // Systems count the caches of all clusters of cores; a program runs in one.
      l3Bytes: min(32 << 20, cache(_SC_LEVEL3_CACHE_SIZE, otherwise: 16 << 20)))
  }

  /// What the system says of a cache, where it says anything.
  private static func cache(_ name: Int, otherwise: Int) -> Int {
    let bytes = sysconf(Int32(name))
    return bytes > 0 ? bytes : otherwise
  }
}
