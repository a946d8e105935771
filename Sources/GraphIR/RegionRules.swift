import Diagnostics
import Tensors

/// An operation that carries a region: its operands become the region's arguments.
public protocol RegionOperation: Operation {
  /// Throws where the region holds what the operation cannot carry.
  func verifyRegion(_ body: Function) throws(Diagnostic)
}

/// Which operations have regions, and how the regions must fit (constraints G7 to G9).
enum RegionRules {
  static func check(
    _ operation: any Operation, operands: [TensorType], _ regions: [Function]
  ) throws(Diagnostic) {
    guard let owner = operation as? any RegionOperation else {
      guard regions.isEmpty else {
        throw Diagnostic("[G8] \(operation.mnemonic) takes no region", help: "remove the braces")
      }
      return
    }
    guard let body = regions.first else {
      throw Diagnostic(
        "[G8] \(operation.mnemonic) needs a region", help: "add { ^(...): ... return ... }")
    }
    let wanted = body.types(of: body.arguments)
    guard wanted == operands else {
      let shown = wanted.map(\.description).joined(separator: ", ")
      throw Diagnostic(
        "[G9] the region takes (\(shown)), which are not the types of the operands of \(operation.mnemonic)"
      )
    }
    try owner.verifyRegion(body)
  }
}

/// Checks a module that was built or rewritten in memory against the same constraints as the parser (G1 to G9).
public enum GraphVerifier {
  public static func verify(_ module: Module) throws(Diagnostic) {
    for function in module.functions { try verify(function) }
  }

  public static func verify(_ function: Function) throws(Diagnostic) {
    var defined = Set(function.arguments)
    for node in function.nodes {
      for operand in node.operands where !defined.contains(operand) {
        throw Diagnostic(
          "[G3] \(node.operation.mnemonic) in @\(function.name) uses a value before its definition",
          at: node.location)
      }
      try verify(node, in: function)
      for result in node.results where !defined.insert(result).inserted {
        throw Diagnostic(
          "[G2] a result of \(node.operation.mnemonic) in @\(function.name) is defined twice",
          at: node.location)
      }
    }
    for result in function.results where !defined.contains(result) {
      throw Diagnostic("[G3] @\(function.name) returns a value that nothing defines")
    }
  }

  private static func verify(_ node: Node, in function: Function) throws(Diagnostic) {
    let operands = function.types(of: node.operands)
    let results = function.types(of: node.results)
    do throws(Diagnostic) {
      try RegionRules.check(node.operation, operands: operands, node.regions)
      var inferred = results
      if let body = node.regions.first {
        try verify(body)
        inferred = body.types(of: body.results)
      } else {
        inferred = try node.operation.inferResults(operands)
      }
      guard inferred == results else {
        throw Diagnostic(
          "[G5] the declared result types of \(node.operation.mnemonic) are not its own")
      }
    } catch {
      throw error.located(at: node.location)
    }
  }
}
