import Compiler
import Diagnostics
import GraphIR
import LoopIR
import Networks
import Tensors

/// A MODEL with all that is known of it.
struct ResolvedModel {
  var staged: StagedModel
  /// Where it is a network rather than a dump.
  var network: NetworkModel?
  /// Empty where no weight file was given or needed.
  var weights: [String: Tensor<Float>]
  /// The file of a dump.
  var path: String?

  /// Runs work on the model; its diagnostics without a place get the dump's.
  func locating<Result>(_ work: () throws -> Result) throws -> Result {
    do { return try work() } catch let diagnostic as Diagnostic {
      throw diagnostic.located(at: path.map { SourceLocation(file: $0) })
    }
  }

  /// The model as text, for hashes.
  var sourceText: String {
    switch staged {
    case .graph(let function): return GraphPrinter.text(Module([function]))
    case .loops(let module): return LoopPrinter.text(module)
    case .llvm(let text, _), .assembly(let text, _), .ptx(let text, _): return text
    }
  }
}
