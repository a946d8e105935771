import CodeGen
import Diagnostics
import Dispatch
import Execution
import LoopIR
import Schedules
import Synchronization

/// Measures tiles for the convolutions of a model on this machine's GPU, and keeps the fastest of each.
///
/// A candidate is compiled with one tile of every kernel, all cores at work. On the GPU the calls of each kernel run in
/// turns with those by its other tiles. First tiles of all kinds and shapes, then those that differ from the winner in one
/// number, from the next winner, and so on. Then whole networks: what gains nothing there stays as the cost model chooses.
public struct DeviceTuner {
  private let module: LoopModule
  private let pipeline: Pipeline
  private let alternatives: TileAlternatives
  private let assembler: DeviceAssembler?
  private let rounds: Int
  /// When no more candidates are compiled; nil: never.
  private let end: ContinuousClock.Instant?
  private let progress: (_ done: Int, _ total: Int) -> Void

  /// Tiles that are measured for each kernel at first, and near a winner, and how many winners that is done for.
  private static let (shapes, neighbours, winners) = (64, 20, 3)
  /// Below this part of the time of what is chosen already, a tile is faster.
  private static let threshold = 0.99

  /// `pipeline.choices` are not used; `progress` is called for each candidate that is compiled. After so many `seconds`
  /// what was found by then is measured once more, and is the result.
  ///
  /// Throws where the model is scheduled already, or where there is no GPU for the target.
  public init(
    _ model: StagedModel, pipeline: Pipeline, rounds: Int, seconds: Int? = nil,
    progress: @escaping (_ done: Int, _ total: Int) -> Void
  ) throws(Diagnostic) {
    try HostCheck.checkGPU(pipeline.target)
    module = try pipeline.plain(model)
    alternatives = try Self.alternatives(module, pipeline)
    self.pipeline = pipeline
    assembler = try DeviceAssembler.installed()
    self.rounds = rounds
    end = seconds.map { ContinuousClock.now + .seconds($0) }
    self.progress = progress
  }

  private static func alternatives(
    _ module: LoopModule, _ pipeline: Pipeline
  ) throws(Diagnostic) -> TileAlternatives {
    guard
      let alternatives = Scheduler.tiles(
        for: module, target: pipeline.target, precision: pipeline.precision)
    else { throw Diagnostic("\(pipeline.target.name) is no GPU") }
    return alternatives
  }

  /// The tiles that are tried first, those of each kernel after one another; no GPU is needed for them.
  public static func firstChoices(
    _ model: StagedModel, pipeline: Pipeline
  ) throws(Diagnostic) -> [ScheduleChoices.Entry] {
    let alternatives = try alternatives(try pipeline.plain(model), pipeline)
    return alternatives.kernels.flatMap { kernel in
      alternatives.promising(kernel, atMost: shapes).map { .init(kernel, $0) }
    }
  }

  public func run() throws(Diagnostic) -> Tuner.Result {
    let device = try TimedKernels()
    let names = alternatives.kernels
    let total = 1 + Self.shapes + Self.winners * Self.neighbours
    var own = pipeline
    own.choices = nil
    let whole = try device.load(try DeviceVariant(module, own, assembler))
    var standard: [TimedKernel] = []
    for name in names {
      guard let choice = alternatives.standard(name) else { continue }
      standard.append(TimedKernel(choice: choice, calls: whole.filter { $0.kernel == name }))
    }
    progress(1, total)
    var search = Search(names: names, best: standard)
    try improve(
      &search, device, by: names.map { alternatives.promising($0, atMost: Self.shapes) }
    ) { progress(1 + $0, total) }
    for winner in 0..<Self.winners {
      let first = 1 + Self.shapes + winner * Self.neighbours
      try improve(&search, device, by: untried(search)) { progress(first + $0, total) }
    }
    let result = try compared(search, standard, whole, device)
    progress(total, total)
    return result
  }

