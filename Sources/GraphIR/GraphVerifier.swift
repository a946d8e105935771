import Diagnostics
import Tensors

/// Checks a module that was built or rewritten in memory against the constraints that the parser enforces (G1 to
/// G11 of IR/LanguageReference.md).
public enum GraphVerifier {
  public static func verify(_ module: Module) throws(Diagnostic) {
    var names: Set<String> = []
    for function in module.functions {
      guard names.insert(function.name).inserted else {
        throw Diagnostic("[G1] function @\(function.name) is defined twice")
      }
      try verify(function)
    }
  }

  public static func verify(_ function: Function) throws(Diagnostic) {
    try verify(function, depth: 0)
  }

  private static func verify(_ function: Function, depth: Int) throws(Diagnostic) {
    let place = depth == 0 ? "@\(function.name)" : "a region"
    try verifyOrigin(of: function, place, depth: depth)
    var defined = Set(function.arguments)
    for node in function.nodes {
      let mnemonic = node.operation.mnemonic
      for operand in node.operands where !defined.contains(operand) {
        throw Diagnostic(
          "[G3] \(mnemonic) in \(place) uses a value before its definition", at: node.location)
      }
      for result in node.results {
        guard result.index < function.values.count else {
          throw Diagnostic(
            "[G2] a result of \(mnemonic) in \(place) is another function's", at: node.location)
        }
        guard defined.insert(result).inserted else {
          throw Diagnostic(
            "[G2] a result of \(mnemonic) in \(place) is defined twice", at: node.location)
        }
      }
      do throws(Diagnostic) { try verify(node, in: function, depth: depth) } catch {
        throw error.located(at: node.location)
      }
    }
    for result in function.results where !defined.contains(result) {
      throw Diagnostic("[G3] \(place) returns a value that nothing defines")
    }
    guard !function.results.isEmpty else { throw Diagnostic("[G6] \(place) returns nothing") }
  }

  private static func verifyOrigin(
    of function: Function, _ place: String, depth: Int
  ) throws(Diagnostic) {
    guard let origin = function.origin else { return }
    guard depth == 0 else { throw Diagnostic("[G11] \(place) names a network") }
    do throws(Diagnostic) { try origin.check() } catch {
      throw Diagnostic("[G11] \(error.message)", help: error.help)
    }
  }

  private static func verify(
    _ node: Node, in function: Function, depth: Int
  ) throws(Diagnostic) {
    if !node.regions.isEmpty && depth > 0 {
      throw Diagnostic("[G7] regions do not nest", help: "flatten the inner region")
    }
    for region in node.regions { try verify(region, depth: depth + 1) }
    let operands = function.types(of: node.operands)
    try RegionRules.check(node.operation, operands: operands, node.regions)
    let inferred: [TensorType]
    if let body = node.regions.first {
      inferred = body.types(of: body.results)
    } else {
      inferred = try node.operation.inferResults(operands)
    }
    let results = function.types(of: node.results)
    guard inferred.count == results.count else {
      throw Diagnostic(
        "[G4] \(node.operation.mnemonic) has another number of results (\(inferred.count)) than values that it defines (\(results.count))"
      )
    }
    guard inferred == results else {
      throw Diagnostic(
        "[G5] \(node.operation.mnemonic) yields \(TensorType.list(inferred)), but \(TensorType.list(results)) is declared"
      )
    }
  }
}
