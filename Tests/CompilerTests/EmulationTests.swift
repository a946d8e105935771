import CodeGen
import Diagnostics
import Foundation
import LoopIR
import Tensors
import Testing

@testable import Compiler
@testable import Schedules

/// Kernels for GPUs in the emulator against the float64 reference.
@Suite struct EmulationTests {
  private func input(_ extents: [Int]) throws -> Tensor<Float> {
    var tensor = Tensor<Float>(try Shape(extents), repeating: 0)
    for position in tensor.values.indices {
      tensor.values[position] = Float(position * 37 % 101 - 50) / 50
    }
    return tensor
  }

  @Test(arguments: ["sm_80", "sm_90"], Precision.allCases)
  func aConvolutionKeepsThePromise(_ target: String, _ precision: Precision) throws {
    guard case .graph(let function) = try sampleModel() else { return }
    let model = try EmulatedModel(
      try sampleModel(), target: try Targets.resolve(target), precision: precision,
      weights: try sampleWeights())
    let verification = Verification(function, weights: try sampleWeights())
    for kind in Verification.inputKinds {
      let inputs = verification.inputs(kind, seed: 1)
      let rows = try verification.compare(kind, inputs, native: model.run)
      #expect(rows.allSatisfy { $0.ulps <= precision.promise }, "\(kind)")
    }
  }

  /// The ranges and samples of a library's self-test take what its kernels compute, and nothing that is far from it.
  @Test(arguments: Precision.allCases)
  func theSelftestTakesWhatTheKernelsCompute(_ precision: Precision) throws {
    let (model, target) = (try sampleModel(), try Targets.resolve("sm_90"))
    let test = try #require(try DeviceSelftest(model, precision, try sampleWeights()))
    let lists = test.definitions.map { definition in
      definition.split { " {},".contains($0) }.compactMap {
        Float($0.hasSuffix("f") ? $0.dropLast() : $0)
      }
    }
    let (samples, expected) = (lists[0], lists[1])
    let (stride, least, greatest, tolerance) = (expected[0], expected[1], expected[2], expected[3])
    let module = try Pipeline(target: target, precision: precision).scheduled(model)
    let emulated = try EmulatedModel(
      model, target: target, precision: precision, weights: try sampleWeights())
    let output = try emulated.run(inputs: try Selftest.inputs(of: module))[0].values
    #expect(stride == 1 && samples.count == output.count)
    #expect(zip(output, samples).allSatisfy { abs($0 - $1) <= tolerance })
    #expect(output.allSatisfy { (least...greatest).contains($0) })
    let largest = output.map(abs).max() ?? 0
    #expect(tolerance < 0.05 * largest && greatest < 1.05 * largest)
  }

  /// Two fused convolutions of 32 channels, with strides, a sum and an image that tiles do not fit.
  private static let matrices = """
    rephase_ir 1
    func @f(%x: tensor<1x32x9x11xf32>) -> tensor<1x16x5x6xf32> {
      %w = parameter "w" : tensor<32x32x3x3xf32>
      %b = parameter "b" : tensor<32xf32>
      %v = parameter "v" : tensor<16x32x3x3xf32>
      %0 = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x32x9x11xf32>
      %1 = relu %0 : tensor<1x32x9x11xf32>
      %2 = add %1, %x : tensor<1x32x9x11xf32>
      %3 = convolution %2, %v {padding = [1, 1, 1, 1], strides = [2, 2]} : tensor<1x16x5x6xf32>
      return %3
    }
    """

  /// Pooling, an image that two kernels read, and an upsampled and a kept one side by side.
  private static let levels = """
    rephase_ir 1
    func @f(%x: tensor<1x16x8x12xf32>) -> tensor<1x1x8x12xf32> {
      %w = parameter "w" : tensor<32x16x3x3xf32>
      %v = parameter "v" : tensor<16x64x3x3xf32>
      %u = parameter "u" : tensor<1x16x1x1xf32>
      %0 = convolution %x, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x32x8x12xf32>
      %1 = reduce_window %0 {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<1x32x4x6xf32>
      %2 = upsample_nearest %1 {scale = [2, 2]} : tensor<1x32x8x12xf32>
      %3 = concatenate %2, %0 {dimension = 1} : tensor<1x64x8x12xf32>
      %4 = convolution %3, %v {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x16x8x12xf32>
      %5 = convolution %4, %u {padding = [0, 0, 0, 0], strides = [1, 1]} : tensor<1x1x8x12xf32>
      return %5
    }
    """