  /// What was found so far, by kernel.
  private struct Search {
    var names: [String]
    var best: [TimedKernel]
    /// Tiles that were measured or could not be, times of those that were, and why others were not.
    var tried: [Set<KernelChoice>]
    var times: [[Tuner.Time]]
    var problems: [String] = []

    init(names: [String], best: [TimedKernel]) {
      (self.names, self.best) = (names, best)
      tried = best.map { [$0.choice] }
      times = best.map { _ in [] }
    }
  }

  /// Tiles near the best ones.
  private func untried(_ search: Search) -> [[KernelChoice]] {
    search.names.indices.map { kernel in
      let near = alternatives.neighbours(
        search.names[kernel], of: search.best[kernel].choice)
      return Array(near.filter { !search.tried[kernel].contains($0) }.prefix(Self.neighbours))
    }
  }
}

// MARK: Candidates

extension DeviceTuner {
  /// A candidate's path to code, and the kernels that it is for.
  private func path(
    _ choices: [String: KernelChoice]
  ) -> (pipeline: Pipeline, kernels: Set<String>) {
    var result = pipeline
    var file = ScheduleChoices(for: pipeline.target, precision: pipeline.precision)
    file.kernels = choices.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) }
    result.choices = file
    return (result, Set(choices.keys))
  }

  /// Compiles candidates on all cores; `finished` is told how many are.
  private func compiled(
    _ candidates: [[String: KernelChoice]], _ finished: (Int) -> Void
  ) -> [Result<DeviceVariant, Diagnostic>] {
    let results = Mutex([Int: Result<DeviceVariant, Diagnostic>]())
    let isDone = DispatchSemaphore(value: 0)
    let (module, assembler, paths, end) = (module, assembler, candidates.map(path), end)
    DispatchQueue.global().async {
      DispatchQueue.concurrentPerform(iterations: paths.count) { number in
        let result = Result { () throws(Diagnostic) in
          if let end, ContinuousClock.now >= end {
            throw Diagnostic("the time for tuning was over")
          }
          return try DeviceVariant(
            module, paths[number].pipeline, only: paths[number].kernels, assembler)
        }
        results.withLock { $0[number] = result }
        isDone.signal()
      }
    }
    for number in candidates.indices {
      isDone.wait()
      finished(number + 1)
    }
    return results.withLock { all in candidates.indices.compactMap { all[$0] } }
  }

  /// Replaces each kernel's choice where one of `alternatives`, one list a kernel, is faster.
  private func improve(
    _ search: inout Search, _ device: TimedKernels, by alternatives: [[KernelChoice]],
    _ finished: (Int) -> Void
  ) throws(Diagnostic) {
    let lists = zip(search.tried, alternatives).map { tried, all in
      all.filter { !tried.contains($0) }
    }
    let candidates = (0..<(lists.map(\.count).max() ?? 0)).map { number in
      var choices: [String: KernelChoice] = [:]
      for (name, list) in zip(search.names, lists) where number < list.count {
        choices[name] = list[number]
      }
      return choices
    }
    var contestants = search.best.map { [$0] }
    for (choices, result) in zip(candidates, compiled(candidates, finished)) {
      do throws(Diagnostic) {
        let calls = try device.load(try result.get())
        for (kernel, name) in search.names.enumerated() {
          guard let choice = choices[name] else { continue }
          contestants[kernel].append(
            TimedKernel(choice: choice, calls: calls.filter { $0.kernel == name }))
        }
      } catch { search.problems.append(error.message) }
    }
    for kernel in search.names.indices where contestants[kernel].count > 1 {
      let all = contestants[kernel]
      let times = try device.medians(
        all.map(\.calls), rounds: rounds, names: all.map { "@\(search.names[kernel]) \($0.choice)" }
      )
      search.tried[kernel].formUnion(lists[kernel])
      search.times[kernel] += zip(all, times).compactMap { alternative, seconds in
        seconds.map { Tuner.Time(choice: alternative.choice.description, medianSeconds: $0) }
      }
      search.best[kernel] = all[Self.fastest(times)]
    }
  }

  /// The first, unless another one is faster.
  private static func fastest(_ times: [Double?]) -> Int {
    let known = times.map { $0 ?? .infinity }
    let best = known.indices.min { known[$0] < known[$1] } ?? 0
    return known[best] < threshold * known[0] ? best : 0
  }
}

