import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// Turns one group of operations (a fused region, or a single operation) into one kernel.
///
/// The kernel says what each element is, in row-major loops without any schedule.
struct KernelLowering {
  /// The operations; its arguments are the kernel's inputs.
  let group: Function
  let definitions: [ValueID: Int]
  /// `in0`, `in1`, ...: not the user's names, so that layers of one configuration give equal kernels and no input
  /// is called like a loop.
  private let inputNames: [ValueID: String]
  /// The accumulator's name.
  private static let sum = "sum"
  private static let output = "out"

  init(_ group: Function) {
    self.group = group
    definitions = group.definitions()
    var names: [ValueID: String] = [:]
    for (position, argument) in group.arguments.enumerated() { names[argument] = "in\(position)" }
    inputNames = names
  }

  func kernel() throws(Diagnostic) -> Kernel {
    let result = group.results[0]
    let type = group.type(of: result)
    var parameters = group.arguments.map { argument in
      KernelParameter(
        Self.buffer(inputNames[argument] ?? "", group.type(of: argument)), .read)
    }
    parameters.append(KernelParameter(Self.buffer(Self.output, type), .write))
    return Kernel(KernelNames.name(of: group), parameters: parameters, body: try body(result, type))
  }

  static func buffer(_ name: String, _ type: TensorType) -> Buffer {
    Buffer(name, type.element, extents: type.shape.extents)
  }

  private func body(_ result: ValueID, _ type: TensorType) throws(Diagnostic) -> [Statement] {
    if let node = definitions[result].map({ group.nodes[$0] }),
      case .concatenation(let dimension) = computation(of: node)
    {
      return pieces(node, dimension)
    }
    try checkSizes()
    let names = Self.indexNames(type.shape.rank)
    let index = names.map(Expression.variable)
    var statements: [Statement] = []
    if let anchor, case .reduction(let reduction) = computation(of: anchor) {
      statements += accumulate(anchor, reduction, index)
    }
    statements += tail(result, anchor: anchor?.results[0], index)
    return Self.nest(names, type.shape.extents, statements)
  }

  /// The reduction, if there is one.
  var anchor: Node? {
    group.nodes.first {
      if case .reduction = computation(of: $0) { return true } else { return false }
    }
  }

  func computation(of node: Node) -> Computation {
    guard let operation = node.operation as? any TensorOperation else { return .source }
    return operation.computation(
      operands: group.types(of: node.operands), result: group.type(of: node.results[0]))
  }

  /// Loops over a whole shape.
  private static func nest(
    _ names: [String], _ extents: [Int], _ body: [Statement]
  ) -> [Statement] {
    zip(names, extents).reversed().reduce(body) { inner, dimension in
      [.loop(Loop(dimension.0, .integer(0), .integer(dimension.1), body: inner))]
    }
  }

  private static func indexNames(_ rank: Int) -> [String] {
    rank == 4 ? ["n", "c", "y", "x"] : (0..<rank).map { "i\($0)" }
  }

  /// The accumulator, its initial value and the reduction's loops.
  private func accumulate(
    _ node: Node, _ reduction: Reduction, _ index: [Expression]
  ) -> [Statement] {
    let type = group.type(of: node.results[0])
    let reader: ElementReader = { operand, place in
      element(of: node.operands[operand], at: place, bound: [:])
    }
    let names = reduction.ranges.map(\.name)
    let reduced = names.map(Expression.variable)
    let accumulated: Expression = .load(Self.sum, [])
    var inner: [Statement] = [
      .store(Self.sum, [], reduction.update(accumulated, index, reduced, reader))
    ]
    for (position, range) in reduction.ranges.enumerated().reversed() {
      let conditions = range.conditions(index, Array(reduced[...position]))
      if let first = conditions.first {
        let all = conditions.dropFirst().reduce(first) { .binary(.and, $0, $1) }
        inner = [.conditional(all, then: inner, otherwise: [])]
      }
      inner = [.loop(Loop(range.name, .integer(0), .integer(range.extent), body: inner))]
    }
    let buffer = Buffer(Self.sum, type.element, extents: [], space: .register)
    return [
      .allocate(buffer), .store(Self.sum, [], reduction.initial(index, reader)),
    ] + inner
  }

  /// Values that the tail binds: those of the result's shape on the way from the reduction to the result.
  ///
  /// Constants and broadcasts are written out where they are used.
  func boundInTail() -> Set<ValueID> {
    var needed = Set(group.results)
    var bound: Set<ValueID> = []
    for node in group.nodes.reversed() where needed.contains(node.results[0]) {
      let value = node.results[0]
      guard case .pointwise = computation(of: node) else { continue }
      needed.formUnion(node.operands)
      let isWrittenOut = node.operation is Constant || node.operation is BroadcastInDim
      if !isWrittenOut, group.type(of: value).shape == group.type(of: group.results[0]).shape {
        bound.insert(value)
      }
    }
    return bound.subtracting(group.results)
  }

