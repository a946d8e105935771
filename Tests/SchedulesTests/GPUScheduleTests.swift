import CodeGen
import LoopIR
import Tensors
import Testing

@testable import Schedules

/// Grids of threads against the plain loops, in the interpreter with its checks of bounds, races and undefined reads.
@Suite struct GPUScheduleTests {
  private func scheduled(
    _ item: KernelCase, _ precision: Precision, reads: FragmentReads? = nil
  ) throws -> LoopModule {
    let target = try Targets.resolve("sm_90")
    let gpu = try #require(target.gpu)
    let plain = try item.plain()
    let scheduler = GPUScheduler(
      target: target, gpu: gpu, precision: precision,
      choices: reads.map { choices(plain, gpu, precision, $0) } ?? [:])
    let module = scheduler.schedule(plain)
    try LoopVerifier.verify(module)
    return module
  }

  /// The cheapest tile of direct sums that reads so for each convolution that the cost model gives to tensor cores.
  private func choices(
    _ module: LoopModule, _ gpu: GPU, _ precision: Precision, _ reads: FragmentReads
  ) -> [String: TileChoice] {
    var choices: [String: TileChoice] = [:]
    for form in module.kernels.compactMap({ StagedConvolution($0) }) {
      let standard = TileSelection(gpu: gpu, precision: precision).standard(form)?.choice
      guard [MatrixTile.word, WinogradTile.word].contains(standard?.kind) else { continue }
      choices[form.kernel.name] = MatrixTile(form, gpu, precision, reads: reads)?.choice
    }
    return choices
  }

  private func run(_ module: LoopModule, _ item: KernelCase) throws -> [Tensor<Double>] {
    try LoopInterpreter.run(module, parameters: try item.weights, inputs: try item.inputs)
  }

  @Test(arguments: KernelCase.all) func valuesAreThoseOfThePlainLoops(_ item: KernelCase) throws {
    let expected = try run(try item.plain(), item)
    for precision in Precision.allCases {
      let module = try scheduled(item, precision)
      let text = LoopPrinter.text(module)
      // Without matrices the kernels are those of standard precision.
      guard Precision.ofCPUs.contains(precision) || text.contains("mma %") else { continue }
      let actual = try run(module, item)
      #expect(actual.map(\.shape) == expected.map(\.shape))
      let isSummed = text.contains("%pixels : ") || text.contains("%sum : f64")
      #expect(largestError(actual, expected) <= (isSummed ? precision.promise : 0))
    }
  }

  /// Instance and batch normalization's sums of 340 and 680 pixels; one of 240 stays with one thread a channel.
  @Test(arguments: [([2, 3], 17, true), ([0, 2, 3], 17, true), ([2, 3], 12, false)])
  func longSumsGoByRows(_ dimensions: [Int], _ columns: Int, _ goesByRows: Bool) throws {
    let image = "tensor<2x5x20x\(columns)xf32>"
    let result = dimensions.contains(0) ? "tensor<5xf32>" : "tensor<2x5xf32>"
    let item = KernelCase(
      testDescription: "",
      body: """
        %q = multiply %x, %x : \(image)
        %r = reduce %q {reducer = add, dimensions = \(dimensions)} : \(result)
        %k = constant 0.25 : \(result)
        %y = multiply %r, %k : \(result)
        """, input: [2, 5, 20, columns])
    let expected = try run(try item.plain(), item)
    let module = try scheduled(item, .standard)
    #expect(module.run.count == (goesByRows ? 2 : 1))
    let promise = Precision.standard.promise
    #expect(try largestError(run(module, item), expected) <= (goesByRows ? promise : 0))
  }

  @Test(arguments: KernelCase.all) func valuesByMatrixReadsAreThoseOfThePlainLoops(
    _ item: KernelCase
  ) throws {
    let kinds: [(Precision, FragmentReads)] = [
      (.standard, .wide), (.standard, .matrices), (.bf16, .matrices),
    ]
    for (precision, reads) in kinds {
      let module = try scheduled(item, precision, reads: reads)
      let text = LoopPrinter.text(module)
      #expect((text.contains("mma %") && reads == .matrices) == text.contains("ldmatrix"))
      #expect(!text.contains("%planes"))
      guard text.contains("mma %") else { continue }
      let expected = try run(try item.plain(), item)
      #expect(largestError(try run(module, item), expected) <= precision.promise)
    }
  }

