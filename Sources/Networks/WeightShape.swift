import GraphIR
import Operations
import Tensors

/// The name and shape of one tensor of a weight file.
public struct WeightShape: Hashable, Sendable {
  public let name: String
  public let shape: Shape

  public init(name: String, shape: Shape) {
    self.name = name
    self.shape = shape
  }

  /// What a weight file for a graph must hold, in the order in which the graph names it first.
  public static func signature(of function: Function) -> [WeightShape] {
    var known: Set<String> = []
    return all(of: function).filter { known.insert($0.name).inserted }
  }

  private static func all(of function: Function) -> [WeightShape] {
    function.nodes.flatMap { node -> [WeightShape] in
      if let parameter = node.operation as? ParameterOperation {
        return [WeightShape(name: parameter.name, shape: parameter.type.shape)]
      }
      return node.regions.flatMap(all(of:))
    }
  }
}
