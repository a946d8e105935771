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
    guard let body = regions.first, regions.count == 1 else {
      throw Diagnostic(
        "[G8] \(operation.mnemonic) needs one region", help: "add { ^(...): ... return ... }")
    }
    let wanted = body.types(of: body.arguments)
    guard wanted == operands else {
      throw Diagnostic(
        "[G9] the region takes \(TensorType.list(wanted)), but the operands of \(operation.mnemonic) are \(TensorType.list(operands))"
      )
    }
    try owner.verifyRegion(body)
  }
}
