import Diagnostics
import Execution
import LoopIR
import Schedules
import Tensors

/// Measures alternatives for the kernels of a model on this machine, and keeps the fastest of each.
///
/// First the number of images of a batch that run together, then the algorithm and register tiles of each kernel, then
/// the length of its strips. A few candidates at a time are whole models that differ in every kernel; they run in turn,
/// kernel by kernel, so that each kernel finds the caches as in use. What the cost model chooses stays unless another
/// choice is faster by more than a percent.
public struct Tuner {
  /// What was measured for one kernel, all its calls together.
  public struct Row: Encodable, Sendable {
    public var kernel: String
    public var choice: String
    public var medianSeconds: Double
    /// What the cost model chooses, and its time in the same rounds.
    public var standard: String
    public var standardSeconds: Double
    /// How many choices were measured.
    public var measured: Int
    /// On a GPU every choice that was measured, in rounds with the best one so far.
    public var times: [Time]?

    enum CodingKeys: String, CodingKey {
      case kernel, choice, standard, measured, times
      case medianSeconds = "median_s"
      case standardSeconds = "standard_s"
    }
  }

  /// A choice and its median time, in seconds.
  public struct Time: Encodable, Sendable {
    public var choice: String
    public var medianSeconds: Double

    enum CodingKeys: String, CodingKey {
      case choice
      case medianSeconds = "median_s"
    }
  }

  public struct Result: Sendable {
    public var choices: ScheduleChoices
    public var rows: [Row]
    /// Medians of whole runs, with these choices and as the cost model chooses.
    public var seconds: Double
    public var standardSeconds: Double
    /// The driver's name of the GPU that was measured, if one was.
    public var gpu: String?
    /// What is wrong with choices that could not be measured.
    public var problems: [String] = []
  }

  private let module: LoopModule
  private let pipeline: Pipeline
  private let weights: [String: Tensor<Float>]
  private let threads: Int
  private let rounds: Int
  private let progress: (_ done: Int, _ total: Int) -> Void

  /// Candidates that are in memory together, beside the best one so far.
  private static let groupSize = 6
  /// Choices of the first and of the second kind that are measured for each kernel.
  private static let (shapes, strips) = (18, 6)
  /// Below this part of the time of what is chosen already, a choice is faster.
  private static let threshold = 0.99

  /// `pipeline.choices` are not used; `progress` is called after each group of candidates.
  ///
  /// Throws where the model is scheduled already, or where the target's code cannot run here.
  public init(
    _ model: StagedModel, pipeline: Pipeline, weights: [String: Tensor<Float>], threads: Int,
    rounds: Int, progress: @escaping (_ done: Int, _ total: Int) -> Void
  ) throws(Diagnostic) {
    try HostCheck.check(pipeline.target)
    module = try pipeline.plain(model)
    self.pipeline = pipeline
    self.weights = weights
    self.threads = threads
    self.rounds = rounds
    self.progress = progress
  }

  /// Throws where a weight is missing.
  public func run() throws(Diagnostic) -> Result {
    var best = try withFastestBatch()
    let alternatives = try Scheduler.alternatives(for: module, target: pipeline.target, best)
    best.kernels = alternatives.kernels.compactMap { kernel in
      alternatives.standard(kernel).map { .init(kernel, $0) }
    }
    let standard = best
    let shapes = standard.kernels.map {
      alternatives.promising($0.kernel, atMost: Self.shapes)
    }
    let steps = Self.groups(shapes).count + 2
    try improve(&best, by: shapes) { progress($0, steps) }
    let strips = best.kernels.map {
      alternatives.otherStrips($0.kernel, like: $0.choice, atMost: Self.strips)
    }
    try improve(&best, by: strips) { progress(steps - 2 + $0, steps) }
    let counts = zip(shapes, strips).map { $0.count + $1.count }
    let result = try compared(best, standard, counts)
    progress(steps, steps)
    return result
  }

  private func candidate(_ choices: ScheduleChoices) throws(Diagnostic) -> TuningCandidate {
    try TuningCandidate(
      module, choices, target: pipeline.target, weights: weights, threads: threads)
  }

  private func measure(_ candidates: [TuningCandidate]) {
    for round in 0..<rounds {
      // Nobody is always the first.
      for candidate in round % 2 == 0 ? candidates : candidates.reversed() { candidate.run() }
    }
  }