// MARK: Whole networks

extension DeviceTuner {
  /// Keeps what is faster than the cost model's choice alone, and in the network, and all of it only if the network is.
  private func compared(
    _ search: Search, _ standard: [TimedKernel], _ whole: [TimedCall], _ device: TimedKernels
  ) throws(Diagnostic) -> Tuner.Result {
    var best = search.best
    var rows = try rows(search, standard, device)
    for (kernel, row) in rows.enumerated() where row.standardSeconds <= row.medianSeconds {
      best[kernel] = standard[kernel]
    }
    try dropIdle(&best, standard, search.names, whole, device)
    let times = try device.medians(
      [whole, Self.network(whole, search.names, best)], rounds: rounds)
    var (standardSeconds, seconds) = (times[0] ?? 0, times[1] ?? .infinity)
    if standardSeconds <= seconds { (best, seconds) = (standard, standardSeconds) }
    for kernel in rows.indices {
      rows[kernel].choice = best[kernel].choice.description
      if best[kernel].choice == standard[kernel].choice {
        rows[kernel].medianSeconds = rows[kernel].standardSeconds
      }
    }
    var choices = ScheduleChoices(for: pipeline.target, precision: pipeline.precision)
    choices.kernels = zip(search.names, best).map { .init($0, $1.choice) }
    return Tuner.Result(
      choices: choices, rows: rows, seconds: seconds, standardSeconds: standardSeconds,
      gpu: device.gpu, problems: search.problems)
  }

  /// Each kernel's best once more beside the cost model's choice.
  private func rows(
    _ search: Search, _ standard: [TimedKernel], _ device: TimedKernels
  ) throws(Diagnostic) -> [Tuner.Row] {
    var rows: [Tuner.Row] = []
    for (kernel, name) in search.names.enumerated() {
      let (usual, best) = (standard[kernel], search.best[kernel])
      let times = try device.medians([usual.calls, best.calls], rounds: rounds)
      rows.append(
        Tuner.Row(
          kernel: name, choice: best.choice.description, medianSeconds: times[1] ?? .infinity,
          standard: usual.choice.description, standardSeconds: times[0] ?? 0,
          measured: Set(search.times[kernel].map(\.choice)).count, times: search.times[kernel]))
    }
    return rows
  }

  /// Gives up tiles without which the whole network is faster: alone they may be faster and yet keep others waiting.
  private func dropIdle(
    _ best: inout [TimedKernel], _ standard: [TimedKernel], _ names: [String],
    _ whole: [TimedCall], _ device: TimedKernels
  ) throws(Diagnostic) {
    let changed = best.indices.filter { best[$0].choice != standard[$0].choice }
    var networks = [Self.network(whole, names, best)]
    for kernel in changed {
      var kernels = best
      kernels[kernel] = standard[kernel]
      networks.append(Self.network(whole, names, kernels))
    }
    let times = try device.medians(networks, rounds: rounds)
    for (kernel, seconds) in zip(changed, times.dropFirst()) {
      if let seconds, let all = times[0], seconds < all { best[kernel] = standard[kernel] }
    }
  }

  /// The launches of a whole model, with those of some kernels replaced.
  private static func network(
    _ whole: [TimedCall], _ names: [String], _ kernels: [TimedKernel]
  ) -> [TimedCall] {
    var rest: [String: ArraySlice<TimedCall>] = [:]
    for (name, kernel) in zip(names, kernels) { rest[name] = kernel.calls[...] }
    return whole.map { call in rest[call.kernel]?.popFirst() ?? call }
  }
}
