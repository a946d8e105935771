import CLLVM
import Diagnostics
import LLVM
import Schedules

/// LLVM IR of a model for one target, on its way to machine code.
public struct GeneratedCode: ~Copyable {
  static let interfaceKey = "rephase.interface"

  private let ir: IRModule
  private let machine: Machine
  private let target: Schedules.Target
  /// Scheduled kernels are vectorized and unrolled already; for others LLVM does what it can.
  private let isScheduled: Bool

  init(
    _ ir: consuming IRModule, _ machine: consuming Machine, _ target: Schedules.Target,
    isScheduled: Bool
  ) {
    self.ir = ir
    self.machine = machine
    self.target = target
    self.isScheduled = isScheduled
  }

  deinit { if target.gpu != nil { machine.forget(ir) } }

  /// Reads what `text` wrote, optimized or not, for the same target.
  public init(parsing text: String, target: Schedules.Target) throws(Diagnostic) {
    let ir = try IRModule(parsing: text, name: "model")
    let target = try Self.usesWarpGroups(ir) ? Targets.withWarpGroups(target) : target
    let machine = try Machine(
      triple: target.triple, processor: target.processor, features: target.features)
    try machine.checkAdopted(ir)
    self.init(ir, machine, target, isScheduled: true)
  }

  /// LLVM IR.
  public var text: String { ir.text }

  /// The text given when the code was generated, or nil.
  public var interface: String? { ir.metadata(Self.interfaceKey) }

  /// Runs LLVM's optimizer, in place.
  public borrowing func optimize() throws(Diagnostic) {
    try machine.optimize(ir, vectorizing: !isScheduled)
  }

  /// Assembly text of the module as it is (optimize first).
  public borrowing func assembly() throws(Diagnostic) -> String {
    try checkProcessor()
    return String(decoding: try machine.emit(ir, as: .assembly), as: UTF8.self)
  }

  /// A relocatable ELF object of the module as it is (optimize first).
  public borrowing func object() throws(Diagnostic) -> [UInt8] {
    try checkProcessor()
    return try machine.emit(ir, as: .object)
  }

  /// Throws where a function read from text was written for another processor: its own attributes would win.
  private borrowing func checkProcessor() throws(Diagnostic) {
    var next = LLVMGetFirstFunction(ir.reference)
    while let function = next {
      let processor = Self.attribute("target-cpu", of: function) ?? target.processor
      let features = Self.attribute("target-features", of: function) ?? ""
      guard processor == target.processor, features.isEmpty || features == target.features else {
        throw Diagnostic(
          "the LLVM IR is for the processor \(processor), not for target \(target.name)",
          help: "give the target it was written for, or write it again")
      }
      next = LLVMGetNextFunction(function)
    }
  }

  /// Whether it was written with a GPU's instructions for warp groups.
  private static func usesWarpGroups(_ ir: borrowing IRModule) -> Bool {
    var next = LLVMGetFirstFunction(ir.reference)
    while let function = next {
      if attribute("target-cpu", of: function) == "sm_90a" { return true }
      next = LLVMGetNextFunction(function)
    }
    return false
  }

  private static func attribute(_ name: String, of function: LLVMValueRef) -> String? {
    let place = LLVMAttributeIndex(bitPattern: -1)
    guard
      let attribute = LLVMGetStringAttributeAtIndex(
        function, place, name, UInt32(name.utf8.count))
    else { return nil }
    var length: UInt32 = 0
    guard let start = LLVMGetStringAttributeValue(attribute, &length) else { return nil }
    let characters = UnsafeBufferPointer(start: start, count: Int(length))
    return String(decoding: characters.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