  private func weights(of module: LoopModule) throws -> [String: Tensor<Float>] {
    var weights: [String: Tensor<Float>] = [:]
    for item in module.buffers {
      guard case .parameter(let name) = item.role else { continue }
      weights[name] = try input(item.buffer.extents)
    }
    return weights
  }

  /// Code generator and emulator agree with the interpreter about where the elements of fragments are, and about every
  /// rounding.
  @Test(arguments: Precision.allCases, [Self.matrices, Self.levels])
  func tensorCoresComputeWhatLoopsSay(_ precision: Precision, _ text: String) throws {
    try expectWhatLoopsSay(text, precision, reads: .wide)
  }

  @Test(arguments: [Precision.standard, .tf32, .bf16], [Self.matrices, Self.levels])
  func readsOfMatricesBringWhatLoopsSay(_ precision: Precision, _ text: String) throws {
    try expectWhatLoopsSay(text, precision, reads: .matrices)
  }

  private func expectWhatLoopsSay(
    _ text: String, _ precision: Precision, reads: FragmentReads
  ) throws {
    let target = try Targets.resolve("sm_90")
    let gpu = try #require(target.gpu)
    let plain = try Pipeline(target: target, precision: precision).plain(
      try DumpReader.read(text, file: "model.rir"))
    var scheduler = GPUScheduler(target: target, gpu: gpu, precision: precision)
    for form in plain.kernels.compactMap({ StagedConvolution($0) }) {
      let tile = MatrixTile(form, gpu, precision, reads: reads)
      scheduler.choices[form.kernel.name] = tile?.choice
    }
    let module = scheduler.schedule(plain)
    #expect(LoopPrinter.text(module).components(separatedBy: "mma %").count > 2)
    #expect(LoopPrinter.text(module).contains("ldmatrix") == (reads == .matrices))
    let weights = try weights(of: module)
    let x = try input(text == Self.levels ? [1, 16, 8, 12] : [1, 32, 9, 11])
    let expected = try LoopInterpreter.run(
      module, parameters: weights.mapValues { $0.map(Double.init) },
      inputs: [x.map(Double.init)])
    let emulated = try EmulatedModel(
      .loops(module), target: target, precision: precision, weights: weights
    ).run(inputs: [x])
    #expect(emulated.map { $0.map(Double.init) } == expected)
  }

  /// Each part of a concatenation is a launch of its own, and leaves what the others have written.
  @Test func concatenationsAreWrittenInParts() throws {
    let model = try DumpReader.read(
      """
      rephase_ir 1
      func @f(%x: tensor<1x2x3x5xf32>) -> (tensor<1x4x3x5xf32>, tensor<1x4x3x5xf32>) {
        %0 = relu %x : tensor<1x2x3x5xf32>
        %1 = concatenate %x, %0 {dimension = 1} : tensor<1x4x3x5xf32>
        %2 = negate %1 : tensor<1x4x3x5xf32>
        return %1, %2
      }
      """, file: "model.rir")
    let emulated = try EmulatedModel(
      model, target: try Targets.resolve("sm_90"), precision: .standard, weights: [:])
    let x = try input([1, 2, 3, 5])
    let joined = x.values + x.values.map { max($0, 0) }
    #expect(try emulated.run(inputs: [x]).map(\.values) == [joined, joined.map { -$0 }])
  }

