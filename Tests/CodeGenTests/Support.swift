import Diagnostics
import Execution
import LoopIR
import Schedules
import Tensors

@testable import CodeGen

/// A module of one kernel over float32 buffers: inputs `x0...`, one output `y`.
func oneKernel(
  inputs: [[Int]], output: [Int], body: [Statement], scheduled: Bool = true
) -> LoopModule {
  let sources = inputs.enumerated().map { Buffer("x\($0.offset)", .f32, extents: $0.element) }
  let result = Buffer("y", .f32, extents: output)
  let kernel = Kernel(
    "test_kernel",
    parameters: sources.map { KernelParameter($0, .read) } + [KernelParameter(result, .write)],
    body: body)
  return LoopModule(
    name: "test", scheduledFor: scheduled ? "native" : nil,
    buffers: sources.map { ModuleBuffer($0, .input($0.name)) }
      + [ModuleBuffer(result, .output("y"))],
    kernels: [kernel], run: [.call("test_kernel", (sources + [result]).map(\.name))])
}

/// Compiles and runs on this machine.
func run(
  _ module: LoopModule, _ inputs: [[Float]], threads: Int = 1, target: String = "native"
) throws -> [Float] {
  let session = try NativeSession(module, target: try Targets.resolve(target), parameters: [:])
  var tensors: [Tensor<Float>] = []
  let shapes = module.buffers.compactMap { item -> [Int]? in
    if case .input = item.role { return item.buffer.extents }
    return nil
  }
  for (values, extents) in zip(inputs, shapes) {
    tensors.append(try Tensor(try Shape(extents), values))
  }
  return try session.run(inputs: tensors, threads: threads)[0].values
}

/// Assembly of the optimized kernels.
func assembly(_ module: LoopModule, target: String = "native") throws -> String {
  let code = try CodeGenerator(target: try Targets.resolve(target)).kernels(
    of: module, prefix: "test")
  try code.optimize()
  return try code.assembly()
}

/// Reproducible values in [-1, 1).
func noise(_ count: Int, seed: UInt64 = 1) -> [Float] {
  var state = seed &* 0x9E37_79B9_7F4A_7C15
  return (0..<count).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
  }
}

func variable(_ name: String) -> Expression { .variable(name) }
func zero() -> Expression { .real(0, .f32) }

func loop(
  _ name: String, _ extent: Int, _ kind: LoopKind, _ body: [Statement]
) -> Statement {
  .loop(Loop(name, .integer(0), .integer(extent), kind: kind, body: body))
}

func loop(_ name: String, _ extent: Int, _ body: [Statement]) -> Statement {
  loop(name, extent, .serial, body)
}
