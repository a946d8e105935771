import CRephaseRuntime
import CodeGen
import Diagnostics
import Execution
import LoopIR
import Schedules
import Tensors

/// Times a model's code in this process: whole runs, or each kernel beside the machine's FMA peak.
public struct Benchmark {
  private let session: ModelSession
  private let target: Target
  private let threads: Int
  private let rounds: Int

  public init(session: ModelSession, target: Target, threads: Int, rounds: Int) {
    self.session = session
    self.target = target
    self.threads = threads
    self.rounds = rounds
  }

  public var threadCount: Int { Self.threadCount(threads) }

  /// The threads that a number means: all cores for 0.
  public static func threadCount(_ threads: Int) -> Int {
    threads == 0 ? Int(rephase_available_cores()) : threads
  }

  public var batch: Int {
    get throws(Diagnostic) { try inputs().first?.shape.extents.first ?? 1 }
  }

  /// One kernel call of the program.
  public struct Layer: Encodable, Sendable {
    public var kernel: String
    public var medianSeconds: Double
    /// Multiplications and additions of the direct algorithm; nil where the kernel is none.
    public var gflop: Double?
    /// Effective rate: `gflop` over the median time.
    public var gflops: Double?
    /// Rate over the measured FMA peak of as many threads.
    public var peakShare: Double?
    /// What the kernel must read and write at least, in units of 10^9 bytes: each buffer once.
    public var gbytes: Double?
    /// Which of the two takes longer at the measured peaks.
    public var bound: Roofline.Bound?
    /// The time that this bound takes over the median time.
    public var roofShare: Double?

    enum CodingKeys: String, CodingKey {
      case kernel, gflop, gflops, gbytes, bound
      case medianSeconds = "median_s"
      case peakShare = "peak_share"
      case roofShare = "roof_share"
    }
  }

  private func inputs() throws(Diagnostic) -> [Tensor<Float>] {
    try Self.inputs(of: session.module)
  }

  /// Random numbers in [0, 1) for a module's inputs.
  static func inputs(of module: LoopModule) throws(Diagnostic) -> [Tensor<Float>] {
    var shapes: [Shape] = []
    for item in module.buffers {
      if case .input = item.role { shapes.append(try Shape(item.buffer.extents)) }
    }
    return inputs(shapes)
  }

  static func inputs(_ shapes: [Shape]) -> [Tensor<Float>] {
    var generator = SplitMix64(seed: 1)
    return shapes.map { shape in
      var tensor = Tensor<Float>(shape, repeating: 0)
      for position in tensor.values.indices { tensor.values[position] = generator.nextUnit() }
      return tensor
    }
  }

  /// Seconds of each round, after two that are not counted.
  public func whole() throws(Diagnostic) -> [Double] {
    let runner = session.session.makeRunner(threads: threads)
    try runner.setInputs(try inputs())
    for _ in 0..<2 { runner.runOnce() }
    return (0..<rounds).map { _ in Self.seconds { runner.runOnce() } }
  }

  /// The FMA peak and the copy rate first, then every kernel call in order; all are timed in turn, round by round.
  ///
  /// Inputs are random unless given.
  public func layers(_ given: [Tensor<Float>]? = nil) throws(Diagnostic) -> [Layer] {
    let runner = session.session.makeRunner(threads: threads)
    if let given { try runner.setInputs(given) } else { try runner.setInputs(try inputs()) }
    runner.runOnce()
    let peak = try PeakMeasurement(target: target, threads: threadCount)
    let traffic = session.module.trafficOfCalls()
    let copy = try CopyMeasurement(
      byteCount: traffic.max() ?? 0, target: target, threads: threadCount)
    var times = [[Double]](repeating: [], count: runner.callCount)
    var (peakTimes, copyTimes): ([Double], [Double]) = ([], [])
    for _ in 0..<rounds {
      peakTimes.append(Self.seconds { peak.run() })
      copyTimes.append(Self.seconds { copy.run() })
      for call in 0..<runner.callCount {
        times[call].append(Self.seconds { runner.runCall(call) })
      }
    }
    // The peaks are what the machine reached at its best; kernels are given by their medians.
    let roof = Roofline(
      gflops: peak.gflop / max(peakTimes.min() ?? 0, 1e-12),
      gbytesPerSecond: copy.gbytes / max(copyTimes.min() ?? 0, 1e-12))
    let work = session.module.workOfCalls()
    let layers = session.session.callNames.indices.map { call in
      layer(call, times[call], work: work[call], bytes: traffic[call], roof)
    }
    return [
      Layer(
        kernel: "fma_peak", medianSeconds: Self.median(peakTimes), gflop: peak.gflop,
        gflops: roof.gflops, peakShare: 1),
      Layer(kernel: "copy_peak", medianSeconds: Self.median(copyTimes), gbytes: copy.gbytes),
    ] + layers
  }

  private func layer(
    _ call: Int, _ times: [Double], work: Int, bytes: Int, _ roof: Roofline
  ) -> Layer {
    let name = session.session.callNames[call]
    let median = Self.median(times)
    let gflop = work > 0 ? Double(work) / 1e9 : nil
    let rate = gflop.map { $0 / max(median, 1e-12) }
    let gbytes = Double(bytes) / 1e9
    let least = roof.least(
      gflop: (gflop ?? 0) / Roofline.saving(ofKernel: name), gbytes: gbytes)
    return Layer(
      kernel: name, medianSeconds: median, gflop: gflop, gflops: rate,
      peakShare: rate.map { $0 / roof.gflops }, gbytes: gbytes, bound: least.bound,
      roofShare: least.seconds / max(median, 1e-12))
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
  }

  static func seconds(_ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    let time = clock.measure(body).components
    return Double(time.seconds) + Double(time.attoseconds) * 1e-18
  }
}
