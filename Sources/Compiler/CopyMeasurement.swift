import Diagnostics
import Execution
import LoopIR
import Schedules
import Tensors

/// The rate at which data of a given size is read and written, measured with a copy of our own generator.
struct CopyMeasurement {
  private let runner: Runner
  /// Bytes read and written by one run, in units of 10^9.
  let gbytes: Double

  /// Bytes are rounded up to whole pieces of 4 KiB, read and written half each.
  init(byteCount: Int, target: Target, threads: Int) throws(Diagnostic) {
    let pieces = max(threads, (byteCount / 2 + 4095) / 4096)
    let module = Scheduler.schedule(Self.module(pieces), for: target)
    let session = try NativeSession(module, target: target, parameters: [:])
    runner = session.makeRunner(threads: threads)
    let input = Tensor<Float>(try Shape([pieces, 1024]), repeating: 1)
    try runner.setInputs([input])
    gbytes = Double(2 * 4096 * pieces) / 1e9
    run()
  }

  func run() { runner.runOnce() }

  private static func module(_ pieces: Int) -> LoopModule {
    let source = Buffer("x", .f32, extents: [pieces, 1024])
    let result = Buffer("y", .f32, extents: [pieces, 1024])
    let index: [Expression] = [.variable("i"), .variable("j")]
    let copy = Loop(
      "j", .integer(0), .integer(1024), body: [.store("y", index, .load("x", index))])
    let kernel = Kernel(
      "copy_peak", parameters: [KernelParameter(source, .read), KernelParameter(result, .write)],
      body: [.loop(Loop("i", .integer(0), .integer(pieces), body: [.loop(copy)]))])
    return LoopModule(
      name: "copy",
      buffers: [ModuleBuffer(source, .input("x")), ModuleBuffer(result, .output("y"))],
      kernels: [kernel], run: [.call("copy_peak", ["x", "y"])])
  }
}