  /// Elementary functions have no library on GPUs.
  @Test func elementaryFunctionsAreThoseOfTheInterpreter() throws {
    let model = try DumpReader.read(
      """
      rephase_ir 1
      func @f(%x: tensor<1x2x3x5xf32>) -> tensor<1x18x6x5xf32> {
        %0 = logistic %x : tensor<1x2x3x5xf32>
        %1 = log %0 : tensor<1x2x3x5xf32>
        %2 = tanh %x : tensor<1x2x3x5xf32>
        %3 = erf %x : tensor<1x2x3x5xf32>
        %4 = sine %x : tensor<1x2x3x5xf32>
        %5 = cosine %x : tensor<1x2x3x5xf32>
        %6 = floor %x : tensor<1x2x3x5xf32>
        %7 = round_nearest_even %x : tensor<1x2x3x5xf32>
        %8 = atan %x : tensor<1x2x3x5xf32>
        %9 = concatenate %0, %1, %2, %3, %4, %5, %6, %7, %8 {dimension = 1} : tensor<1x18x3x5xf32>
        %10 = resize_linear %9 {dimension = 2, size = 6, coordinates = half_pixel} : tensor<1x18x6x5xf32>
        return %10
      }
      """, file: "model.rir")
    let target = try Targets.resolve("sm_90")
    let x = try input([1, 2, 3, 5]).map { 3 * $0 }
    let expected = try LoopInterpreter.run(
      try Pipeline(target: target, precision: .standard).scheduled(model), parameters: [:],
      inputs: [x.map(Double.init)])
    let emulated = try EmulatedModel(
      model, target: target, precision: .standard, weights: [:]
    ).run(inputs: [x])
    #expect(emulated.map { $0.map(Double.init) } == expected)
  }

  /// What rounding and splitting make of such a pixel can be NaN instead of infinite, but no number.
  @Test(arguments: Precision.allCases, [Float.nan, .infinity, -.infinity])
  func noNaNOrInfinityIsHidden(_ precision: Precision, _ pixel: Float) throws {
    let model = try DumpReader.read(Self.matrices, file: "model.rir")
    let pipeline = Pipeline(target: try Targets.resolve("sm_90"), precision: precision)
    let plain = try pipeline.plain(model)
    let weights = try weights(of: plain)
    var x = try input([1, 32, 9, 11])
    x.values[40] = pixel
    let expected = try LoopInterpreter.run(
      plain, parameters: weights.mapValues { $0.map(Double.init) },
      inputs: [x.map(Double.init)])[0].values
    let emulated = try EmulatedModel(
      model, target: pipeline.target, precision: precision, weights: weights
    ).run(inputs: [x])[0].values
    #expect(expected.contains { !$0.isFinite })
    let hidden = zip(emulated, expected).contains { $0.isFinite && !Float($1).isFinite }
    #expect(!hidden)
  }

  /// Types of constants and temporaries, in order, and the calls of `prepare` that round what they write.
  private func storage(_ precision: Precision) throws -> [[String]] {
    let model = try DumpReader.read(Self.levels, file: "model.rir")
    let module = try Pipeline(target: try Targets.resolve("sm_90"), precision: precision)
      .scheduled(model)
    var (constants, temporaries): ([String], [String]) = ([], [])
    for item in module.buffers {
      switch item.role {
      case .constant: constants.append(item.buffer.element.rawValue)
      case .temporary: temporaries.append(item.buffer.element.rawValue)
      default: #expect(item.buffer.element == .f32)
      }
    }
    var rounded: [String] = []
    for case .call(let name, let arguments) in module.prepare {
      let kernel = try #require(module.kernel(named: name))
      kernel.body.forEachStatement {
        if case .store(_, _, .unary(.tf32, _)) = $0 { rounded.append(arguments[0]) }
      }
    }
    return [constants, temporaries, rounded]
  }

  /// Nothing but weights and images for tensor cores is narrow; pooling reads and writes whole vectors of it.
  @Test func imagesAndWeightsAreStoredAsFactors() throws {
    let single = ["f32", "f32", "f32"]
    #expect(try storage(.strict) == [single, single, []])
    #expect(try storage(.standard) == [single, single, []])
    #expect(try storage(.tf32) == [single, single, ["w", "v"]])
    #expect(try storage(.bf16) == [["bf16", "bf16", "f32"], ["bf16", "bf16", "bf16"], []])
    let (target, model) = (
      try Targets.resolve("sm_90"), try DumpReader.read(Self.levels, file: "model.rir")
    )
    let ptx = try StageWriter(target: target, precision: .bf16).text(of: model, at: .ptx)
    #expect(ptx.contains("ld.global.nc.v4.u32") && ptx.contains("st.global.v4.b32"))
  }

