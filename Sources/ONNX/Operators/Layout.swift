import Diagnostics
import GraphIR
import Operations
import Tensors

/// Tensors side by side, dimensions in another order, and other shapes.
enum Layout {
  static func concat(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    guard !call.inputs.isEmpty, let axis = try call.integer("axis") else {
      throw Diagnostic("it has no input or no axis")
    }
    if let known = try joinedIntegers(call, axis) { return [.integers(known)] }
    if let slices = try joinedSlices(call, axis) { return [slices] }
    var values: [ValueID] = []
    for index in call.inputs.indices { values.append(try call.value(index)) }
    let first = values[0]
    let dimension = try call.dimension(axis, rank: call.shape(of: first).rank)
    return [.value(try joined(values, dimension: dimension, call))]
  }

  /// Nil where some input is computed.
  private static func joinedIntegers(
    _ call: NodeCall, _ axis: Int
  ) throws(Diagnostic) -> KnownIntegers? {
    var parts: [KnownIntegers] = []
    for input in call.inputs {
      guard case .integers(let known) = input else { return nil }
      parts.append(known)
    }
    var extents = parts[0].extents
    let dimension = try call.dimension(axis, rank: extents.count)
    extents[dimension] = 0
    for part in parts {
      var others = part.extents
      guard others.count == extents.count else { throw misfit(parts) }
      extents[dimension] += others[dimension]
      others[dimension] = extents[dimension]
      guard others == extents else { throw misfit(parts) }
    }
    let rows = extents[..<dimension].reduce(1, *)
    var values: [Int] = []
    for row in 0..<rows {
      for part in parts {
        let length = part.values.count / rows
        values += part.values[row * length..<(row + 1) * length]
      }
    }
    return try KnownIntegers(extents, values)
  }

  /// Channels of volumes side by side; nil where none of them are slices, or they do not fit.
  private static func joinedSlices(
    _ call: NodeCall, _ axis: Int
  ) throws(Diagnostic) -> ImportedValue? {
    let isVolume = call.inputs.contains { if case .slices = $0 { true } else { false } }
    guard isVolume, axis == 1 || axis == -4 else { return nil }
    var parts: [Images] = []
    for index in call.inputs.indices {
      guard try call.extents(of: index).count == 5 else { return nil }
      parts.append(try Images(call, index))
    }
    guard parts.allSatisfy({ $0.batch == parts[0].batch }) else { return nil }
    return try parts[0].with(try joined(parts.map(\.pixels), dimension: 1, call)).imported()
  }

  private static func misfit(_ parts: [KnownIntegers]) -> Diagnostic {
    Diagnostic("known numbers of the shapes \(parts.map(\.extents)) do not fit side by side")
  }

  /// One after the other.
  static func joined(
    _ values: [ValueID], dimension: Int, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    try call.graph.builder.concatenated(values, dimension: dimension)
  }

  static func transpose(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let extents = try call.extents(of: 0)
    let order = try call.integers("perm") ?? Array(extents.indices.reversed())
    if case .slices(let slices, _) = call.input(0), order == [0, 2, 1, 3, 4] {
      return [.value(try call.apply(Reshape(try Shape(order.map { extents[$0] })), slices))]
    }
    guard case .integers(let known) = call.input(0) else {
      return [.value(try call.apply(Transpose(order), try call.value(0)))]
    }
    guard order.sorted() == Array(extents.indices) else {
      throw Diagnostic("perm = \(order) does not order \(extents.count) dimensions")
    }
    return [
      .integers(
        try known.picked(order.map { extents[$0] }) { index in
          extents.indices.map { dimension in index[order.firstIndex(of: dimension) ?? dimension] }
        })
    ]
  }

  // MARK: Shapes

  static func reshape(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let extents = try call.extents(of: 0)
    var asked = try call.shape(by: 1)
    let copies = try call.integer("allowzero", 0) == 0
    for index in asked.indices where asked[index] == 0 && copies {
      guard extents.indices.contains(index) else {
        throw Diagnostic("it keeps dimension \(index) of a tensor of \(extents.count)")
      }
      asked[index] = extents[index]
    }
    let total = try Shape(extents).elementCount
    if let open = asked.firstIndex(of: -1) {
      asked[open] = 1
      asked[open] = total / (try Shape(asked).elementCount)
    }
    return [try reshaped(call, extents, to: asked)]
  }

