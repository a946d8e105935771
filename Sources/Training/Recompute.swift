import Diagnostics
import GraphIR
import Operations
import Tensors

/// Computes large values of the forward pass a second time where the backward pass needs them, so that they need not
/// stay in memory in between.
///
/// Kept are values that the forward pass uses in several places (the inputs of residual blocks, skip connections),
/// small ones, and all behind the last of these large ones; every other value is computed again from them, once,
/// before the backward pass first reads it:
/// ```
/// %a = convolution %x, %w        // forward
/// %b = relu %a
/// %g = select ..., %b            // backward
/// ```
/// becomes
/// ```
/// %w.1 = stop_gradient %w        // a copy: otherwise both convolutions would be one common subexpression
/// %a.1 = convolution %x, %w.1
/// %b.1 = relu %a.1
/// %g = select ..., %b.1
/// ```
/// Operations and their order are those of the forward pass, so results keep every bit.
struct Recompute {
  private let old: Function
  /// Nodes of the forward pass, which come first.
  private let forwardCount: Int
  private let definitions: [ValueID: Int]
  private let kept: Set<ValueID>
  private var builder: GraphBuilder
  /// Old values as the forward pass has them, and as it has been repeated.
  private var mapping: [ValueID: ValueID] = [:]
  private var repeated: [ValueID: ValueID] = [:]
  private var copies: [ValueID: ValueID] = [:]

  /// Values of less than this part of the largest one are small.
  private static let smallShare = 16

  static func apply(to function: Function, forwardCount: Int) throws(Diagnostic) -> Function {
    var recompute = Recompute(function, forwardCount)
    return try recompute.run()
  }

  private init(_ function: Function, _ forwardCount: Int) {
    old = function
    self.forwardCount = forwardCount
    definitions = function.definitions()
    kept = Self.kept(function, forwardCount)
    builder = GraphBuilder(Function(function.name))
  }

  private static func kept(_ function: Function, _ forwardCount: Int) -> Set<ValueID> {
    let uses = function.uses()
    let forward = function.nodes[..<forwardCount]
    func size(_ value: ValueID) -> Int { function.type(of: value).shape.elementCount }
    let largest = forward.flatMap(\.results).map(size).max() ?? 0
    var kept = Set(function.arguments)
    var last = 0
    for (index, node) in forward.enumerated() {
      for result in node.results {
        let isSmall = size(result) * smallShare < largest
        let isShared = Set(uses[result] ?? []).count { $0 < forwardCount } > 1
        if isSmall || isShared || node.operands.isEmpty { kept.insert(result) }
        if isShared && !isSmall { last = index }
      }
    }
    for node in forward[last...] { kept.formUnion(node.results) }
    return kept
  }

  private mutating func run() throws(Diagnostic) -> Function {
    for argument in old.arguments {
      mapping[argument] = builder.argument(
        old.type(of: argument), name: old.name(of: argument) ?? "")
    }
    let normalized = normalizedImages()
    for (index, node) in old.nodes.enumerated() {
      for image in normalized[index] ?? [] { _ = try available(image) }
      var operands: [ValueID] = []
      for operand in node.operands {
        let isForward = index < forwardCount
        operands.append(isForward ? first(operand) : try available(operand))
      }
      builder.location = node.location
      let results = try builder.results(
        node.operation, operands, regions: node.regions,
        names: node.results.map { old.name(of: $0) })
      for (before, after) in zip(node.results, results) { mapping[before] = after }
    }
    builder.location = nil
    builder.setResults(old.results.map(first))
    return builder.function
  }

  /// What batch norm's gradients read, by the node that ends the cotangent: where it is there before, as it is without
  /// recomputation, the schedule sums the products of both in one pass and in the same order.
  private func normalizedImages() -> [Int: [ValueID]] {
    var images: [Int: [ValueID]] = [:]
    for node in old.nodes where node.operation is BatchNormGrad {
      if let end = definitions[node.operands[4]], end >= forwardCount {
        images[end, default: []].append(node.operands[0])
      }
    }
    return images
  }

  /// A value as it was first computed.
  private func first(_ value: ValueID) -> ValueID { mapping[value] ?? value }

  /// A value for the backward pass: kept or its own, or computed again.
  private mutating func available(_ value: ValueID) throws(Diagnostic) -> ValueID {
    guard let index = definitions[value], index < forwardCount, !kept.contains(value) else {
      return first(value)
    }
    if let known = repeated[value] { return known }
    let node = old.nodes[index]
    var operands: [ValueID] = []
    for operand in node.operands { operands.append(try available(operand)) }
    if zip(node.operands, operands).allSatisfy({ first($0) == $1 }) { try copySmallest(&operands) }
    builder.location = node.location
    if let norm = node.operation as? BatchNormTraining, value == node.results[0] {
      let again = try norm.normalized(
        operands, mean: first(node.results[1]), variance: first(node.results[2]), &builder)
      repeated[value] = again
      return again
    }
    let results = try builder.results(
      node.operation, operands, regions: node.regions,
      names: node.results.map { old.name(of: $0).map { "\($0).again" } })
    for (before, after) in zip(node.results, results) { repeated[before] = after }
    return repeated[value] ?? value
  }

  /// Puts a copy in the place of the smallest operand.
  private mutating func copySmallest(_ operands: inout [ValueID]) throws(Diagnostic) {
    let sizes = operands.map { builder.shape(of: $0).elementCount }
    guard let place = sizes.indices.min(by: { sizes[$0] < sizes[$1] }) else { return }
    if let known = copies[operands[place]] {
      operands[place] = known
      return
    }
    let copy = try builder.apply(StopGradient(), operands[place])
    copies[operands[place]] = copy
    operands[place] = copy
  }
}
