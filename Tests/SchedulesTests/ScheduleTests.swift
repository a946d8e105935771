import CodeGen
import Execution
import LoopIR
import Operations
import Tensors
import Testing

@testable import Schedules

/// Scheduled loops against the plain ones, in the interpreter with its checks of bounds, races and undefined reads.
@Suite struct ScheduleTests {
  @Test(arguments: KernelCase.all, targetNames)
  func valuesAreThoseOfThePlainLoops(_ item: KernelCase, target: String) throws {
    let plain = try item.plain()
    try LoopVerifier.verify(plain)
    let expected = try LoopInterpreter.run(
      plain, parameters: try item.weights, inputs: try item.inputs)
    for precision in Precision.ofCPUs {
      let scheduled = Scheduler.schedule(
        plain, for: try Targets.resolve(target), precision: precision)
      try LoopVerifier.verify(scheduled)
      #expect(scheduled.scheduledFor == target)
      let actual = try LoopInterpreter.run(
        scheduled, parameters: try item.weights, inputs: try item.inputs)
      #expect(actual.map(\.shape) == expected.map(\.shape))
      // Other sums round differently; everything else is the same to the bit.
      let text = LoopPrinter.text(scheduled)
      let sumsOtherwise = ["allocate %part", "_parts(", "_winograd", " : f64["].contains {
        text.contains($0)
      }
      #expect(
        largestError(actual, expected) <= (sumsOtherwise ? precision.promise : 0), "\(precision)")
    }
  }

  @Test(arguments: KernelCase.others, targetNames)
  func kernelsWithoutProductsAreNotSummedInParts(_ item: KernelCase, target: String) throws {
    let scheduled = Scheduler.schedule(try item.plain(), for: try Targets.resolve(target))
    #expect(!LoopPrinter.text(scheduled).contains("allocate %part"))
  }

  /// Real and imaginary parts, say, which LLVM writes in whole vectors.
  @Test func imagesSideBySideAreWrittenTogether() throws {
    let items = KernelCase.others.filter { $0.testDescription.contains("side by side") }
    #expect(items.count == 2)
    for item in items {
      let module = Scheduler.schedule(try item.plain(), for: try Targets.resolve("x86-64-v3"))
      let kernel = try #require(module.kernels.first { $0.name.hasPrefix("concatenate_") })
      #expect(
        LoopPrinter.text(kernel.body).split(
          separator: "parallel for", omittingEmptySubsequences: false
        )
        .count == 2)
    }
  }

  /// Inputs and outputs of several channels are copied by tiles, in which each line of the cache is used as a whole;
  /// others are read and written as they are.
  @Test func imagesOfSeveralChannelsAreCopiedByTiles() throws {
    func copies(_ inputs: Int, _ outputs: Int) throws -> [String] {
      let plain = try KernelCase.convolution(inputs, outputs, size: (5, 21)).plain()
      let module = Scheduler.schedule(plain, for: try Targets.resolve("x86-64-v3"))
      let kernels = module.run.compactMap(\.calledKernel).filter { $0.hasPrefix("pack_") }
      for name in kernels {
        let kernel = try #require(module.kernel(named: name))
        #expect(LoopPrinter.text(kernel.body).contains("allocate %tile : f32[8, 8] stack"))
      }
      return kernels
    }
    #expect(try copies(3, 2).isEmpty)
    #expect(try copies(8, 2) == ["pack_1x8x5x21"])
    #expect(try copies(1, 16) == ["pack_1x16x5x21"])
    #expect(try copies(8, 8) == ["pack_1x8x5x21", "pack_1x8x5x21_layout2"])
  }

  /// Loops that no lowering writes: empty, too long to look at every tile, or with more iterations than an integer counts.
  @Test(arguments: [
    ("for %c in 0 ..< 4", 0), ("for %i in 0 ..< 3", 1 << 31), ("for %i in 0 ..< 3", 0),
    ("for %x in 0 ..< 5", 1 << 31), ("for %y in 0 ..< 6", 1 << 61),
  ])
  func loopsOfNoKnownFormAreNotTiled(_ loop: String, extent: Int) throws {
    let graph = KernelCase(
      testDescription: "",
      body: """
        %y = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x4x6x5xf32>
        """, input: [1, 3, 6, 5], parameters: [("w", [4, 3, 3, 3]), ("b", [4])])
    let text = LoopPrinter.text(try graph.plain())
    let head = loop.split(separator: " ").dropLast().joined(separator: " ")
    let changed = text.replacing(loop + " {", with: "\(head) \(extent) {")
    #expect(changed != text)
    let module = try LoopParser.parseModule(changed, file: "case.rir")
    for target in ["x86-64-v4", "sm_90"] {
      let text = LoopPrinter.text(Scheduler.schedule(module, for: try Targets.resolve(target)))
      #expect(!text.contains("allocate %sum : f32[4") && !text.contains("_winograd"), "\(target)")
    }
  }

  /// Half a unit in the last place, and a little for the rounding of float64.
  @Test(arguments: KernelCase.convolutions)
  func strictSumsRoundOnce(_ item: KernelCase) throws {
    let target = try Targets.resolve("native")
    let module = Scheduler.schedule(try item.plain(), for: target, precision: .strict)
    #expect(try item.nativeError(of: module, for: target) <= 0.5001)
  }

  @Test(arguments: KernelCase.all, Precision.ofCPUs)
  func machineCodeComputesTheReference(_ item: KernelCase, precision: Precision) throws {
    let target = try Targets.resolve("native")
    let module = Scheduler.schedule(try item.plain(), for: target, precision: precision)
    let session = try NativeSession(
      module, target: target, parameters: try item.weights.mapValues { $0.map { Float($0) } })
    let reference = try Reference.evaluate(
      try item.function(), inputs: try item.inputs, parameters: try item.weights)
    for threads in [1, 3] {
      let native = try session.run(
        inputs: try item.inputs.map { $0.map { Float($0) } }, threads: threads)
      #expect(largestError(native.map { $0.map { Double($0) } }, reference) <= precision.promise)
    }
  }

  @Test(arguments: KernelCase.all, targetNames)
  func everyKernelIsScheduled(_ item: KernelCase, target: String) throws {
    let scheduled = Scheduler.schedule(try item.plain(), for: try Targets.resolve(target))
    let called = scheduled.run.compactMap { statement -> Kernel? in
      if case .call(let name, _) = statement { return scheduled.kernel(named: name) }
      return nil
    }
    for kernel in called {
      var kinds: Set<LoopKind> = []
      kernel.body.forEachStatement { if case .loop(let loop) = $0 { kinds.insert(loop.kind) } }
      // Numbers side by side are left to LLVM, which makes whole vectors of them.
      let areInterleaved =
        item.testDescription.contains("side by side") && kernel.name.hasPrefix("concatenate_")
      #expect(
        kinds.isSuperset(of: areInterleaved ? [.parallel] : [.parallel, .vectorized]),
        "\(kernel.name)")
    }
  }

  @Test(arguments: KernelCase.chains + KernelCase.others, targetNames)
  func theSameModuleGivesTheSameTextThatParsesBack(_ item: KernelCase, target: String) throws {
    let description = try Targets.resolve(target)
    let scheduled = Scheduler.schedule(try item.plain(), for: description)
    #expect(scheduled == Scheduler.schedule(try item.plain(), for: description))
    let text = LoopPrinter.text(scheduled)
    #expect(try LoopParser.parseModule(text, file: "scheduled.loops") == scheduled)
  }

  @Test func kernelsOfNoKnownFormStayAsTheyAre() throws {
    let text = """
      rephase_loops 1
      module @scan {
        input %x "x" : f32[8]
        output %y "y" : f32[8]
        kernel @scan(in %a: f32[8], out %b: f32[8]) {
          %b[0] = %a[0]
          for %i in 1 ..< 8 { %b[%i] = %b[%i - 1] + %a[%i] }
        }
        run { call @scan(%x, %y) }
      }
      """
    let module = try LoopParser.parseModule(text, file: "scan.loops")
    let scheduled = Scheduler.schedule(module, for: try Targets.resolve("x86-64-v3"))
    #expect(scheduled.kernels == module.kernels)
  }
}
