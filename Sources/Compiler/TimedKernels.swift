import CodeGen
import Diagnostics
import Execution
import LoopIR
import Schedules

/// The calls of one kernel by one choice, on the GPU.
struct TimedKernel {
  var choice: KernelChoice
  var calls: [TimedCall]
}

/// A launch whose memory has no address yet.
struct TimedCall {
  /// The kernel's name before its layouts were assigned.
  var kernel: String
  var launch: GPUTimer.Launch
  /// Where its buffers are in the memory.
  var places: [Int]
}

/// Kernels on this machine's GPU, and how long they take there.
final class TimedKernels {
  private let timer: GPUTimer
  private var byteCount = 0

  /// What the launches of one graph take together at least, far above the resolution of events, and how often a graph
  /// repeats them at most.
  private static let (leastSeconds, mostRepeats) = (4e-4, 64)

  init() throws(Diagnostic) { timer = try GPUTimer() }

  var gpu: String { timer.gpu }

  /// Puts a variant's code on the GPU: machine code, or PTX where that does not fit.
  func load(_ variant: DeviceVariant) throws(Diagnostic) -> [TimedCall] {
    let machineCode: GPUTimer.Code? = variant.cubin.flatMap { try? timer.load($0) }
    let code = if let machineCode { machineCode } else { try timer.load(Array(variant.ptx.utf8)) }
    byteCount = max(byteCount, variant.byteCount)
    var calls: [TimedCall] = []
    for launch in variant.launches {
      let shared = launch.grid.dynamicSharedBytes
      let function = try timer.function(launch.entry, of: code, sharedBytes: shared)
      calls.append(
        TimedCall(
          kernel: LoopModule.generalName(launch.kernel.name),
          launch: .init(
            function, blocks: launch.grid.blocks, threads: launch.grid.threads,
            sharedBytes: shared, arguments: []),
          places: try variant.places(of: launch)))
    }
    return calls
  }

  /// Medians of runs of each list of calls, all in turns; nil where the driver refuses one, other than the first.
  /// `names` are those of the lists, for the error where one fails while it runs.
  ///
  /// Calls follow each other in a graph, several times over where they are short, so that each finds the caches as its
  /// like left them.
  func medians(
    _ lists: [[TimedCall]], rounds: Int, names: [String] = []
  ) throws(Diagnostic) -> [Double?] {
    let repeats = try self.repeats(of: lists.first ?? [])
    var graphs: [GPUTimer.Graph?] = []
    defer { for case let graph? in graphs { timer.discard(graph) } }
    for (number, calls) in lists.enumerated() {
      graphs.append(number == 0 ? try graph(calls, repeats) : try? graph(calls, repeats))
    }
    var times = [[Double]](repeating: [], count: lists.count)
    for round in 0...rounds {
      for number in round % 2 == 0 ? Array(lists.indices) : lists.indices.reversed() {
        guard let graph = graphs[number] else { continue }
        do throws(Diagnostic) {
          let seconds = try timer.seconds(graph) / Double(repeats)
          // The first round warms up.
          if round > 0 { times[number].append(seconds) }
        } catch {
          var located = error
          if names.indices.contains(number) { located.notes.append("by \(names[number])") }
          throw located
        }
      }
    }
    return zip(graphs, times).map { $0 == nil ? nil : Benchmark.median($1) }
  }

  private func repeats(of calls: [TimedCall]) throws(Diagnostic) -> Int {
    let once = try graph(calls, 1)
    defer { timer.discard(once) }
    _ = try timer.seconds(once)
    let seconds = try timer.seconds(once)
    return max(1, min(Self.mostRepeats, Int((Self.leastSeconds / max(seconds, 1e-9)).rounded(.up))))
  }

  private func graph(_ calls: [TimedCall], _ repeats: Int) throws(Diagnostic) -> GPUTimer.Graph {
    let address = try timer.reserve(byteCount)
    let launches = calls.map { call in
      var launch = call.launch
      launch.arguments = call.places.map { address + UInt64($0) }
      return launch
    }
    return try timer.graph(Array(repeatElement(launches, count: repeats).joined()))
  }
}
