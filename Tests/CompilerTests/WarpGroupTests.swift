import CodeGen
import Compiler
import Diagnostics
import LoopIR
import Schedules
import Tensors
import Testing

/// What is taken out of the PTX, and what the emulator says then.
private let mistakes: [(String, String)] = [
  ("fence.proxy.async.shared::cta;", "without a fence.proxy.async since"),
  ("wgmma.fence.sync.aligned;", "without a wgmma.fence since it was touched"),
  (
    "wgmma.commit_group.sync.aligned;", "touches a sum while a product that changes it is under way"
  ),
  (
    "wgmma.wait_group.sync.aligned 0;", "touches a sum while a product that changes it is under way"
  ),
  ("bar.sync \t0;", "races with thread"),
]

/// Products of warp groups from loops to PTX, which the emulator runs; no GPU has.
@Suite struct WarpGroupCodeTests {
  /// y[16, 8, 16] = 0.5 + Σ x[row, column + k, depth] · w[k, channel, depth] by two warp groups.
  private static func module(_ element: String) -> String {
    let (lanes, rounding) = element == "bf16" ? (8, "bf16") : (4, "tf32")
    return """
      rephase_loops 1
      module @m scheduled for "sm_90" {
        input %x "x" : f32[16, 9, \(2 * lanes)]
        input %w "w" : f32[2, 16, \(2 * lanes)]
        output %y "y" : f32[16, 8, 16]
        kernel @shifted(in %a: f32[16, 9, \(2 * lanes)], in %c: f32[2, 16, \(2 * lanes)], out %r: f32[16, 8, 16]) {
          gpu_block for %b in 0 ..< 1 {
            allocate %pixels : \(element)[2, 16, 9, \(lanes)] shared
            allocate %weights : \(element)[2, 2, 16, \(lanes)] shared
            allocate %sum : f32[256, 2, 4] register
            gpu_thread for %t in 0 ..< 144 {
              for %i in 0 ..< 2 {
                vectorized for %l in 0 ..< \(lanes) {
                  %pixels[%i, %t / 9, %t mod 9, %l] = \(rounding)(%a[%t / 9, %t mod 9, %i * \(lanes) + %l])
                }
              }
            }
            gpu_thread for %u in 0 ..< 32 {
              for %d in 0 ..< 2 {
                vectorized for %m in 0 ..< \(lanes) {
                  %weights[%u / 16, %d, %u mod 16, %m] = \(rounding)(%c[%u / 16, %u mod 16, %d * \(lanes) + %m])
                }
              }
            }
            gpu_thread for %v in 0 ..< 256 {
              unrolled for %p in 0 ..< 2 { unrolled for %e in 0 ..< 4 { %sum[%v, %p, %e] = f32 0.5 } }
            }
            proxy_fence
            barrier
            wgmma_fence
            unrolled for %k in 0 ..< 2 {
              wgmma %sum[] += %pixels[0, 0, %k, 0] by [\(72 * lanes), \(9 * lanes), \(144 * lanes)]
                * %weights[%k, 0, 0, 0] by [0, \(8 * lanes), \(16 * lanes)]
            }
            wgmma_commit
            wgmma_wait 0
            gpu_thread for %s in 0 ..< 256 {
              unrolled for %q in 0 ..< 2 {
                unrolled for %f in 0 ..< 4 {
                  %r[%s / 32 * 2 + %f / 2, %s mod 32 / 4, %q * 8 + %s mod 4 * 2 + %f mod 2] = %sum[%s, %q, %f]
                }
              }
            }
          }
        }
        run { call @shifted(%x, %w, %y) }
      }
      """
  }

  private func inputs(_ element: String) throws -> [Tensor<Float>] {
    let depth = element == "bf16" ? 16 : 8
    func value(_ place: Int) -> Float { Float(place * 37 % 61 - 30) / Float(place % 13 + 1) }
    return try [[16, 9, depth], [2, 16, depth]].map { extents in
      let shape = try Shape(extents)
      return try Tensor(shape, (0..<shape.elementCount).map(value))
    }
  }

  private func emulated(_ model: StagedModel, _ element: String) throws -> [[Double]] {
    try EmulatedModel(
      model, target: try Targets.resolve("sm_90"), precision: .tf32, weights: [:]
    ).run(inputs: try inputs(element)).map { $0.values.map(Double.init) }
  }

  private func ptx(_ element: String, target: String = "sm_90") throws -> String {
    try StageWriter(target: try Targets.resolve(target), precision: .tf32).text(
      of: try DumpReader.read(Self.module(element), file: "m.rir"), at: .ptx)
  }

