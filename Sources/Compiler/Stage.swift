import Diagnostics
import GraphIR
import LoopIR
import Operations
import Tensors

/// The named stages of a model's path; every one has a text form that can be written and continued from.
public enum Stage: String, CaseIterable, Sendable {
  /// The network as written.
  case graph
  /// One node for each kernel.
  case optimized
  /// One plain loop nest for each kernel.
  case loops
  /// Tiled, vectorized and parallel loops, layouts and the memory plan.
  case scheduled
  /// LLVM IR after LLVM's own passes.
  case llvm
  /// Assembly for the target.
  case asm
  /// NVIDIA's portable assembly, for targets such as `sm_90`.
  case ptx
}

/// A model at the stage at which it was given.
public enum StagedModel: Sendable {
  case graph(Function)
  /// Scheduled where `scheduledFor` is set.
  case loops(LoopModule)
  /// Code of the target in `interface`, as LLVM IR.
  case llvm(text: String, interface: LoopModule)
  case assembly(text: String, interface: LoopModule)
  /// Kernels of a GPU; the interface has their grids and how they are launched.
  case ptx(text: String, interface: LoopModule)

  /// The largest error that a precision allows: that of gradients of a graph that computes some.
  func promise(_ precision: Precision) -> Double {
    guard case .graph(let function) = self,
      function.nodes.contains(where: { $0.operation.mnemonic.hasSuffix("_gradient") })
    else { return precision.promise }
    return precision.gradientPromise
  }

  public var name: String {
    switch self {
    case .graph(let function): return function.name
    case .loops(let module), .llvm(_, let module), .assembly(_, let module), .ptx(_, let module):
      return module.name
    }
  }

  /// The network that it was written from, where that is known.
  public var origin: ModelDescription? {
    switch self {
    case .graph(let function): return function.origin
    case .loops(let module), .llvm(_, let module), .assembly(_, let module), .ptx(_, let module):
      return module.origin
    }
  }
}

/// Reads dumps of any stage, by content.
public enum DumpReader {
  /// The first line of an assembly dump, in the assembler's comments; the interface follows in further ones.
  static let assemblyHeader = "# rephase_asm 1"
  static let assemblyComment = "#| "
  /// The last line: the assembler takes a text that was cut, and its code would run into nothing.
  static let assemblyEnd = "# end of rephase_asm\n"

  /// Throws, with the place, where the text is no valid dump.
  public static func read(_ text: String, file: String) throws(Diagnostic) -> StagedModel {
    if text.hasPrefix(assemblyHeader) {
      guard text.hasSuffix(assemblyEnd) else {
        throw Diagnostic(
          "the assembly does not end as it was written: it has been cut",
          at: SourceLocation(file: file), help: "write it again with 'rephase emit --stage asm'")
      }
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let kept = lines.filter { $0.hasPrefix(assemblyComment) }
        .map { $0.dropFirst(assemblyComment.count) }
      let interface = try self.interface(kept.joined(separator: "\n"), file: file)
      return .assembly(text: text, interface: interface)
    }
    if text.hasPrefix(PTXDump.header) {
      let interface = try PTXDump.interface(text, file: file)
      return .ptx(text: text, interface: try self.interface(interface, file: file))
    }
    if text.hasPrefix("; ModuleID") || text.hasPrefix("source_filename") {
      guard let interface = try LLVMText.interface(text, file: file) else {
        throw Diagnostic(
          "the LLVM IR says nothing of the model's interface", at: SourceLocation(file: file),
          help: "write it with 'rephase emit --stage llvm'")
      }
      return .llvm(text: text, interface: try self.interface(interface, file: file))
    }
    if firstWord(text).hasPrefix("rephase_loops") {
      return .loops(try LoopParser.parseVerifiedModule(text, file: file))
    }
    let module = try GraphParser.parse(text, file: file, table: OperationRegistry.table)
    guard module.functions.count == 1, let function = module.functions.first else {
      throw Diagnostic(
        "the dump has \(module.functions.count) functions; a model is one function",
        at: SourceLocation(file: file), help: "keep the function to be compiled")
    }
    return .graph(function)
  }

  /// The text from its first character that is neither blank nor in a comment.
  private static func firstWord(_ text: String) -> Substring {
    var rest = text.drop(while: \.isWhitespace)
    while rest.hasPrefix("//") {
      rest = rest.drop { !$0.isNewline }.drop(while: \.isWhitespace)
    }
    return rest
  }

  private static func interface(
    _ text: String, file: String
  ) throws(Diagnostic) -> LoopModule {
    do throws(Diagnostic) {
      let module = try LoopParser.parseModule(text, file: file)
      return module
    } catch {
      throw Diagnostic(
        "the interface in the dump is damaged: \(error.message)",
        at: SourceLocation(file: file), help: "write the dump again")
    }
  }
}