  /// The fastest number of images that run together, all kernels as the cost model chooses.
  private func withFastestBatch() throws(Diagnostic) -> ScheduleChoices {
    let none = ScheduleChoices(for: pipeline.target, precision: pipeline.precision)
    guard let sizes = SplitBatch.sizes(module, target: pipeline.target) else { return none }
    var candidates: [TuningCandidate] = []
    for images in [sizes.standard] + sizes.all.filter({ $0 != sizes.standard }) {
      var choices = none
      choices.images = images
      candidates.append(try candidate(choices))
    }
    measure(candidates)
    return Self.fastest(candidates) { $0.wholeMedian }.choices
  }

  /// The first candidate, unless another one is faster.
  private static func fastest(
    _ candidates: [TuningCandidate], by time: (TuningCandidate) -> Double
  ) -> TuningCandidate {
    let others = candidates.dropFirst().min { time($0) < time($1) }
    guard let others, time(others) < threshold * time(candidates[0]) else { return candidates[0] }
    return others
  }

  /// Numbers of choices that are measured together.
  private static func groups(_ choices: [[KernelChoice]]) -> [Range<Int>] {
    let count = choices.map(\.count).max() ?? 0
    return stride(from: 0, to: count, by: groupSize).map { $0..<min(count, $0 + groupSize) }
  }

  /// Replaces each kernel's choice where one of `alternatives`, one list a kernel, is faster.
  private func improve(
    _ best: inout ScheduleChoices, by alternatives: [[KernelChoice]],
    _ finished: (Int) -> Void
  ) throws(Diagnostic) {
    for (number, group) in Self.groups(alternatives).enumerated() {
      var candidates = [try candidate(best)]
      for index in group {
        var choices = best
        for kernel in best.kernels.indices where index < alternatives[kernel].count {
          choices.kernels[kernel].choice = alternatives[kernel][index]
        }
        candidates.append(try candidate(choices))
      }
      measure(candidates)
      for kernel in best.kernels.indices {
        let name = best.kernels[kernel].kernel
        best.kernels[kernel] =
          Self.fastest(candidates) { $0.median(of: name) }.choices.kernels[kernel]
      }
      finished(number + 1)
    }
  }

  /// Both once more, in turn; what turns out no faster stays as the cost model chooses.
  private func compared(
    _ best: ScheduleChoices, _ standard: ScheduleChoices, _ counts: [Int]
  ) throws(Diagnostic) -> Result {
    let candidates = [try candidate(standard), try candidate(best)]
    measure(candidates)
    var result = Result(
      choices: best, rows: [], seconds: candidates[1].wholeMedian,
      standardSeconds: candidates[0].wholeMedian)
    for (kernel, entry) in standard.kernels.enumerated() {
      let times = candidates.map { $0.median(of: entry.kernel) }
      if times[0] <= times[1] { result.choices.kernels[kernel] = entry }
      result.rows.append(
        Row(
          kernel: entry.kernel, choice: result.choices.kernels[kernel].choice.description,
          medianSeconds: times.min() ?? 0, standard: entry.choice.description,
          standardSeconds: times[0], measured: counts[kernel]))
    }
    return result
  }
}

/// A model by some choices, whose kernels are timed.
private final class TuningCandidate {
  let choices: ScheduleChoices
  private let runner: Runner
  private let callNames: [String]
  private var times: [[Double]]
  private var whole: [Double] = []

  init(
    _ module: LoopModule, _ choices: ScheduleChoices, target: Target,
    weights: [String: Tensor<Float>], threads: Int
  ) throws(Diagnostic) {
    self.choices = choices
    let session = try ModelSession(
      .loops(module), target: target, precision: choices.precision, choices: choices,
      weights: weights, timingCalls: true)
    runner = session.session.makeRunner(threads: threads)
    try runner.setInputs(try Benchmark.inputs(of: session.module))
    callNames = session.session.callNames
    times = [[Double]](repeating: [], count: callNames.count)
    runner.runOnce()
  }

  /// The whole model, and then kernel by kernel.
  func run() {
    whole.append(Benchmark.seconds { runner.runOnce() })
    for call in callNames.indices {
      times[call].append(Benchmark.seconds { runner.runCall(call) })
    }
  }

  var wholeMedian: Double { Benchmark.median(whole) }

  /// All calls of a kernel, whatever algorithm computes it.
  func median(of kernel: String) -> Double {
    let calls = callNames.indices.filter { KernelChoice.names(callNames[$0], kernel) }
    return Benchmark.median(
      whole.indices.map { round in calls.reduce(0) { $0 + times[$1][round] } })
  }
}