  static func flatten(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let extents = try call.extents(of: 0)
    let axis = try call.integer("axis", 1)
    guard (-extents.count...extents.count).contains(axis) else {
      throw Diagnostic("it names dimension \(axis) of a tensor that has \(extents.count)")
    }
    let split = axis < 0 ? axis + extents.count : axis
    let sizes = [extents[..<split].reduce(1, *), extents[split...].reduce(1, *)]
    return [try reshaped(call, extents, to: sizes)]
  }

  /// Dimensions are an attribute up to version 12, an input since 13.
  static func squeeze(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let extents = try call.extents(of: 0)
    let axes = try call.operatorSet < 13 ? call.integers("axes") : call.integers(1)
    let dropped = try call.dimensions(
      axes ?? extents.indices.filter { extents[$0] == 1 }, rank: extents.count)
    for dimension in dropped where extents[dimension] != 1 {
      throw Diagnostic("dimension \(dimension) of \(extents) has more than one element")
    }
    return [
      try reshaped(
        call, extents, to: extents.indices.filter { !dropped.contains($0) }.map { extents[$0] })
    ]
  }

  static func unsqueeze(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let extents = try call.extents(of: 0)
    let axes = try call.operatorSet < 13 ? call.integers("axes") : call.integers(1)
    let rank = extents.count + (axes?.count ?? 0)
    guard rank <= Shape.maximumRank else { throw Diagnostic("it makes \(rank) dimensions") }
    let added = try call.dimensions(axes ?? [], rank: rank)
    var rest = extents[...]
    let result = (0..<rank).map { added.contains($0) ? 1 : rest.popFirst() ?? 1 }
    return [try reshaped(call, extents, to: result)]
  }

  static func expand(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let asked = try Shape(try call.shape(by: 1))
    if case .integers(let known) = call.input(0) {
      let shape = try Arithmetic.common(try Shape(known.extents), asked)
      return [.integers(try known.stretched(to: shape.extents))]
    }
    let x = try call.value(0)
    let shape = try Arithmetic.common(call.shape(of: x), asked)
    return [.value(try Arithmetic.stretched(x, to: shape, call))]
  }

  /// Copies of the tensor beside each other along each dimension.
  static func tile(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let extents = try call.extents(of: 0)
    guard let repeats = try call.integers(1), repeats.count == extents.count,
      repeats.allSatisfy({ $0 > 0 })
    else { throw Diagnostic("its repeats are not one positive number for each dimension") }
    if case .integers(let known) = call.input(0) {
      let tiled = try zip(extents, repeats).map { (pair) throws(Diagnostic) in
        try Shape([pair.0, pair.1]).elementCount
      }
      try KnownIntegers.check(try Shape(tiled).elementCount)
      return [
        .integers(try known.picked(tiled) { index in zip(index, extents).map { $0 % $1 } })
      ]
    }
    var x = try call.value(0)
    for (dimension, count) in repeats.enumerated() where count > 1 {
      let shape = call.shape(of: x)
      // [.., copy, element, ..]
      var copies = shape.extents
      copies.insert(count, at: dimension)
      let places = (0...shape.rank).filter { $0 != dimension }
      let stretched = try call.broadcast(x, to: try Shape(copies), dimensions: places)
      copies.remove(at: dimension)
      copies[dimension] *= count
      x = try call.apply(Reshape(try Shape(copies)), stretched)
    }
    return [.value(x)]
  }