  /// Rows come to shared memory in turns, 16 bytes at a time and, where the source lies otherwise, 4; what is not
  /// copied is zero. `padding` elements more than one kernel may declare are a matter of the launch.
  private static func copies(padding: Int) -> String {
    """
    rephase_loops 1
    module @m scheduled for "sm_90" {
      input %x "x" : f32[4, 64]
      output %y "y" : f32[4, 64]
      kernel @reversed(in %a: f32[4, 64], out %b: f32[4, 64]) {
        gpu_block for %block in 0 ..< 2 {
          allocate %tile : f32[2, 64] shared
          allocate %more : f32[64, \(padding)] shared
          gpu_thread for %s in 0 ..< 64 {
            copy_async %more[%s, 0] = %a[%s mod 4, %s / 4]
          }
          commit_group
          gpu_thread for %t in 0 ..< 16 {
            vectorized for %l in 0 ..< 4 {
              copy_async %tile[0, %t * 4 + %l] = %a[%block * 2, %t * 4 + %l] where %t < 15
            }
          }
          commit_group
          for %c in 0 ..< 2 {
            wait_group 0
            barrier
            if %c < 1 {
              gpu_thread for %u in 0 ..< 16 {
                vectorized for %m in 0 ..< 4 {
                  copy_async %tile[(%c + 1) mod 2, %u * 4 + %m] = %a[%block * 2 + 1, %u * 4 + %m]
                }
              }
            }
            commit_group
            gpu_thread for %v in 0 ..< 64 {
              %b[%block * 2 + %c, %v] = %tile[%c mod 2, 63 - %v] + %more[63 - %v, 0]
            }
          }
        }
      }
      run { call @reversed(%x, %y) }
    }
    """
  }

  @Test(arguments: [1, 200, 800]) func copiesArriveAsLoopsSay(_ padding: Int) throws {
    let target = try Targets.resolve("sm_90")
    let model = try DumpReader.read(Self.copies(padding: padding), file: "copies.rir")
    let x = try input([4, 64])
    let text = try StageWriter(target: target).text(of: model, at: .ptx)
    for part in [
      "cp.async.ca.shared.global", "cp.async.cg.shared.global", "cp.async.commit_group",
      "cp.async.wait_group 0",
    ] {
      #expect(text.contains(part))
    }
    #expect(text.contains("rephase_shared[]") == (padding > 1))
    let module = try Pipeline(target: target).scheduled(model)
    let expected = try LoopInterpreter.run(
      module, parameters: [:], inputs: [x.map(Double.init)])
    // Also from the dump of the PTX, which tells what launches ask for.
    for start in [model, try DumpReader.read(text, file: "copies.ptx")] {
      let emulated = try EmulatedModel(
        start, target: target, precision: .standard, weights: [:]
      ).run(inputs: [x])
      #expect(emulated.map { $0.map(Double.init) } == expected)
    }
  }

  @Test func aBlockHasOnlySoMuchSharedMemory() throws {
    let model = try DumpReader.read(Self.copies(padding: 920), file: "copies.rir")
    #expect {
      _ = try StageWriter(target: try Targets.resolve("sm_90")).text(of: model, at: .ptx)
    } throws: {
      "\($0)".contains("up to %more, need more than 227 KiB")
    }
  }

  @Test func aPTXDumpRunsToo() throws {
    let target = try Targets.resolve("sm_90")
    let text = try StageWriter(target: target, precision: .strict).text(
      of: try sampleModel(), at: .ptx)
    let inputs = [try input([1, 3, 4, 5])]
    let outputs = try [try sampleModel(), try DumpReader.read(text, file: "dump")].map {
      try EmulatedModel($0, target: target, precision: .strict, weights: try sampleWeights())
        .run(inputs: inputs)[0].values
    }
    #expect(outputs[0] == outputs[1])
  }

  @Test func aKernelWithoutItsBarrierIsCaught() throws {
    let target = try Targets.resolve("sm_90")
    let model = try DumpReader.read(Self.matrices, file: "model.rir")
    let weights = try weights(
      of: try Pipeline(target: target, precision: .strict).scheduled(model))
    let text = try StageWriter(target: target, precision: .strict).text(of: model, at: .ptx)
    let broken = text.replacing("bar.sync", with: "//")
    #expect(broken != text)
    let emulated = try EmulatedModel(
      try DumpReader.read(broken, file: "dump"), target: target, precision: .strict,
      weights: weights)
    #expect {
      _ = try emulated.run(inputs: [try input([1, 32, 9, 11])])
    } throws: {
      "\($0)".contains("shared memory")
    }
  }
}
