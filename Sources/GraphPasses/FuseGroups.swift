import Diagnostics
import GraphIR
import Operations
import Tensors

/// Gathers operations that can be computed in one kernel into `fused` regions.
///
/// ```
/// %1 = convolution %x, %w, %b
/// %2 = relu %1
/// %3 = add %2, %r
/// ```
/// becomes
/// ```
/// %3 = fused %x, %w, %b, %r {
///   ^(%x, %w, %bias, %a3):
///   ...
/// }
/// ```
/// A group grows from its last operation towards producers that nobody else uses; it holds one reduction at most,
/// followed by elementwise operations. The image that the reduction reads may be put together by address:
/// ```
/// %1 = upsample_nearest %x
/// %2 = concatenate %1, %skip
/// %3 = convolution %2, %w, %b
/// ```
/// becomes one region, and neither %1 nor %2 is ever in memory; so do `pad` and `slice` of whole images. A product of matrices
/// (`dot_general`) likewise reads operands that are transposed, cut out, split or repeated where they come from; what moves elements one
/// after the other moves them once, and elementwise operations read parts where they are. A sum over whole dimensions (`reduce`) reads each
/// element once, so that elementwise operations before it go into its region too. Those that read one large tensor,
/// which is in memory anyway, are computed again in each group that uses them. Work on weights alone is never mixed with work on
/// images, as it is done once at compile time, but for repeating a number for each channel: that would take as much memory
/// as the image.
public struct FuseGroups: GraphPass {
  public static let name = "fuse"
  public static let summary =
    "Gathers a convolution or pooling, upsampling and concatenation before it and the elementwise operations after it into one fused region."

  public init() {}

  public func run(_ context: inout GraphPassContext) throws(Diagnostic) {
    let grouping = Grouping(context.function)
    let groups = grouping.groups()
    let function = context.function
    let copied = Set(function.nodes.indices.filter(grouping.isCopied))
    let inner = Set(groups.flatMap { $0.members.dropLast() })
    let roots = Dictionary(uniqueKeysWithValues: groups.map { ($0.members.last ?? 0, $0) })
    try context.rewrite { (node, index, rewriter) throws(Diagnostic) in
      if inner.contains(index) && roots[index] == nil {
        // What groups have copies of may also be used elsewhere; dead ones go with the next dce.
        return copied.contains(index) ? nil : []
      }
      guard let group = roots[index], group.members.count > 1 else { return nil }
      let (region, operands) = try group.region(of: function)
      return [
        try rewriter.append(
          Fused(), try rewriter.mapped(operands, at: node.location), regions: [region],
          name: function.name(of: node.results[0]), like: node)
      ]
    }
  }
}

/// Operations of one kernel, in order; the last one yields the result.
private struct Group {
  var members: [Int]

  /// The members as a function, and the outer values that become its arguments.
  func region(of function: Function) throws(Diagnostic) -> (Function, [ValueID]) {
    var region = Function("")
    var mapping: [ValueID: ValueID] = [:]
    var operands: [ValueID] = []
    let defined = Set(members.flatMap { function.nodes[$0].results })
    for member in members {
      let node = function.nodes[member]
      for (position, operand) in node.operands.enumerated()
      where mapping[operand] == nil && !defined.contains(operand) {
        let name = Self.argumentName(node, position, operands.count)
        mapping[operand] = region.addArgument(function.type(of: operand), name: name)
        operands.append(operand)
      }
    }
    for member in members {
      let node = function.nodes[member]
      let results = try region.append(
        node.operation, node.operands.compactMap { mapping[$0] }, at: node.location)
      for (old, new) in zip(node.results, results) { mapping[old] = new }
    }
    region.results = [mapping[function.nodes[members.last ?? 0].results[0]]].compactMap { $0 }
    return (region, operands)
  }

  /// Names by role, so that equal groups become equal kernels.
  private static func argumentName(_ node: Node, _ position: Int, _ count: Int) -> String {
    node.operation is Convolution ? ["x", "w", "bias"][position] : "a\(count)"
  }
}

/// Finds the groups, from the last operation to the first.
private struct Grouping {
  private let function: Function
  private let definitions: [ValueID: Int]
  private let uses: [ValueID: [Int]]
  private var weights: Set<Int> = []
  private var taken: Set<Int> = []
  /// Operations that every group which uses them computes for itself.
  private var recomputed: Set<Int> = []

  init(_ function: Function) {
    self.function = function
    definitions = function.definitions()
    uses = function.uses()
    for (index, node) in function.nodes.enumerated() {
      let fromWeights = node.operands.allSatisfy { operand in
        definitions[operand].map(weights.contains) ?? false
      }
      if fromWeights { weights.insert(index) }
    }
    for index in function.nodes.indices.reversed() where isMovedOn(index) {
      recomputed.insert(index)
    }
    for index in function.nodes.indices where isWorthRepeating(index) { recomputed.insert(index) }
  }

