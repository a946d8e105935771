import Diagnostics
import Tensors

/// Runs loop IR slowly and obviously: the oracle that schedules and code generation are compared with.
///
/// It throws where the program does what the IR does not allow and the verifier cannot see: an access out of
/// bounds, a read of an element that was never written, two iterations of a concurrent loop that race.
/// `fma` rounds once here.
public enum LoopInterpreter {
  /// Elements of all buffers together, at 9 bytes or more each.
  public static let maximumElements = 1 << 28

  /// Verifies the module, runs `prepare` and then `run`, and returns the outputs in order of declaration.
  ///
  /// Parameters go by their user's names, inputs by order of declaration; values are rounded to the element types.
  public static func run(
    _ module: LoopModule, parameters: [String: Tensor<Double>], inputs: [Tensor<Double>]
  ) throws(Diagnostic) -> [Tensor<Double>] {
    try LoopVerifier.verify(module)
    try checkSize(module.buffers.map(\.buffer))
    let runner = try ModuleRunner(module)
    try runner.fill(parameters: parameters, inputs: inputs)
    try runner.run(module.prepare)
    try runner.run(module.run)
    return try runner.outputs()
  }

  /// Verifies a kernel and runs it on one tensor for each parameter that it reads; returns one for each that it writes.
  public static func runKernel(
    _ kernel: Kernel, arguments: [Tensor<Double>]
  ) throws(Diagnostic) -> [Tensor<Double>] {
    try LoopVerifier.verify(kernel)
    try checkSize(kernel.parameters.map(\.buffer))
    let reads = kernel.parameters.filter(\.access.reads)
    guard reads.count == arguments.count else {
      throw Diagnostic(
        "kernel @\(kernel.name) reads \(reads.count) buffers, \(arguments.count) tensors are given")
    }
    var memories: [Memory] = []
    var next = 0
    for parameter in kernel.parameters {
      let memory = Memory(parameter.buffer)
      if parameter.access.reads {
        try fill(memory, arguments[next])
        next += 1
      }
      memories.append(memory)
    }
    try ResolvedKernel(kernel).run(memories)
    var results: [Tensor<Double>] = []
    for (parameter, memory) in zip(kernel.parameters, memories) where parameter.access.writes {
      results.append(try memory.tensor())
    }
    return results
  }

  private static func checkSize(_ buffers: [Buffer]) throws(Diagnostic) {
    // Spans are at most 2^36, so only very many of them could overflow: stop at the first that is too much.
    var total = 0
    for buffer in buffers {
      total += buffer.spanElements
      guard total <= maximumElements else {
        throw Diagnostic(
          "the buffers have more than \(maximumElements) elements, too many to interpret",
          help: "use a smaller image or batch")
      }
    }
  }

  fileprivate static func fill(_ memory: Memory, _ tensor: Tensor<Double>) throws(Diagnostic) {
    guard tensor.shape.extents == memory.buffer.extents else {
      throw Diagnostic(
        "the tensor \(tensor.shape) does not fit '\(LoopPrinter.text(memory.buffer))'")
    }
    memory.fill(tensor)
  }
}

/// A kernel as closures, for any number of runs.
private struct ResolvedKernel {
  let name: String
  let code: StatementCode
  let slots: Int
  let buffers: Int

  init(_ kernel: Kernel) throws(Diagnostic) {
    var resolver = Resolver(kernel)
    code = try resolver.resolve(kernel.body)
    name = kernel.name
    slots = resolver.variables
    buffers = resolver.buffers
  }

  /// The parameters' memories come first, local buffers get theirs when they are allocated.
  func run(_ parameters: [Memory]) throws(Diagnostic) {
    for memory in parameters { memory.startRun() }
    let empty = Memory(Buffer("unallocated", .f32, extents: []))
    let locals = [Memory](repeating: empty, count: buffers - parameters.count)
    try code(Machine(kernel: name, slots: slots, memories: parameters + locals))
  }
}

/// The buffers of a module while its programs run.
private struct ModuleRunner {
  private let module: LoopModule
  private var memories: [String: Memory] = [:]
  private var kernels: [String: ResolvedKernel] = [:]

  init(_ module: LoopModule) throws(Diagnostic) {
    self.module = module
    for entry in module.buffers {
      if case .slice = entry.role { continue }
      memories[entry.buffer.name] = Memory(entry.buffer)
    }
    for kernel in module.kernels { kernels[kernel.name] = try ResolvedKernel(kernel) }
  }

  /// The memory of a buffer; a copy of it where the buffer is a slice.
  private func memory(_ name: String) throws(Diagnostic) -> Memory {
    if let entry = module.buffer(named: name), case .slice(let whole, let first) = entry.role {
      return try memory(whole).slice(entry.buffer, at: first)
    }
    guard let memory = memories[name] else {
      throw Diagnostic("%\(name) cannot be found: verify the module first")
    }
    return memory
  }

  func fill(
    parameters: [String: Tensor<Double>], inputs: [Tensor<Double>]
  ) throws(Diagnostic) {
    var next = 0
    for entry in module.buffers {
      if case .parameter(let name) = entry.role {
        guard let tensor = parameters[name] else {
          throw Diagnostic("the parameter \"\(name)\" is not given")
        }
        try LoopInterpreter.fill(try memory(entry.buffer.name), tensor)
      } else if case .input(let name) = entry.role {
        guard next < inputs.count else { throw Diagnostic("the input \"\(name)\" is not given") }
        try LoopInterpreter.fill(try memory(entry.buffer.name), inputs[next])
        next += 1
      }
    }
    guard next == inputs.count else {
      throw Diagnostic("\(inputs.count) inputs are given, module @\(module.name) has \(next)")
    }
  }

  func run(_ program: [Statement]) throws(Diagnostic) {
    for statement in program {
      guard case .call(let name, let arguments) = statement,
        let kernel = module.kernel(named: name), let resolved = kernels[name]
      else { throw Diagnostic("a program holds more than calls: verify the module first") }
      var buffers: [Memory] = []
      for (argument, parameter) in zip(arguments, kernel.parameters) {
        buffers.append(try memory(argument))
        if parameter.access.writes { try forgetOverlapping(argument) }
      }
      try resolved.run(buffers)
      for (argument, (parameter, part)) in zip(arguments, zip(kernel.parameters, buffers))
      where parameter.access.writes {
        guard case .slice(let whole, let first)? = module.buffer(named: argument)?.role else {
          continue
        }
        try memory(whole).replace(at: first, with: part)
      }
    }
  }

  /// Writing a temporary destroys all others that share bytes of the arena with it.
  private func forgetOverlapping(_ name: String) throws(Diagnostic) {
    guard let written = module.buffer(named: name), written.arenaRange != nil else { return }
    for other in module.buffers where other.buffer.name != name && other.overlaps(written) {
      try memory(other.buffer.name).forget()
    }
  }

  func outputs() throws(Diagnostic) -> [Tensor<Double>] {
    var outputs: [Tensor<Double>] = []
    for entry in module.buffers {
      if case .output = entry.role { outputs.append(try memory(entry.buffer.name).tensor()) }
    }
    return outputs
  }
}
