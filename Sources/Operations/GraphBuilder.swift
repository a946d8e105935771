import Diagnostics
import GraphIR
import Tensors

/// Appends operations to a function: what gradients, decompositions, losses and optimizers are written with.
public struct GraphBuilder {
  public private(set) var function: Function
  /// Where the user wrote what the appended operations come from.
  public var location: SourceLocation?

  public init(_ function: Function, at location: SourceLocation? = nil) {
    self.function = function
    self.location = location
  }

  public func type(of value: ValueID) -> TensorType { function.type(of: value) }
  public func shape(of value: ValueID) -> Shape { function.type(of: value).shape }

  /// All results of an operation; throws what its type inference throws.
  public mutating func results(
    _ operation: any Operation, _ operands: [ValueID], regions: [Function] = [],
    names: [String?] = []
  ) throws(Diagnostic) -> [ValueID] {
    try function.append(operation, operands, regions: regions, names: names, at: location)
  }

  /// The result of an operation that has one.
  public mutating func apply(
    _ operation: any Operation, _ operands: ValueID..., name: String? = nil
  ) throws(Diagnostic) -> ValueID {
    try function.append(operation, operands, names: [name], at: location)[0]
  }

  public mutating func argument(_ type: TensorType, name: String) -> ValueID {
    function.addArgument(type, name: name)
  }

  public mutating func setName(_ name: String?, of value: ValueID) {
    function.setName(name, of: value)
  }

  public mutating func setResults(_ results: [ValueID]) { function.results = results }

  /// Any number of tensors one after the other: in groups, as an operation takes 64 at once.
  public mutating func concatenated(
    _ values: [ValueID], dimension: Int
  ) throws(Diagnostic) -> ValueID {
    if values.count == 1 { return values[0] }
    guard values.count > Concatenate.mostOperands else {
      return try results(Concatenate(dimension: dimension), values)[0]
    }
    var groups: [ValueID] = []
    for start in stride(from: 0, to: values.count, by: Concatenate.mostOperands) {
      let group = values[start..<min(start + Concatenate.mostOperands, values.count)]
      groups.append(try concatenated(Array(group), dimension: dimension))
    }
    return try concatenated(groups, dimension: dimension)
  }

  // MARK: Arithmetic, element by element

  /// One number in every place of a tensor like another.
  public mutating func constant(
    _ number: Double, like value: ValueID
  ) throws(Diagnostic) -> ValueID {
    try apply(Constant(number, type(of: value)))
  }

  public mutating func add(_ a: ValueID, _ b: ValueID) throws(Diagnostic) -> ValueID {
    try apply(Add(), a, b)
  }

  public mutating func add(_ a: ValueID, _ b: Double) throws(Diagnostic) -> ValueID {
    try add(a, try constant(b, like: a))
  }

  public mutating func subtract(_ a: ValueID, _ b: ValueID) throws(Diagnostic) -> ValueID {
    try apply(Subtract(), a, b)
  }

  public mutating func multiply(_ a: ValueID, _ b: ValueID) throws(Diagnostic) -> ValueID {
    try apply(Multiply(), a, b)
  }

  public mutating func multiply(_ a: ValueID, _ b: Double) throws(Diagnostic) -> ValueID {
    try multiply(a, try constant(b, like: a))
  }

  public mutating func divide(_ a: ValueID, _ b: ValueID) throws(Diagnostic) -> ValueID {
    try apply(Divide(), a, b)
  }

  /// `value` where the comparison holds, 0 elsewhere.
  public mutating func masked(
    _ value: ValueID, where a: ValueID, _ direction: Compare.Direction, _ b: ValueID
  ) throws(Diagnostic) -> ValueID {
    let mask = try apply(Compare(direction), a, b)
    return try apply(Select(), mask, value, try constant(0, like: value))
  }

  // MARK: Shapes

  /// The sum over some dimensions; the value itself where there are none.
  public mutating func sum(
    _ value: ValueID, over dimensions: [Int]
  ) throws(Diagnostic) -> ValueID {
    dimensions.isEmpty ? value : try apply(Reduce(dimensions: dimensions), value)
  }

  /// The mean of all elements, a scalar.
  public mutating func mean(_ value: ValueID) throws(Diagnostic) -> ValueID {
    let shape = shape(of: value)
    let total = try sum(value, over: Array(0..<shape.rank))
    return try multiply(total, 1 / Double(shape.elementCount))
  }

  /// Repeated along the dimensions of `shape` that `dimensions` does not name.
  public mutating func broadcast(
    _ value: ValueID, to shape: Shape, dimensions: [Int] = []
  ) throws(Diagnostic) -> ValueID {
    shape == self.shape(of: value)
      ? value : try apply(BroadcastInDim(shape, dimensions: dimensions), value)
  }
}