  /// Whether groups take copies of the operation and leave it where it is.
  func isCopied(_ index: Int) -> Bool {
    function.nodes[index].operation is Constant || recomputed.contains(index)
  }

  /// Whether computing the operation where its result is used reads no more memory than reading its result: it is
  /// elementwise or a broadcast with several uses, and reads at most one tensor as large as its result, which is in
  /// memory anyway or worth repeating itself.
  private func isWorthRepeating(_ index: Int) -> Bool {
    let node = function.nodes[index]
    guard node.results.count == 1, !function.results.contains(node.results[0]) else {
      return false
    }
    if isBroadcast(index) { return !weights.contains(index) || isReadByImages(index) }
    guard !weights.contains(index), kind(index) == .elementwise, !isElementary(index),
      (uses[node.results[0]] ?? []).count > 1
    else { return false }
    let large = Set(node.operands).filter { operand in
      definitions[operand].map { !isCopied($0) || kind($0) == .elementwise } ?? true
    }
    return large.count <= 1 && large.allSatisfy(isInMemoryAnyway)
  }

  /// Whether all that read the result take elements of it to another place, or multiply them as matrices.
  private func isMovedOn(_ index: Int) -> Bool {
    let node = function.nodes[index]
    guard !weights.contains(index), moves(index), !function.results.contains(node.results[0]),
      let users = uses[node.results[0]].map(Set.init)
    else { return false }
    let isPure = movesElements(index)
    return (users.count > 1 || users.contains(where: recomputed.contains))
      && users.allSatisfy { moves($0) || isPure && function.nodes[$0].operation is DotGeneral }
  }

  /// Whether an element takes many instructions, more than reading it would.
  private func isElementary(_ index: Int) -> Bool {
    switch function.nodes[index].operation {
    case is Exponential, is Log, is Logistic, is Tanh, is Erf, is Sine, is Cosine, is Atan:
      return true
    default: return false
    }
  }

  /// Whether what comes from weights alone meets images: a number for each channel, say, that would be a constant of
  /// their size.
  private func isReadByImages(_ index: Int) -> Bool {
    (uses[function.nodes[index].results[0]] ?? []).contains { !weights.contains($0) }
  }

  private func isInMemoryAnyway(_ value: ValueID) -> Bool {
    guard let definition = definitions[value] else { return true }
    return recomputed.contains(definition) || Set(uses[value] ?? []).count > 1
  }

  func groups() -> [Group] {
    var search = self
    var groups: [Group] = []
    for index in function.nodes.indices.reversed() where !search.taken.contains(index) {
      guard search.canLead(index) else { continue }
      groups.append(search.grow(from: index))
    }
    return groups.reversed()
  }

  private enum Kind { case elementwise, pointwise, concatenation, reduction, other }

  /// Each operand of a concatenation becomes a loop of its own in the reduction that reads it.
  private static let maximumPieces = 8

  private func kind(_ index: Int) -> Kind {
    let node = function.nodes[index]
    guard node.regions.isEmpty, let operation = node.operation as? any TensorOperation else {
      return .other
    }
    if operation.isElementwise { return .elementwise }
    let type = function.type(of: node.results[0])
    switch operation.computation(operands: function.types(of: node.operands), result: type) {
    case .pointwise: return .pointwise
    case .reduction: return .reduction
    case .concatenation: return .concatenation
    case .source: return .other
    }
  }

  private func canLead(_ index: Int) -> Bool {
    switch kind(index) {
    case .concatenation, .other: return false
    default: return !(function.nodes[index].operation is Constant)
    }
  }

