import CLLVM
import Diagnostics
import LLVM
import LoopIR
import Schedules

/// One kernel launch of a model: which kernel, on what grid, with which buffers of the module.
public struct Launch: Hashable, Sendable {
  /// Its name in the PTX.
  public var entry: String
  public var kernel: Kernel
  public var grid: KernelGrid
  /// Names of the module's buffers, in order of the kernel's parameters.
  public var arguments: [String]
}

/// What a GPU does for a model: launches one after the other.
public struct DeviceProgram: Sendable {
  public let launches: [Launch]
  /// Kernels that are launched, by name, and their names in the PTX.
  let entries: [String: String]

  /// Throws where a kernel of `run` is not scheduled for a GPU.
  public init(_ module: LoopModule) throws(Diagnostic) {
    var entries: [String: String] = [:]
    var taken: Set<String> = []
    var launches: [Launch] = []
    for statement in module.run {
      guard case .call(let name, let arguments) = statement, let kernel = module.kernel(named: name)
      else { throw Diagnostic("there is no kernel for a call of \(module.name)") }
      if entries[name] == nil { entries[name] = Self.entry(name, &taken) }
      launches.append(
        Launch(
          entry: entries[name] ?? name, kernel: kernel, grid: try KernelGrid(of: kernel),
          arguments: arguments))
    }
    self.launches = launches
    self.entries = entries
  }

  /// A PTX identifier: letters, digits and underscores.
  private static func entry(_ name: String, _ taken: inout Set<String>) -> String {
    let characters = name.utf8.map { byte -> Character in
      let character = Character(UnicodeScalar(byte))
      return character.isASCII && (character.isLetter || character.isNumber) ? character : "_"
    }
    let base = "k_" + String(characters)
    var candidate = base
    var number = 2
    while !taken.insert(candidate).inserted {
      candidate = "\(base)_\(number)"
      number += 1
    }
    return candidate
  }
}

extension CodeGenerator {
  /// The kernels that `run` launches, for a GPU; `interface` travels with the module through its textual form.
  public func deviceCode(
    of module: LoopModule, interface: String? = nil
  ) throws(Diagnostic) -> GeneratedCode {
    let target = try module.usesWarpGroups ? Targets.withWarpGroups(target) : target
    let machine = try Machine(
      triple: target.triple, processor: target.processor, features: target.features)
    let ir = IRModule(name: module.name)
    machine.adopt(ir)
    if let interface { ir.setMetadata(GeneratedCode.interfaceKey, to: interface) }
    let program = try DeviceProgram(module)
    let unit = ModuleEmitter(ir, target: target)
    for kernel in module.kernels {
      guard let entry = program.entries[kernel.name] else { continue }
      let uses = program.launches.filter { $0.kernel.name == kernel.name }
      let arguments = uses.map { $0.arguments.compactMap { module.buffer(named: $0) } }
      try DeviceKernelEmitter(unit).emit(kernel, as: entry, arguments)
    }
    try ir.verify()
    return GeneratedCode(ir, machine, target, isScheduled: true)
  }
}
