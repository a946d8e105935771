import CodeGen
import Execution
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Batches that are run a few images at a time.
@Suite struct SplitBatchTests {
  /// Several kernels over 6 images, small enough for the interpreter.
  private static let item = KernelCase(
    testDescription: "two convolutions, pooling and a skip over 6 images",
    body: """
      %a = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<6x8x4x6xf32>
      %r = relu %a : tensor<6x8x4x6xf32>
      %p = reduce_window %r {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<6x8x2x3xf32>
      %u = upsample_nearest %p {scale = [2, 2]} : tensor<6x8x4x6xf32>
      %k = concatenate %u, %r {dimension = 1} : tensor<6x16x4x6xf32>
      %y = convolution %k, %v {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<6x2x4x6xf32>
      """,
    input: [6, 2, 4, 6],
    parameters: [("w", [8, 2, 3, 3]), ("b", [8]), ("v", [2, 16, 3, 3])])

  /// A target whose last level cache holds the temporaries of so many images twice.
  private func target(holding images: Int, of module: LoopModule) throws -> Target {
    let planned = PlanMemory.apply(to: module)
    let arena = planned.buffers.compactMap(\.arenaEnd).max() ?? 0
    var target = try Targets.resolve("x86-64-v3")
    target.l3Bytes = 2 * images * (arena / 6) + 1
    return target
  }

  @Test(arguments: [(1, 1), (2, 2), (3, 3), (4, 3), (5, 3)])
  func partsAreTheLargestThatFit(holding: Int, expected: Int) throws {
    let plain = try Self.item.plain()
    let target = try target(holding: holding, of: plain)
    let split = SplitBatch.apply(to: plain, target: target)
    try LoopVerifier.verify(split)
    let arena = PlanMemory.apply(to: split).buffers.compactMap(\.arenaEnd).max() ?? 0
    #expect(arena <= target.l3Bytes / 2)
    #expect(split.run.count == plain.run.count * 6 / expected)
    for entry in split.buffers {
      if case .temporary = entry.role { #expect(entry.buffer.extents[0] == expected) }
    }
    let text = LoopPrinter.text(split)
    #expect(try LoopParser.parseModule(text, file: "split.loops") == split)
  }

  @Test func valuesStayTheSame() throws {
    let plain = try Self.item.plain()
    let inputs = try Self.item.inputs
    let weights = try Self.item.weights
    let expected = try LoopInterpreter.run(plain, parameters: weights, inputs: inputs)
    let split = SplitBatch.apply(to: plain, target: try target(holding: 2, of: plain))
    let actual = try LoopInterpreter.run(split, parameters: weights, inputs: inputs)
    #expect(actual.map(\.values) == expected.map(\.values))
  }

  @Test func machineCodeGivesTheImagesOfOneByOne() throws {
    let plain = try Self.item.plain()
    let small = try target(holding: 1, of: plain)
    var large = small
    large.l3Bytes = 1 << 30
    let weights = try Self.item.weights.mapValues { $0.map { Float($0) } }
    let inputs = try Self.item.inputs.map { $0.map { Float($0) } }
    let results = try [small, large].map { target in
      let module = Scheduler.schedule(plain, for: target, precision: .strict)
      let session = try NativeSession(module, target: target, parameters: weights)
      return try session.run(inputs: inputs, threads: 2).map(\.values)
    }
    #expect(results[0] == results[1])
  }

  @Test func whatFitsOrHasOneImageStaysAsItIs() throws {
    let plain = try Self.item.plain()
    let large = try target(holding: 6, of: plain)
    #expect(SplitBatch.apply(to: plain, target: large) == plain)
    let single = try KernelCase.chains[0].plain()
    var small = large
    small.l3Bytes = 1
    #expect(SplitBatch.apply(to: single, target: small) == single)
  }

  /// The mean over a batch cannot be taken image by image.
  @Test func kernelsThatMixImagesKeepTheBatchWhole() throws {
    let text = """
      rephase_loops 1
      module @mix {
        input %x "x" : f32[2, 8]
        temporary %t : f32[2, 8]
        output %y "y" : f32[2, 8]
        kernel @first(in %a: f32[2, 8], out %b: f32[2, 8]) {
          for %n in 0 ..< 2 { for %i in 0 ..< 8 { %b[%n, %i] = %a[0, %i] } }
        }
        kernel @second(in %a: f32[2, 8], out %b: f32[2, 8]) {
          for %n in 0 ..< 2 { for %i in 0 ..< 8 { %b[%n, %i] = %a[%n, %i] + f32(%n) } }
        }
        run { call @first(%x, %t) call @second(%t, %y) }
      }
      """
    let module = try LoopParser.parseModule(text, file: "mix.loops")
    var small = try Targets.resolve("x86-64-v3")
    small.l3Bytes = 1
    #expect(SplitBatch.apply(to: module, target: small) == module)
    for kernel in module.kernels {
      var alone = module
      alone.run = [.call(kernel.name, ["x", "y"])]
      alone.buffers.remove(at: 1)
      alone.buffers.insert(
        ModuleBuffer(Buffer("t", .f32, extents: [2, 8]), .temporary(offset: nil)), at: 1)
      #expect(SplitBatch.apply(to: alone, target: small) == alone, "\(kernel.name)")
    }
  }
}
