import Diagnostics
import GraphIR

/// A rewrite of a function that keeps what it computes, up to the stated numeric class.
///
/// The comment of each pass shows the IR before and after; that example is its first test.
public protocol GraphPass: Sendable {
  /// As `rephase opt --passes` names it.
  static var name: String { get }
  /// One line for `--list-passes`.
  static var summary: String { get }
  /// Whether the function computes the same results as before; false where the pass appends others.
  static var keepsResults: Bool { get }
  init()
  func run(_ context: inout GraphPassContext) throws(Diagnostic)
}

extension GraphPass {
  public static var keepsResults: Bool { true }
}

/// The only way in which a pass changes a function; it records whether anything changed.
public struct GraphPassContext {
  public private(set) var function: Function
  public private(set) var hasChanged = false

  public init(_ function: Function) { self.function = function }

  /// Takes another function in place of this one.
  public mutating func replace(with function: Function) {
    self.function = function
    hasChanged = true
  }

  /// Rebuilds the function node by node, in order.
  ///
  /// `replace` either yields the values that stand for the node's results from now on, having appended what it
  /// needs, or nil to keep the node as it is.
  public mutating func rewrite(
    _ replace: (_ node: Node, _ index: Int, _ rewriter: inout GraphRewriter) throws(Diagnostic) ->
      [ValueID]?
  ) throws(Diagnostic) {
    var rewriter = GraphRewriter(function)
    for (index, node) in function.nodes.enumerated() {
      if let values = try replace(node, index, &rewriter) {
        hasChanged = true
        rewriter.map(node.results, to: values)
      } else {
        try rewriter.keep(node)
      }
    }
    rewriter.new.results = try rewriter.mapped(function.results, at: nil)
    function = rewriter.new
  }
}

/// The function under construction, and what the old function's values have become.
public struct GraphRewriter {
  public let old: Function
  public fileprivate(set) var new: Function
  private var mapping: [ValueID: ValueID] = [:]

  fileprivate init(_ function: Function) {
    old = function
    new = Function(function.name)
    for argument in function.arguments {
      mapping[argument] = new.addArgument(
        function.type(of: argument), name: function.name(of: argument))
    }
  }

  /// What an old value has become; one that was dropped stays itself, and may be another value by chance.
  public subscript(_ value: ValueID) -> ValueID { mapping[value] ?? value }

  /// What old values have become; throws, as a defect of the pass, where one of them was dropped.
  public func mapped(
    _ values: [ValueID], at location: SourceLocation?
  ) throws(Diagnostic) -> [ValueID] {
    var result: [ValueID] = []
    for value in values {
      guard let new = mapping[value] else {
        throw Diagnostic("a value that is still used was dropped", at: location)
      }
      result.append(new)
    }
    return result
  }

  public mutating func append(
    _ operation: any Operation, _ operands: [ValueID], regions: [Function] = [],
    name: String? = nil, like node: Node
  ) throws(Diagnostic) -> ValueID {
    try new.append(operation, operands, regions: regions, names: [name], at: node.location)[0]
  }

  fileprivate mutating func map(_ results: [ValueID], to values: [ValueID]) {
    for (result, value) in zip(results, values) { mapping[result] = value }
  }

  fileprivate mutating func keep(_ node: Node) throws(Diagnostic) {
    let results = try new.append(
      node.operation, try mapped(node.operands, at: node.location), regions: node.regions,
      names: node.results.map { old.name(of: $0) }, at: node.location)
    map(node.results, to: results)
  }
}

/// All passes, and the order in which the compiler runs them.
public enum GraphPasses {
  /// Every pass, in alphabetical order of names.
  public static let all: [any GraphPass.Type] = [
    CommonSubexpressions.self, DeadCode.self, Decompose.self, Differentiate.self,
    FactorTransforms.self, FoldBatchNorm.self, FuseGroups.self,
  ]

  /// From a network as written to one node for each kernel.
  ///
  /// Copies and dead code go first: as further uses of a convolution they would keep batch norm from being folded.
  public static let standard: [any GraphPass.Type] = [
    CommonSubexpressions.self, DeadCode.self, FoldBatchNorm.self, FactorTransforms.self,
    Decompose.self, CommonSubexpressions.self, DeadCode.self, FuseGroups.self, DeadCode.self,
  ]

  /// Those for GPUs, whose tensor cores multiply by whole Fourier matrices.
  public static let standardOnGPUs = standard.filter { $0 != FactorTransforms.self }

  /// Runs passes in order, verifying after each; `changed` hears of every one that changed something.
  ///
  /// The graph of a network stays one, unless a pass appends results.
  public static func run(
    _ passes: [any GraphPass.Type], on function: Function,
    changed: (_ pass: String, Function) throws(Diagnostic) -> Void = { _, _ in }
  ) throws(Diagnostic) -> Function {
    var current = function
    for pass in passes {
      var context = GraphPassContext(current)
      do throws(Diagnostic) {
        try pass.init().run(&context)
        try GraphVerifier.verify(context.function)
      } catch {
        var located = error
        located.message = "after pass \(pass.name): " + located.message
        throw located
      }
      let origin = pass.keepsResults ? current.origin : nil
      current = context.function
      current.origin = origin
      if context.hasChanged { try changed(pass.name, current) }
    }
    return current
  }

  /// Throws with the choices where there is no such pass.
  public static func named(_ name: String) throws(Diagnostic) -> any GraphPass.Type {
    guard let pass = all.first(where: { $0.name == name }) else {
      throw Diagnostic(
        "there is no graph pass '\(name)'",
        help: "the passes are \(all.map { $0.name }.joined(separator: ", "))")
    }
    return pass
  }
}