  /// One index, or of integers a list of them.
  static func gather(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    guard call.has(1) else { throw Diagnostic("it has no indices") }
    guard case .integers(let indices) = call.input(1) else {
      throw Diagnostic("its index must be known before the network runs")
    }
    let extents = try call.extents(of: 0)
    let dimension = try call.dimension(try call.integer("axis", 0), rank: extents.count)
    let count = extents[dimension]
    var places: [Int] = []
    for index in indices.values {
      guard (-count..<count).contains(index) else {
        throw Diagnostic("its index \(index) is none of the \(count) of dimension \(dimension)")
      }
      places.append(index < 0 ? index + count : index)
    }
    if case .integers(let known) = call.input(0) {
      return [.integers(try known.gathered(dimension, places, indices.extents))]
    }
    let x = try call.value(0)
    if indices.extents.isEmpty {
      let part = try Slicing.cut(x, dimension, places[0]..<places[0] + 1, call)
      var rest = extents
      rest.remove(at: dimension)
      return [.value(try call.apply(Reshape(try Shape(rest)), part))]
    }
    let parts = try runs(of: places).map { (run) throws(Diagnostic) in
      try Slicing.steps(x, dimension, run, call)
    }
    let list = try joined(parts, dimension: dimension, call)
    guard indices.extents.count > 1 else { return [.value(list)] }
    var result = call.shape(of: list).extents
    result.replaceSubrange(dimension...dimension, with: indices.extents)
    return [.value(try call.apply(Reshape(try Shape(result)), list))]
  }

  /// Lists in equal steps, which are slices; throws where there are many.
  private static func runs(of places: [Int]) throws(Diagnostic) -> [[Int]] {
    let limit = 64
    var runs: [[Int]] = []
    for place in places {
      let last = runs.count - 1
      let step = last >= 0 && runs[last].count > 1 ? runs[last][1] - runs[last][0] : nil
      let gap = last >= 0 ? place - runs[last][runs[last].count - 1] : 0
      if gap != 0, step ?? gap == gap { runs[last].append(place) } else { runs.append([place]) }
    }
    guard !runs.isEmpty, runs.count <= limit else {
      throw Diagnostic(
        runs.isEmpty ? "it has no indices" : "its indices make more than \(limit) slices",
        help: "use Slice")
    }
    return runs
  }

  private static func reshaped(
    _ call: NodeCall, _ extents: [Int], to result: [Int]
  ) throws(Diagnostic) -> ImportedValue {
    switch call.input(0) {
    case .integers(let known):
      guard try Shape(result).elementCount == known.values.count else {
        throw misfit(extents, result)
      }
      return .integers(try KnownIntegers(result, known.values))
    case .floats(let tensor): return .floats(try tensor.reshaped(try Shape(result)))
    case .grouped(let image, nil, _) where call.shape(of: image).extents == result:
      return .value(image)
    case .grouped(let slices, let batch?, _)
    where Images.extents(call.shape(of: slices), batch: batch) == result:
      return .slices(slices, batch: batch)
    case .slices(let slices, let batch) where isGrouped(result, of: extents):
      return .grouped(slices, volumes: batch, extents: result)
    default:
      let x = try call.value(0)
      if extents.count == 4, isGrouped(result, of: extents) {
        return .grouped(x, volumes: nil, extents: result)
      }
      return .value(try withUnits(x, extents, to: result, call))
    }
  }

  /// Whether a shape is that of images [N, C, H, W], or volumes, whose channels are joined in groups, and not only dropped
  /// dimensions of one element.
  private static func isGrouped(_ shape: [Int], of image: [Int]) -> Bool {
    shape.count == 3 && shape[0] == image[0] && shape[1] > 0 && image[1].isMultiple(of: shape[1])
      && shape[2] == image[1] / shape[1] * image[2...].reduce(1, *)
      && shape.filter { $0 != 1 } != image.filter { $0 != 1 }
  }

  private static func withUnits(
    _ x: ValueID, _ extents: [Int], to result: [Int], _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    if extents == result { return x }
    let shape = try Shape(result)
    guard shape.elementCount == call.shape(of: x).elementCount else {
      throw misfit(extents, result)
    }
    return try call.apply(Reshape(shape), x)
  }

  private static func misfit(_ extents: [Int], _ result: [Int]) -> Diagnostic {
    Diagnostic(
      "a tensor of shape \(extents) cannot be given the shape \(result)",
      help: "it has not as many elements")
  }
}
