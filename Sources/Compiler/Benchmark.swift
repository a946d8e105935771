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

    enum CodingKeys: String, CodingKey {
      case kernel, gflop, gflops
      case medianSeconds = "median_s"
      case peakShare = "peak_share"
    }
  }

  private func inputs() throws(Diagnostic) -> [Tensor<Float>] {
    var generator = SplitMix64(seed: 1)
    var inputs: [Tensor<Float>] = []
    for item in session.module.buffers {
      guard case .input = item.role else { continue }
      var tensor = Tensor<Float>(try Shape(item.buffer.extents), repeating: 0)
      for position in tensor.values.indices { tensor.values[position] = generator.nextUnit() }
      inputs.append(tensor)
    }
    return inputs
  }

  /// Seconds of each round, after two that are not counted.
  public func whole() throws(Diagnostic) -> [Double] {
    let runner = session.session.makeRunner(threads: threads)
    try runner.setInputs(try inputs())
    for _ in 0..<2 { runner.runOnce() }
    return (0..<rounds).map { _ in Self.seconds { runner.runOnce() } }
  }

  /// The FMA peak first, then every kernel call in order; all are timed in turn, round by round.
  ///
  /// Inputs are random unless given.
  public func layers(_ given: [Tensor<Float>]? = nil) throws(Diagnostic) -> [Layer] {
    let runner = session.session.makeRunner(threads: threads)
    if let given { try runner.setInputs(given) } else { try runner.setInputs(try inputs()) }
    runner.runOnce()
    let peak = try PeakMeasurement(target: target, threads: threadCount)
    var times = [[Double]](repeating: [], count: runner.callCount)
    var peakTimes: [Double] = []
    for _ in 0..<rounds {
      peakTimes.append(Self.seconds { peak.run() })
      for call in 0..<runner.callCount {
        times[call].append(Self.seconds { runner.runCall(call) })
      }
    }
    // The peak is what the machine reached at its best; kernels are given by their medians.
    let best = peakTimes.min() ?? 0
    let peakRate = peak.gflop / max(best, 1e-12)
    var layers = [
      Layer(
        kernel: "fma_peak", medianSeconds: Self.median(peakTimes), gflop: peak.gflop,
        gflops: peakRate, peakShare: 1)
    ]
    let work = session.module.workOfCalls()
    for (call, name) in session.session.callNames.enumerated() {
      let median = Self.median(times[call])
      let gflop = work[call] > 0 ? Double(work[call]) / 1e9 : nil
      let rate = gflop.map { $0 / max(median, 1e-12) }
      layers.append(
        Layer(
          kernel: name, medianSeconds: median, gflop: gflop, gflops: rate,
          peakShare: rate.map { $0 / peakRate }))
    }
    return layers
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

/// The rate of vector FMAs on registers alone, measured with code of our own generator on as many threads.
struct PeakMeasurement {
  /// Independent accumulators: enough to hide the latency of two units.
  private static let accumulators = 12
  private static let iterations = 20_000
  private let session: NativeSession
  private let runner: Runner
  /// Multiplications and additions of one run, in units of 10^9.
  let gflop: Double

  init(target: Target, threads: Int) throws(Diagnostic) {
    let lanes = target.floatLanes
    let tasks = 8 * threads
    let module = Self.module(target, tasks: tasks, lanes: lanes)
    session = try NativeSession(module, target: target, parameters: [:])
    runner = session.makeRunner(threads: threads)
    try runner.setInputs([Tensor(try Shape([2]), [0.5, 0.25])])
    gflop = Double(2 * lanes * Self.accumulators * Self.iterations * tasks) / 1e9
    run()
  }

  func run() { runner.runOnce() }

  /// `acc = fma(acc, a, b)` on every accumulator, again and again.
  private static func module(_ target: Target, tasks: Int, lanes: Int) -> LoopModule {
    let source = Buffer("x", .f32, extents: [2], alignment: 4)
    let result = Buffer("y", .f32, extents: [tasks, lanes], alignment: 4)
    func lane(_ name: String, _ body: Statement) -> Statement {
      .loop(Loop(name, .integer(0), .integer(lanes), kind: .vectorized, body: [body]))
    }
    func each(_ name: String, _ body: Statement) -> Statement {
      .loop(Loop(name, .integer(0), .integer(accumulators), kind: .unrolled, body: [body]))
    }
    let (t, l) = (Expression.variable("task"), "l")
    func accumulator(_ a: String, _ l: String) -> [Expression] { [.variable(a), .variable(l)] }
    let body: [Statement] = [
      .allocate(Buffer("acc", .f32, extents: [accumulators, lanes], space: .register)),
      each("a", lane(l, .store("acc", accumulator("a", l), .load("x", [.integer(0)])))),
      .loop(
        Loop(
          "i", .integer(0), .integer(iterations),
          body: [
            each(
              "a.1",
              lane(
                "l.1",
                .store(
                  "acc", accumulator("a.1", "l.1"),
                  .fma(
                    .load("acc", accumulator("a.1", "l.1")), .load("x", [.integer(0)]),
                    .load("x", [.integer(1)])))))
          ])),
      lane("l.2", .store("y", [t, .variable("l.2")], .real(0, .f32))),
      each(
        "a.3",
        lane(
          "l.3",
          .store(
            "y", [t, .variable("l.3")],
            .load("y", [t, .variable("l.3")]) + .load("acc", accumulator("a.3", "l.3"))))),
    ]
    let kernel = Kernel(
      "fma_peak", parameters: [KernelParameter(source, .read), KernelParameter(result, .write)],
      body: [.loop(Loop("task", .integer(0), .integer(tasks), kind: .parallel, body: body))])
    return LoopModule(
      name: "peak", scheduledFor: target.name,
      buffers: [ModuleBuffer(source, .input("x")), ModuleBuffer(result, .output("y"))],
      kernels: [kernel], run: [.call("fma_peak", ["x", "y"])])
  }
}

extension LoopModule {
  /// Floating-point operations of each call's FMAs, every border tap counted, as the direct algorithm has them.
  ///
  /// Counted from shapes: weights [o, i, ky, kx] and the result [n, o, y, x]; 0 for other kernels.
  func workOfCalls() -> [Int] {
    run.map { statement in
      guard case .call(let name, let arguments) = statement, let output = arguments.last,
        let result = buffer(named: output)?.buffer.extents, result.count == 4,
        name.contains("convolution")
      else { return 0 }
      for argument in arguments.dropLast() {
        guard let item = buffer(named: argument), item.role == .constant,
          item.buffer.extents.count == 4
        else { continue }
        let taps = item.buffer.extents.dropFirst().reduce(1, *)
        return 2 * taps * result.reduce(1, *)
      }
      return 0
    }
  }
}
