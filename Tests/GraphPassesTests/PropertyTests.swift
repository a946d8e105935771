import Diagnostics
import GraphIR
import GraphPasses
import Operations
import Testing

/// What holds for every pass on every graph.
@Suite struct PropertyTests {
  private static let seeds: [UInt64] = Array(1...180)

  /// One pass as a test argument.
  struct PassCase: Sendable, CustomTestStringConvertible {
    var passes: [any GraphPass.Type]
    var testDescription: String { passes.map { $0.name }.joined(separator: ",") }

    static let all = GraphPasses.all.filter { $0.keepsResults }.map { PassCase(passes: [$0]) }
    static let sequences = all + [PassCase(passes: GraphPasses.standard)]
  }

  @Test func theGraphsAreVaried() throws {
    var counts: [String: Int] = [:]
    for seed in Self.seeds {
      let function = try RandomGraph.make(seed: seed)
      for node in function.nodes { counts[node.operation.mnemonic, default: 0] += 1 }
    }
    let wanted = [
      "convolution", "batch_norm_inference", "relu", "add", "reduce_window", "concatenate",
      "upsample_nearest", "constant", "broadcast_in_dim", "maximum", "batch_norm_training",
      "reduce", "fft", "slice",
    ]
    for mnemonic in wanted { #expect((counts[mnemonic] ?? 0) >= 20, "\(mnemonic)") }
  }

  @Test(arguments: PassCase.sequences)
  func valuesAreKept(_ item: PassCase) throws {
    var changed = 0
    for seed in Self.seeds {
      let before = try RandomGraph.make(seed: seed)
      try GraphVerifier.verify(before)
      let after = try GraphPasses.run(item.passes, on: before) { _, _ in changed += 1 }
      try GraphVerifier.verify(after)
      let error = difference(
        try outputs(of: after, seed: seed), try outputs(of: before, seed: seed))
      #expect(error <= 1e-12, "seed \(seed)")
    }
    #expect(changed >= 20, "the graphs show nothing of this pass")
  }

  @Test(arguments: PassCase.all)
  func aSecondTimeChangesNothing(_ item: PassCase) throws {
    for seed in Self.seeds {
      let once = try GraphPasses.run(item.passes, on: try RandomGraph.make(seed: seed))
      var changes = 0
      let twice = try GraphPasses.run(item.passes, on: once) { _, _ in changes += 1 }
      #expect(changes == 0, "seed \(seed)")
      #expect(text(twice) == text(once), "seed \(seed)")
    }
  }

  @Test(arguments: PassCase.sequences)
  func resultsPrintAndParse(_ item: PassCase) throws {
    for seed in Self.seeds {
      let after = text(try GraphPasses.run(item.passes, on: try RandomGraph.make(seed: seed)))
      let parsed = try GraphParser.parse(after, file: "t.rir", table: OperationRegistry.table)
      #expect(GraphPrinter.text(parsed) == after, "seed \(seed)")
    }
  }

  @Test func fusedRegionsHoldOneReductionAndNoneIsDuplicated() throws {
    for seed in Self.seeds {
      let before = try RandomGraph.make(seed: seed)
      let after = try GraphPasses.run([FuseGroups.self], on: before)
      var reductions = 0
      for node in after.nodes {
        let inner = node.regions.flatMap(\.nodes).filter(Self.isReduction)
        #expect(inner.count <= 1, "seed \(seed)")
        reductions += inner.count + (Self.isReduction(node) ? 1 : 0)
      }
      #expect(reductions == before.nodes.count(where: Self.isReduction), "seed \(seed)")
    }
  }

  private static func isReduction(_ node: Node) -> Bool {
    node.operation is Convolution || node.operation is ReduceWindow
  }

  @Test func standardPassesLeaveNoFoldableBatchNorm() throws {
    for seed in Self.seeds {
      let after = try GraphPasses.run(
        GraphPasses.standard, on: try RandomGraph.make(seed: seed))
      let definitions = after.definitions()
      let uses = after.uses()
      for node in after.nodes where node.operation is BatchNormInference {
        let producer = definitions[node.operands[0]].map { after.nodes[$0] }
        let alone = uses[node.operands[0]]?.count == 1
        #expect(!(producer?.operation is Convolution && alone), "seed \(seed)")
      }
    }
  }

  @Test func unknownPassesAreRefusedWithTheChoices() {
    #expect {
      _ = try GraphPasses.named("inline")
    } throws: { error in
      "\(error)".contains("no graph pass 'inline'")
        && "\(error)".contains(
          "cse, dce, decompose, differentiate, factor-transforms, fold-batch-norm, fuse")
    }
  }

  @Test func aPassThatBreaksAConstraintIsNamed() throws {
    let before = try function(
      "(%x: tensor<4xf32>) -> tensor<4xf32>",
      "%1 = relu %x : tensor<4xf32>\n%2 = negate %1 : tensor<4xf32>\nreturn %2")
    #expect {
      _ = try GraphPasses.run([DropsEverything.self], on: before)
    } throws: { error in
      "\(error)".contains("after pass drops-everything: [G3]")
    }
    #expect {
      _ = try GraphPasses.run([DropsOperands.self], on: before)
    } throws: { error in
      "\(error)".contains("after pass drops-operands: a value that is still used was dropped")
    }
  }
}

/// A wrong pass: it leaves the function's result undefined.
private struct DropsEverything: GraphPass {
  static let name = "drops-everything"
  static let summary = "Wrong on purpose."

  func run(_ context: inout GraphPassContext) throws(Diagnostic) {
    var function = context.function
    function.nodes = []
    context.replace(with: function)
  }
}

/// A wrong pass: it drops an operation and keeps those that use it.
private struct DropsOperands: GraphPass {
  static let name = "drops-operands"
  static let summary = "Wrong on purpose."

  func run(_ context: inout GraphPassContext) throws(Diagnostic) {
    try context.rewrite { (_, index, _) throws(Diagnostic) in index == 0 ? [] : nil }
  }
}
