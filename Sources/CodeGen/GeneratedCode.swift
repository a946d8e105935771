import CLLVM
import Diagnostics
import LLVM
import Schedules

/// LLVM IR of a model for one target, on its way to machine code.
public struct GeneratedCode: ~Copyable {
  static let interfaceKey = "rephase.interface"

  private let ir: IRModule
  private let machine: Machine
  /// Scheduled kernels are vectorized and unrolled already; for others LLVM does what it can.
  private let isScheduled: Bool

  init(_ ir: consuming IRModule, _ machine: consuming Machine, isScheduled: Bool) {
    self.ir = ir
    self.machine = machine
    self.isScheduled = isScheduled
  }

  /// Reads what `text` wrote, optimized or not, for the same target.
  public init(parsing text: String, target: Schedules.Target) throws(Diagnostic) {
    let machine = try Machine(
      triple: target.triple, processor: target.processor, features: target.features)
    self.init(try IRModule(parsing: text, name: "model"), machine, isScheduled: true)
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
    String(decoding: try machine.emit(ir, as: .assembly), as: UTF8.self)
  }

  /// A relocatable ELF object of the module as it is (optimize first).
  public borrowing func object() throws(Diagnostic) -> [UInt8] {
    try machine.emit(ir, as: .object)
  }
}