  private mutating func grow(from root: Int) -> Group {
    var members: Set<Int> = [root]
    // Members from which the result is reached through elementwise operations only.
    var direct: Set<Int> = kind(root) == .elementwise || kind(root) == .reduction ? [root] : []
    var hasReduction = kind(root) == .reduction
    // Elementwise operations of which a sum reads each element once.
    var summed: Set<Int> = []
    // What puts together the image that the reduction reads.
    var addressing: Set<Int> = []
    // What moves elements of the matrices that the reduction multiplies.
    var matrices: Set<Int> = []
    var pieces = 0
    var pending = [root]
    while let member = pending.popLast() {
      for (position, operand) in function.nodes[member].operands.enumerated() {
        guard let producer = definitions[operand], !members.contains(producer),
          canAbsorb(producer, into: members, consumer: member, root: root)
        else { continue }
        let elementwisePath = direct.contains(member) && kind(member) == .elementwise
        let isSummed = summed.contains(member) || function.nodes[member].operation is Reduce
        let isImage =
          addressing.contains(member) || (kind(member) == .reduction && position == 0)
        switch kind(producer) {
        case .reduction:
          guard elementwisePath, !hasReduction else { continue }
          hasReduction = true
          direct.insert(producer)
        case .elementwise where isSummed:
          // Nothing is bound before a sum: what is used twice is computed twice.
          guard function.isShort(writingOut: summed.union([producer]).sorted()) else { continue }
          summed.insert(producer)
        case .elementwise:
          guard elementwisePath else { continue }
          direct.insert(producer)
        case .pointwise where isImage && isAddressed(producer): addressing.insert(producer)
        case .pointwise
        where (matrices.contains(member) || function.nodes[member].operation is DotGeneral)
          && movesElements(producer):
          matrices.insert(producer)
        case .pointwise where moves(member) && moves(producer) && !matrices.contains(member): break
        case .pointwise
        where (kind(member) == .elementwise || isSummed) && keepsOrder(producer): break
        case .pointwise:
          // Repeated work for each tap or copy: only where it costs nothing.
          let free = function.nodes[producer].operation is Constant
          let spreads = kind(member) == .elementwise || isSummed
          guard free || (spreads && isBroadcast(producer)) else { continue }
        case .concatenation:
          let more = function.nodes[producer].operands.count - 1
          guard isImage, canSplit(producer, in: members), pieces + more < Self.maximumPieces
          else { continue }
          pieces += more
          addressing.insert(producer)
        case .other: continue
        }
        members.insert(producer)
        if !isCopied(producer) { taken.insert(producer) }
        pending.append(producer)
      }
    }
    taken.insert(root)
    return Group(members: members.sorted())
  }

  /// Whether a convolution sums over what is concatenated: its loop can be split where one image ends. That of a group
  /// cannot, as each group would end elsewhere.
  private func canSplit(_ concatenation: Int, in members: Set<Int>) -> Bool {
    let node = function.nodes[concatenation]
    return (node.operation as? Concatenate)?.dimension == 1
      && members.contains {
        (function.nodes[$0].operation as? Convolution)?.featureGroupCount == 1
      }
  }

  /// Whether pixels come from elsewhere, or whole images do: what three-dimensional convolutions put together of slices.
  private func isAddressed(_ index: Int) -> Bool {
    let node = function.nodes[index]
    switch node.operation {
    case is UpsampleNearest: return true
    case let pad as Pad:
      return [pad.low, pad.high, pad.interior].allSatisfy { $0.dropFirst().allSatisfy { $0 == 0 } }
    case is Slice:
      let shapes = [node.operands[0], node.results[0]].map { function.type(of: $0).shape.extents }
      return shapes[0].dropFirst() == shapes[1].dropFirst()
    default: return false
    }
  }

  private func movesElements(_ index: Int) -> Bool {
    let node = function.nodes[index]
    return (node.operation as? any TensorOperation)?.movesElements(
      function.types(of: node.operands), to: function.type(of: node.results[0])) ?? false
  }

  /// Whether each element of the result is one of the operand's, wherever that is.
  private func moves(_ index: Int) -> Bool {
    let node = function.nodes[index]
    guard node.regions.isEmpty, node.operands.count == 1 else { return false }
    return node.operation is Transpose || node.operation is Slice || node.operation is Reshape
  }

  /// Whether what is read is a part of the operand, or differs in dimensions of one element only.
  private func keepsOrder(_ index: Int) -> Bool {
    let node = function.nodes[index]
    if let slice = node.operation as? Slice { return slice.strides.allSatisfy { $0 == 1 } }
    guard node.operation is Reshape else { return false }
    let shapes = [node.operands[0], node.results[0]].map { function.type(of: $0).shape.extents }
    return shapes[0].filter { $0 != 1 } == shapes[1].filter { $0 != 1 }
  }

  private func isBroadcast(_ index: Int) -> Bool {
    function.nodes[index].operation is BroadcastInDim
  }

  /// Nobody outside the group may need the producer, and weights stay with weights.
  ///
  /// What groups have copies of stays where it is too, and with it what it reads.
  private func canAbsorb(
    _ producer: Int, into members: Set<Int>, consumer: Int, root: Int
  ) -> Bool {
    if isCopied(producer) { return true }
    guard !taken.contains(producer), weights.contains(producer) == weights.contains(root),
      function.nodes[producer].results.count == 1
    else { return false }
    return (uses[function.nodes[producer].results[0]] ?? []).allSatisfy { user in
      members.contains(user) && !isCopied(user)
    }
  }
}