  @Test(arguments: KernelCase.all, [Precision.strict, .tf32])
  func everyKernelBecomesAGrid(_ item: KernelCase, _ precision: Precision) throws {
    let module = try scheduled(item, precision)
    let launches = try DeviceProgram(module).launches
    #expect(launches.count == module.run.count)
    for launch in launches { #expect(launch.grid.threads <= 256, "\(launch.entry)") }
    _ = try CodeGenerator(target: try Targets.resolve("sm_90")).deviceCode(of: module)
  }

  /// What a convolution's threads copy and share is guarded by its wait and its barrier, for FMA units (12 results do
  /// not fill matrices) and for tensor cores.
  @Test(
    arguments: [(true, "race for"), (false, "while a copy to it is under way")],
    [(12, FragmentReads.wide), (16, .wide), (16, .matrices)])
  func theInterpreterMissesWhatGuardsCopies(
    _ what: (isBarrier: Bool, message: String), _ kernel: (outputs: Int, reads: FragmentReads)
  ) throws {
    let item = KernelCase.convolution(32, kernel.outputs, size: (8, 9))
    var module = try scheduled(item, .tf32, reads: kernel.reads)
    let index = try #require(module.kernels.firstIndex { $0.name.contains("convolution") })
    var number = 0
    module.kernels[index].body = module.kernels[index].body.mapStatements { statement in
      switch statement {
      case .barrier where what.isBarrier, .waitGroup where !what.isBarrier: number += 1
      default: return [statement]
      }
      return []
    }
    #expect(number == 1)
    #expect {
      _ = try run(module, item)
    } throws: {
      "\($0)".contains(what.message)
    }
  }

  /// Channels that do not fill matrices stay with the FMA units.
  @Test(arguments: [
    (32, 32, Precision.standard, true), (8, 16, .tf32, true), (64, 24, .tf32, true),
    (32, 32, .strict, true), (32, 12, .strict, false), (1, 32, .tf32, false), (32, 1, .tf32, false),
    (12, 16, .tf32, false),
    (16, 12, .tf32, false),
  ])
  func tensorCoresNeedWholeMatrices(
    _ inputs: Int, _ outputs: Int, _ precision: Precision, _ isMatrix: Bool
  ) throws {
    let module = try scheduled(.convolution(inputs, outputs, size: (9, 9)), precision)
    #expect(LoopPrinter.text(module).contains("mma %") == isMatrix)
  }

  @Test func tilesAreChosenByShape() throws {
    let gpu = GPU(multiprocessors: 132)
    func tile(_ item: KernelCase) throws -> (form: StagedConvolution, tile: GPUTile) {
      let kernel = try #require(try item.plain().kernels.first { StagedConvolution($0) != nil })
      let form = try #require(StagedConvolution(kernel))
      return (form, try #require(GPUTile(form, gpu)))
    }
    let wide = try tile(.convolution(32, 32, size: (192, 128)))
    #expect(wide.tile.blockChannels == 32)
    #expect(wide.tile.leastSharedBytes(wide.form) <= gpu.sharedBytes)
    // One round of blocks covers the image without a second, nearly empty one.
    #expect(wide.tile.blockCount(wide.form) <= 3 * 132)
    #expect(try tile(.convolution(32, 1, size: (192, 128))).tile.channels == 1)
    #expect(try tile(.convolution(8, 16, strides: (2, 2))).form.strideY == 2)
    // A kernel that does not fit shared memory has no tile.
    let huge = KernelCase.convolution(4, 8, kernel: 63, size: (70, 70))
    let kernel = try #require(try huge.plain().kernels.first { StagedConvolution($0) != nil })
    #expect(GPUTile(try #require(StagedConvolution(kernel)), gpu) == nil)
  }
}