  /// Code generator and emulator agree with the interpreter about where matrices lie, and about every rounding.
  @Test(arguments: ["f32", "bf16"])
  func warpGroupsComputeWhatLoopsSay(_ element: String) throws {
    let model = try DumpReader.read(Self.module(element), file: "m.rir")
    let module = try Pipeline(target: try Targets.resolve("sm_90"), precision: .tf32)
      .scheduled(model)
    let expected = try LoopInterpreter.run(
      module, parameters: [:], inputs: try inputs(element).map { $0.map(Double.init) })
    #expect(try emulated(model, element) == expected.map(\.values))
    let text = try ptx(element)
    let type = element == "bf16" ? "k16.f32.bf16.bf16" : "k8.f32.tf32.tf32"
    #expect(text.contains("wgmma.mma_async.sync.aligned.m64n16\(type)"))
    #expect(text.contains(".target sm_90a\n"))
    #expect(
      try emulated(try DumpReader.read(text, file: "m.ptx"), element) == expected.map(\.values))
  }

  @Test(arguments: mistakes) func mistakesAreFound(_ part: String, _ message: String) throws {
    let text = try ptx("f32")
    let broken = text.replacing(part, with: "")
    #expect(broken != text)
    #expect {
      _ = try emulated(try DumpReader.read(broken, file: "m.ptx"), "f32")
    } throws: {
      "\($0)".contains(message)
    }
  }

  @Test func otherGPUsHaveNoWarpGroups() throws {
    #expect {
      _ = try ptx("bf16", target: "sm_80")
    } throws: {
      "\($0)".contains("kernels for warp groups are for sm_90 only")
    }
  }

  /// LLVM IR with such products is for sm_90a, although the target is sm_90.
  @Test func llvmDumpsGoOn() throws {
    let writer = StageWriter(target: try Targets.resolve("sm_90"), precision: .tf32)
    let model = try DumpReader.read(Self.module("bf16"), file: "m.rir")
    let text = try writer.text(of: model, at: .llvm)
    #expect(
      try writer.text(of: try DumpReader.read(text, file: "m.ll"), at: .ptx) == (try ptx("bf16")))
  }

  // MARK: Convolutions

  /// Pixels that are copied and pixels that are converted on the way, an upsampled image beside a kept one, a stride and
  /// a shortcut, rows and columns that tiles do not fit.
  private static let network = """
    rephase_ir 1
    func @f(%x: tensor<1x16x12x10xf32>) -> tensor<1x64x6x10xf32> {
      %w = parameter "w" : tensor<64x16x3x3xf32>
      %v = parameter "v" : tensor<64x128x3x3xf32>
      %u = parameter "u" : tensor<64x64x3x3xf32>
      %b = parameter "b" : tensor<64xf32>
      %0 = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x64x12x10xf32>
      %1 = relu %0 : tensor<1x64x12x10xf32>
      %2 = reduce_window %1 {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<1x64x6x5xf32>
      %3 = upsample_nearest %2 {scale = [2, 2]} : tensor<1x64x12x10xf32>
      %4 = concatenate %3, %1 {dimension = 1} : tensor<1x128x12x10xf32>
      %5 = convolution %4, %v {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x64x12x10xf32>
      %6 = add %5, %1 : tensor<1x64x12x10xf32>
      %7 = convolution %6, %u {padding = [1, 1, 1, 1], strides = [2, 1]} : tensor<1x64x6x10xf32>
      return %7
    }
    """

  /// A schedule that has warp groups compute every convolution.
  private func choices(_ model: StagedModel, _ precision: Precision) throws -> ScheduleChoices {
    let plain = try Pipeline(target: try Targets.resolve("sm_90"), precision: precision)
      .plain(model)
    let names = plain.kernels.map(\.name).filter { $0.contains("convolution") }
    #expect(names.count == 3)
    let tile = "warp_groups {tiles = 1, parts = 8, down = 1, inputs = 16, ahead = 1}"
    let text = """
      rephase_schedule 1
      target "sm_90" {processor = "sm_90", vector_bytes = 16}
      precision \(precision.rawValue)

      """
    return try ScheduleChoices(
      parsing: text + names.map { "kernel @\($0) \(tile)\n" }.joined(), file: "f.schedule")
  }

  /// The emulator finds nothing wrong and computes what the interpreter does, within what is promised.
  @Test(arguments: [Precision.tf32, .bf16])
  func convolutionsKeepThePromise(_ precision: Precision) throws {
    let model = try DumpReader.read(Self.network, file: "f.rir")
    guard case .graph(let function) = model else { return }
    let (target, choices) = (try Targets.resolve("sm_90"), try choices(model, precision))
    var weights: [String: Tensor<Float>] = [:]
    for (name, extents) in [
      ("w", [64, 16, 3, 3]), ("v", [64, 128, 3, 3]), ("u", [64, 64, 3, 3]), ("b", [64]),
    ] {
      let shape = try Shape(extents)
      weights[name] = try Tensor(
        shape, (0..<shape.elementCount).map { Float($0 * 29 % 103 - 51) / 800 })
    }
    let emulated = try EmulatedModel(
      model, target: target, precision: precision, choices: choices, weights: weights)
    let verification = Verification(function, weights: weights)
    let inputs = verification.inputs("random", seed: 1)
    let rows = try verification.compare("random", inputs, native: emulated.run)
    #expect(rows.allSatisfy { $0.ulps <= precision.promise })
    let module = try Pipeline(target: target, precision: precision, choices: choices)
      .scheduled(model)
    let expected = try LoopInterpreter.run(
      module, parameters: weights.mapValues { $0.map(Double.init) },
      inputs: inputs.map { $0.map(Double.init) })
    #expect(try emulated.run(inputs: inputs).map { $0.map(Double.init) } == expected)
    #expect(module.kernels.filter { !$0.body.warpGroupProducts.isEmpty }.count == 3)
  }
}