  /// Binds the operations at the kernel's own index in order, then stores the result.
  private func tail(_ result: ValueID, anchor: ValueID?, _ index: [Expression]) -> [Statement] {
    var bound: [ValueID: Expression] = [:]
    if let anchor { bound[anchor] = .load(Self.sum, []) }
    let wanted = boundInTail()
    var statements: [Statement] = []
    for node in group.nodes where wanted.contains(node.results[0]) {
      let name = "t\(statements.count)"
      statements.append(.bind(name, element(of: node.results[0], at: index, bound: bound)))
      bound[node.results[0]] = .variable(name)
    }
    statements.append(
      .store(Self.output, index, element(of: result, at: index, bound: bound)))
    return statements
  }

  /// The element of a value; `bound` values are known at `index`.
  private func element(
    of value: ValueID, at index: [Expression], bound: [ValueID: Expression]
  ) -> Expression {
    if let known = bound[value] { return known }
    guard let definition = definitions[value] else {
      return .load(inputNames[value] ?? "", index)
    }
    let node = group.nodes[definition]
    let reader: ElementReader = { operand, place in
      element(of: node.operands[operand], at: place, bound: place == index ? bound : [:])
    }
    switch computation(of: node) {
    case .pointwise(let expression): return expression(index, reader)
    case .concatenation(let dimension): return selection(node, dimension, index, reader)
    case .reduction, .source: return .load(Self.sum, [])
    }
  }

  /// `select(i < n, a[i], b[i - n])`, for as many operands as there are.
  ///
  /// A selection evaluates both sides, so each one's index is kept inside its own operand.
  private func selection(
    _ node: Node, _ dimension: Int, _ index: [Expression], _ operand: ElementReader
  ) -> Expression {
    let position = index[dimension]
    let extents = node.operands.map { group.type(of: $0).shape[dimension] }
    var result: Expression?
    var end = extents.reduce(0, +)
    for (number, extent) in extents.enumerated().reversed() {
      let start = end - extent
      var place = index
      if start > 0 {
        place[dimension] = .binary(.maximum, position - .integer(start), .integer(0))
      }
      if number < extents.count - 1 {
        place[dimension] = .binary(.minimum, place[dimension], .integer(extent - 1))
      }
      let element = operand(number, place)
      result =
        result.map { .select(.binary(.less, position, .integer(end)), element, $0) } ?? element
      end = start
    }
    return result ?? .load(Self.sum, [])
  }

  /// One loop nest for each operand, shifted along the dimension.
  private func pieces(_ node: Node, _ dimension: Int) -> [Statement] {
    var offset = 0
    var statements: [Statement] = []
    for (position, operand) in node.operands.enumerated() {
      let shape = group.type(of: operand).shape
      let names = Self.indexNames(shape.rank).map { "\($0)\(position)" }
      var target = names.map(Expression.variable)
      let source = target
      if offset > 0 { target[dimension] = target[dimension] + .integer(offset) }
      statements += Self.nest(
        names, shape.extents,
        [.store(Self.output, target, element(of: operand, at: source, bound: [:]))])
      offset += shape[dimension]
    }
    return statements
  }
}

/// Readable kernel names: the operations and the shape of the result, e.g. `convolution3x3_32_relu_1x32x192x128`; before
/// a convolution its groups, if there are several, and how far apart its taps and its pixels are, if they are:
/// `groups4_rhs2x2_lhs2x2`. A product of matrices says what it sums over: `dot_general64_4x256x256`.
enum KernelNames {
  static func name(of group: Function) -> String {
    var parts: [String] = []
    for node in group.nodes {
      switch node.operation {
      case is Constant, is BroadcastInDim: continue
      case let convolution as Convolution:
        let kernel = group.type(of: node.operands[1]).shape
        let groups = convolution.featureGroupCount
        if groups > 1 { parts.append("groups\(groups)") }
        for (side, apart) in [
          ("rhs", convolution.rhsDilation), ("lhs", convolution.lhsDilation),
        ] where apart != [1, 1] {
          parts.append("\(side)\(apart[0])x\(apart[1])")
        }
        parts.append("convolution\(kernel[2])x\(kernel[3])_\(kernel[1])")
      case let product as DotGeneral:
        let summed = product.lhs.contracting.map { group.type(of: node.operands[0]).shape[$0] }
        parts.append("\(DotGeneral.mnemonic)\(summed.map(String.init).joined(separator: "x"))")
      default: parts.append(node.operation.mnemonic)
      }
    }
    if parts.isEmpty { parts = group.nodes.map(\.operation.mnemonic) }
    let type = group.type(of: group.results[0])
    parts.append(
      type.shape.rank == 0 ? "scalar" : type.shape.extents.map(String.init).joined(separator: "x"))
    if type.element != .f32 { parts.append(type.element.rawValue) }
    return parts.joined(separator: "_")
  }
}
