import Diagnostics
import GraphIR
import Operations
import Tensors

/// A network with its parameters found and checked: what the compiler, `init` and `models` work with.
public struct NetworkModel: Sendable {
  public let network: any Network
  /// In the order in which the network's properties are defined.
  public let parameters: [NamedParameter]

  /// 2^30 numbers are 4 GiB of weights: more than any network for these images needs.
  static let maximumParameters = 1 << 30

  /// Throws where a parameter's shape is invalid, names clash, or all are larger than 4 GiB together; and where files
  /// could not say the network's settings.
  public init(_ network: any Network) throws(Diagnostic) {
    self.network = network
    try ModelDescription(of: network).check()
    parameters = try ParameterWalk(network).parameters
    var total = 0
    for parameter in parameters {
      // Each count is at most 2^36, and the sum is checked at each step.
      total += parameter.shape.elementCount
      guard total <= Self.maximumParameters else {
        throw Diagnostic(
          "network '\(network.name)' has more than 2^30 parameters",
          help: "use fewer or smaller layers")
      }
    }
  }

  public var name: String { network.name }

  /// Numbers that training changes.
  public var trainableCount: Int {
    parameters.filter(\.isTrainable).reduce(0) { $0 + $1.shape.elementCount }
  }

  /// What a weight file for this model must hold.
  public var signature: [WeightShape] {
    parameters.map { WeightShape(name: $0.name, shape: $0.shape) }
  }

  /// The network's graph for images [batch, inputChannels, height, width]; the function is named by the model.
  ///
  /// Throws where the network does not take the size, or what its function did wrong, with the place in the user's
  /// Swift.
  public func graph(batch: Int, height: Int, width: Int) throws(Diagnostic) -> Function {
    for (extent, what) in [(batch, "batch"), (height, "height"), (width, "width")]
    where extent < 1 {
      throw Diagnostic("the \(what) must be at least 1, not \(extent)")
    }
    // First the bounds of all shapes, so that a network's own check may count without care.
    let shape = try Shape([batch, network.inputChannels, height, width])
    try network.check(height: height, width: width)
    let tracer = Tracer(functionName, parameters: parameters)
    let image = tracer.argument(TensorType(shape, .f32), name: "x")
    var function = try tracer.finish(network.outputs(image))
    function.origin = ModelDescription(of: network)
    return function
  }

  /// The model's name as a function's: `vgg16_features` for `vgg16-features`.
  public var functionName: String {
    let name = Tracer.printable(network.name).replacing(".", with: "_")
    guard let first = name.unicodeScalars.first else { return "network" }
    return first.properties.numericType == nil ? name : "_" + name
  }

  /// Multiplications with addition of all convolutions for one image.
  public func multiplyAdds(height: Int, width: Int) throws(Diagnostic) -> Int {
    try Self.multiplyAdds(of: try graph(batch: 1, height: height, width: width))
  }

  /// Multiplications with addition of all convolutions of a graph, borders counted in full.
  public static func multiplyAdds(of function: Function) throws(Diagnostic) -> Int {
    var total = 0
    for node in function.nodes {
      var count = 0
      if let body = node.regions.first { count = try multiplyAdds(of: body) }
      if let convolution = node.operation as? Convolution {
        let kernel = function.type(of: node.operands[1]).shape
        let (product, overflow) = function.type(of: node.results[0]).shape.elementCount
          .multipliedReportingOverflow(by: kernel.elementCount / kernel[0])
        guard !overflow else { throw uncountable }
        count = product / (convolution.lhsDilation[0] * convolution.lhsDilation[1])
      }
      let (sum, overflow) = total.addingReportingOverflow(count)
      guard !overflow else { throw uncountable }
      total = sum
    }
    return total
  }

  private static var uncountable: Diagnostic {
    Diagnostic("the network has more than 2^63 multiplications", help: "use smaller images")
  }
}
