import Diagnostics
import GraphIR
import Operations
import Tensors

/// One node of an ONNX file with what its inputs stand for; an operator makes its results of it.
struct NodeCall {
  let node: Onnx_NodeProto
  /// As many as the node names; those that are left out are `nothing`.
  let inputs: [ImportedValue]
  /// The version of the standard operators.
  let operatorSet: Int
  let graph: GraphImport

  // MARK: Inputs

  func input(_ index: Int) -> ImportedValue {
    inputs.indices.contains(index) ? inputs[index] : .nothing
  }

  func has(_ index: Int) -> Bool {
    if case .nothing = input(index) { return false }
    return true
  }

  /// An input that the network computes with.
  func value(_ index: Int) throws(Diagnostic) -> ValueID {
    guard inputs.indices.contains(index) else {
      throw Diagnostic("input \(index + 1) is missing", help: "export the network again")
    }
    return try graph.value(inputs[index], name: node.input[index])
  }

  func optionalValue(_ index: Int) throws(Diagnostic) -> ValueID? {
    has(index) ? try value(index) : nil
  }

  /// An image [N, C, H, W].
  func image(_ index: Int = 0) throws(Diagnostic) -> ValueID {
    let value = try value(index)
    guard shape(of: value).rank == 4 else {
      throw Diagnostic(
        "it is applied to a tensor of shape \(shape(of: value)), and images are [N, C, H, W]",
        help: "give the network two-dimensional images")
    }
    return value
  }

  /// Integers that must be known when the file is read; nil where the input is left out.
  func integers(_ index: Int) throws(Diagnostic) -> [Int]? {
    switch input(index) {
    case .integers(let known): return known.values
    case .nothing: return nil
    default: throw unknown(index, "integers")
    }
  }

  /// The shape of an input, be it computed or known.
  func extents(of index: Int) throws(Diagnostic) -> [Int] {
    switch input(index) {
    case .integers(let known): return known.extents
    case .floats(let tensor), .weight(_, let tensor): return tensor.shape.extents
    case .grouped(_, _, let extents): return extents
    case .slices(let slices, let batch):
      return Images.extents(shape(of: slices), batch: batch)
    default: return shape(of: try value(index)).extents
    }
  }

  /// A shape as an input's integers, which must be known when the file is read, [] of a scalar; throws where the input is
  /// left out.
  func shape(by index: Int) throws(Diagnostic) -> [Int] {
    if let extents = try integers(index) { return extents }
    guard inputs.indices.contains(index), !node.input[index].isEmpty else {
      throw Diagnostic("its shape is left out")
    }
    return []
  }

  /// Numbers that must be known when the file is read; nil where the input is left out.
  func floats(_ index: Int) throws(Diagnostic) -> [Double]? {
    switch input(index) {
    case .floats(let tensor), .weight(_, let tensor): return tensor.values.map { Double($0) }
    case .integers(let known): return known.values.map { Double($0) }
    case .nothing: return nil
    default: throw unknown(index, "numbers")
    }
  }

  private func unknown(_ index: Int, _ what: String) -> Diagnostic {
    Diagnostic(
      "input \(index + 1) must be \(what) that are known before the network runs",
      help: "make it a constant of the network")
  }

  // MARK: Attributes

  private func attribute(
    _ name: String, _ type: Onnx_AttributeProto.AttributeType
  ) throws(Diagnostic) -> Onnx_AttributeProto? {
    guard let attribute = node.attribute.first(where: { $0.name == name }) else { return nil }
    guard attribute.type == type, attribute.refAttrName.isEmpty else {
      throw Diagnostic("its attribute '\(name)' is of another type than \(type)")
    }
    return attribute
  }

  /// An extent can be added to it or taken from it; the largest integers stand for "to the end".
  private func safe(_ value: Int64) -> Int { Int(value).clamped(to: -(1 << 62)...(1 << 62)) }

  func integer(_ name: String) throws(Diagnostic) -> Int? {
    try attribute(name, .int).map { safe($0.i) }
  }

  func integer(_ name: String, _ standard: Int) throws(Diagnostic) -> Int {
    try integer(name) ?? standard
  }

  func integers(_ name: String) throws(Diagnostic) -> [Int]? {
    try attribute(name, .ints).map { $0.ints.map(safe) }
  }

  /// A list of `count` integers of a range.
  func integers(
    _ name: String, count: Int, in range: ClosedRange<Int>, standard: Int
  ) throws(Diagnostic) -> [Int] {
    let list = try integers(name) ?? [Int](repeating: standard, count: count)
    guard list.count == count, list.allSatisfy(range.contains) else {
      throw Diagnostic(
        "its attribute '\(name)' must be \(count) integers from \(range.lowerBound) to "
          + "\(range.upperBound), not \(list)")
    }
    return list
  }

  func real(_ name: String, _ standard: Double) throws(Diagnostic) -> Double {
    try real(name) ?? standard
  }

  func real(_ name: String) throws(Diagnostic) -> Double? {
    try attribute(name, .float).map { Double($0.f) }
  }

  func reals(_ name: String) throws(Diagnostic) -> [Float]? {
    try attribute(name, .floats)?.floats
  }

  func word(_ name: String, _ standard: String) throws(Diagnostic) -> String {
    try attribute(name, .string).map { String(decoding: $0.s, as: UTF8.self) } ?? standard
  }

  func tensor(_ name: String) throws(Diagnostic) -> Onnx_TensorProto? {
    try attribute(name, .tensor)?.t
  }

  /// Throws where an attribute has a value that is not that of networks here.
  func require(
    _ name: String, _ found: String, among allowed: [String]
  ) throws(Diagnostic) {
    guard allowed.contains(found) else {
      throw Diagnostic(
        "\(name) = \(found) is not supported",
        help: "export the network with \(name) = \(allowed.joined(separator: " or "))")
    }
  }

  /// A dimension counted from the front, as attributes and inputs count from the back too.
  func dimension(_ axis: Int, rank: Int) throws(Diagnostic) -> Int {
    guard (-rank..<rank).contains(axis) else {
      throw Diagnostic("it names dimension \(axis) of a tensor that has \(rank)")
    }
    return axis < 0 ? axis + rank : axis
  }

  /// Different dimensions, ascending.
  func dimensions(_ axes: [Int], rank: Int) throws(Diagnostic) -> [Int] {
    var dimensions: [Int] = []
    for axis in axes { dimensions.append(try dimension(axis, rank: rank)) }
    guard Set(dimensions).count == dimensions.count else {
      throw Diagnostic("it names a dimension twice: \(axes)")
    }
    return dimensions.sorted()
  }

  // MARK: Results

  func shape(of value: ValueID) -> Shape { graph.builder.shape(of: value) }

  func apply(_ operation: any Operation, _ operands: ValueID...) throws(Diagnostic) -> ValueID {
    try graph.builder.results(operation, operands)[0]
  }

  func apply(_ operation: any Operation, _ operands: [ValueID]) throws(Diagnostic) -> ValueID {
    try graph.builder.results(operation, operands)[0]
  }

  func broadcast(
    _ value: ValueID, to shape: Shape, dimensions: [Int]
  ) throws(Diagnostic) -> ValueID {
    try graph.builder.broadcast(value, to: shape, dimensions: dimensions)
  }

  /// One number in every place of a shape.
  func constant(_ number: Double, _ shape: Shape) throws(Diagnostic) -> ValueID {
    try apply(Constant(number, TensorType(shape, .f32)))
  }
}

extension Comparable {
  func clamped(to range: ClosedRange<Self>) -> Self {
    min(max(self, range.lowerBound), range.upperBound)
  }
}
