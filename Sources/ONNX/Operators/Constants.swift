import Diagnostics
import GraphIR
import Operations
import Tensors

/// What is known when the file is read: constants, shapes, and integers that are computed of them.
enum Constants {
  /// Constants of up to this many elements are numbers of formulas; larger ones are weights.
  private static let maximumNumbers = 64

  static func constant(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    if let proto = try call.tensor("value") {
      switch try StoredTensor(proto, path: "") {
      case .integers(let known): return [.integers(known)]
      case .nothing: return [.nothing]
      case .floats(let tensor):
        guard tensor.shape.elementCount > maximumNumbers else { return [.floats(tensor)] }
        return [.weight(name: call.node.output.first ?? "", tensor)]
      }
    }
    if let value = try call.integer("value_int") { return [.integers(try .scalar(value))] }
    if let values = try call.integers("value_ints") { return [.integers(try .list(values))] }
    if let value = try call.real("value_float") {
      return [.floats(Tensor(.scalar, repeating: Float(value)))]
    }
    if let values = try call.reals("value_floats"), !values.isEmpty {
      return [.floats(try Tensor(try Shape([values.count]), values))]
    }
    throw Diagnostic("it holds neither a tensor nor numbers", help: "export the network again")
  }

  /// Zeros, or what the attribute says, in a shape.
  static func constantOfShape(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let extents = try call.shape(by: 0)
    let value = try call.tensor("value").map { (proto) throws(Diagnostic) in
      try StoredTensor(proto, path: "")
    }
    // An empty list, as exporters pad the borders of padding with.
    if extents == [0] {
      guard case .integers = value else { return [.nothing] }
      return [.integers(try .list([]))]
    }
    let shape = try Shape(extents)
    switch value ?? .floats(Tensor(.scalar, repeating: 0)) {
    case .integers(let known):
      guard shape.elementCount <= KnownIntegers.maximumCount else {
        throw Diagnostic("it makes \(shape.elementCount) integers")
      }
      let values = [Int](repeating: known.values[0], count: shape.elementCount)
      return [.integers(try KnownIntegers(extents, values))]
    case .floats(let tensor):
      return [.value(try call.constant(Double(tensor.values[0]), shape))]
    case .nothing: throw Diagnostic("its value is left out")
    }
  }

  /// The numbers from a first one up to a limit, which is none of them.
  static func range(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    guard call.inputs.count == 3 else { throw Diagnostic("it has not three inputs") }
    var numbers: [Double] = []
    for index in 0..<3 { numbers.append(try call.floats(index)?.first ?? .nan) }
    let (first, limit, step) = (numbers[0], numbers[1], numbers[2])
    let count = max(0, ((limit - first) / step).rounded(.up))
    // Integers of shapes and indices are exact in float64, and so are their sums.
    guard numbers.allSatisfy({ abs($0) <= 0x1p53 }), step != 0,
      count <= Double(KnownIntegers.maximumCount)
    else { throw Diagnostic("it counts from \(first) to \(limit) in steps of \(step)") }
    let values = (0..<Int(count)).map { first + Double($0) * step }
    if case .integers = call.input(0) { return [.integers(try .list(values.map { Int($0) }))] }
    guard !values.isEmpty else { return [.nothing] }
    return [.floats(try Tensor(try Shape([values.count]), values.map { Float($0) }))]
  }

  static func size(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.integers(try .scalar(try Shape(try call.extents(of: 0)).elementCount))]
  }

  static func identity(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] { [call.input(0)] }

  /// At inference nothing is dropped; its mask has no meaning there.
  static func dropout(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let trains = try call.operatorSet < 12 ? nil : call.integers(2)
    guard trains?.first ?? 0 == 0 else {
      throw Diagnostic(
        "it drops at random", help: "export the network for inference (model.eval())")
    }
    return [call.input(0)]
  }

  /// Between float32, integers that are known, and truth values; images stay float32.
  static func cast(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let number = try call.integer("to", 0)
    let type = Onnx_TensorProto.DataType(rawValue: number)
    switch (type, call.input(0)) {
    case (.float, .integers(let known)):
      return [.floats(try Tensor(try Shape(known.extents), known.values.map { Float($0) }))]
    case (.float, let value): return [value]
    case (.int64, .integers), (.int32, .integers): return [call.input(0)]
    case (.bool, .integers(let known)):
      return [.integers(try KnownIntegers(known.extents, known.values.map { $0 == 0 ? 0 : 1 }))]
    case (.bool, _):
      let x = try call.value(0)
      return [.value(try call.apply(Compare(.NE), x, try call.constant(0, call.shape(of: x))))]
    case (.int64, .floats(let known)), (.int32, .floats(let known)):
      return [.integers(try truncated(known))]
    default:
      throw Diagnostic(
        "it casts to the type \(type.map { "\($0)" } ?? "\(number)"), and images are computed in float32",
        help: "export the network in float32")
    }
  }

  private static func truncated(_ known: Tensor<Float>) throws(Diagnostic) -> KnownIntegers {
    var values: [Int] = []
    for value in known.values {
      guard let integer = Int(exactly: value.rounded(.towardZero)) else {
        throw Diagnostic("a size of the network is \(value)")
      }
      values.append(integer)
    }
    return try KnownIntegers(known.shape.extents, values)
  }

  /// Since version 15 with attributes that cut the list.
  static func shape(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let extents = try call.extents(of: 0)
    let rank = extents.count
    func place(_ index: Int) -> Int { (index < 0 ? index + rank : index).clamped(to: 0...rank) }
    let start = place(try call.integer("start", 0))
    let end = place(try call.integer("end", rank))
    return [.integers(try .list(Array(extents[start..<max(start, end)])))]
  }
}
