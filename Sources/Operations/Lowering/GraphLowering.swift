import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Lowers a graph function to a loop module: one kernel for each distinct group, one call for each node.
///
/// What depends on weights alone goes to `prepare`, which runs once at compile time; the rest to `run`.
public struct GraphLowering {
  private let function: Function
  private var module: LoopModule
  /// The buffer that holds a value.
  private var buffers: [ValueID: String] = [:]
  private var usedNames: Set<String> = []
  /// Values that depend on weights alone.
  private var weights: Set<ValueID> = []
  /// Weights that `run` reads, by the value.
  private var constants: Set<ValueID> = []

  /// Throws where an operation cannot be lowered.
  public static func lower(_ function: Function) throws(Diagnostic) -> LoopModule {
    var lowering = GraphLowering(try function.decomposed() ?? function)
    lowering.module.origin = function.origin
    try lowering.run()
    return lowering.module
  }

  private init(_ function: Function) {
    self.function = function
    module = LoopModule(name: function.name)
  }

  private mutating func run() throws(Diagnostic) {
    findWeights()
    for argument in function.arguments {
      let name = unique(givenName(of: argument) ?? "x")
      declare(argument, name, .input(name))
    }
    declareOutputs()
    for node in function.nodes { try lower(node) }
    try copyRemainingResults()
  }

  private mutating func findWeights() {
    for node in function.nodes
    where node.operation is ParameterOperation || node.operands.allSatisfy(weights.contains) {
      weights.formUnion(node.results)
    }
    for node in function.nodes where !weights.contains(node.results[0]) {
      constants.formUnion(node.operands.filter(weights.contains))
    }
    constants.formUnion(function.results.filter(weights.contains))
  }

  /// Results that a node of `run` computes are written straight into the output buffers.
  private mutating func declareOutputs() {
    for result in function.results {
      let direct =
        !weights.contains(result) && buffers[result] == nil && !function.arguments.contains(result)
      let name = unique(givenName(of: result) ?? "y")
      if direct {
        declare(result, name, .output(name))
      } else {
        add(KernelLowering.buffer(name, function.type(of: result)), .output(name))
        pendingCopies.append((result, name))
      }
    }
  }
  private var pendingCopies: [(value: ValueID, output: String)] = []
  /// The names of those so far.
  private var parameters: Set<String> = []

  private mutating func copyRemainingResults() throws(Diagnostic) {
    for (value, output) in pendingCopies {
      let type = function.type(of: value)
      try call(Self.copy(type), [buffers[value] ?? ""], output, inPrepare: false)
    }
  }

  private mutating func lower(_ node: Node) throws(Diagnostic) {
    guard node.results.count == 1 else {
      throw Diagnostic("\(node.operation.mnemonic) has several results", at: node.location)
    }
    let result = node.results[0]
    let type = function.type(of: result)
    let isWeight = weights.contains(result)
    if let parameter = node.operation as? ParameterOperation {
      guard parameters.insert(parameter.name).inserted else {
        throw Diagnostic(
          "there are two parameters \"\(parameter.name)\"", at: node.location,
          help: "use the value of the first, or give one of them another name")
      }
      let name = unique(parameter.name)
      add(KernelLowering.buffer(name, type), .parameter(parameter.name))
      guard constants.contains(result) else {
        buffers[result] = name
        return
      }
      let packed = unique(parameter.name)
      declare(result, packed, .constant)
      try call(Self.copy(type), [name], packed, inPrepare: true)
      return
    }
    if buffers[result] == nil {
      let role: BufferRole =
        isWeight ? (constants.contains(result) ? .constant : .scratch) : .temporary(offset: nil)
      declare(result, unique(givenName(of: result) ?? "t\(module.buffers.count)"), role)
    }
    let group: Function
    if let region = node.regions.first {
      group = region
    } else {
      group = try Self.group(node, function)
    }
    try call(
      group, node.operands.map { buffers[$0] ?? "" }, buffers[result] ?? "", inPrepare: isWeight)
  }

  /// A single operation as a group of its own.
  static func group(_ node: Node, _ function: Function) throws(Diagnostic) -> Function {
    var group = Function("")
    let operands = node.operands.map { group.addArgument(function.type(of: $0)) }
    group.results = try group.append(node.operation, operands, at: node.location)
    return group
  }

  private static func copy(_ type: TensorType) throws(Diagnostic) -> Function {
    var group = Function("")
    let source = group.addArgument(type)
    group.results = try group.append(Convert(to: type.element), [source])
    return group
  }

  private mutating func call(
    _ group: Function, _ operands: [String], _ result: String, inPrepare: Bool
  ) throws(Diagnostic) {
    let kernel = share(try KernelLowering(group).kernel())
    let statement = Statement.call(kernel, operands + [result])
    if inPrepare { module.prepare.append(statement) } else { module.run.append(statement) }
  }

  /// The name of an equal kernel that is there already, or of this one after adding it.
  private mutating func share(_ kernel: Kernel) -> String {
    let safe = String(kernel.name.map { $0.isLetter || $0.isNumber ? $0 : "_" })
    var candidate = kernel
    var number = 1
    while true {
      candidate.name = number == 1 ? safe : "\(safe)_v\(number)"
      guard let existing = module.kernel(named: candidate.name) else {
        module.kernels.append(candidate)
        return candidate.name
      }
      if existing == candidate { return candidate.name }
      number += 1
    }
  }

  private mutating func declare(_ value: ValueID, _ name: String, _ role: BufferRole) {
    add(KernelLowering.buffer(name, function.type(of: value)), role)
    buffers[value] = name
  }

  private mutating func add(_ buffer: Buffer, _ role: BufferRole) {
    module.buffers.append(ModuleBuffer(buffer, role))
  }

  /// A value's own name; nil for the number that a dump gives to a value without one.
  ///
  /// So a function lowers to the same names whether it was written and read back or not.
  private func givenName(of value: ValueID) -> String? {
    guard let name = function.name(of: value), !name.allSatisfy(\.isNumber) else { return nil }
    return name
  }

  /// A name that the lexer reads back and that no other buffer has.
  private mutating func unique(_ wanted: String) -> String {
    let safe = String(
      wanted.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == ".") ? $0 : "_" })
    var name = safe.isEmpty ? "v" : safe
    var number = 1
    while !usedNames.insert(name).inserted {
      name = "\(safe).\(number)"
      number += 1
    }
    return name
  }
}
