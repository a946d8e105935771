import Diagnostics
import Execution
import LoopIR
import Schedules
import Tensors

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
