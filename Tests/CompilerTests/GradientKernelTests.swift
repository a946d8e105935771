import CodeGen
import Diagnostics
import LoopIR
import Tensors
import Testing

@testable import Compiler
@testable import Schedules

/// A gradient of a convolution's kernel: images and channels of the input, channels of the output, and the convolution.
struct KernelGradient: CustomTestStringConvertible, Sendable {
  var images = 2
  var inputs = 16
  var outputs = 16
  var size = [8, 16]
  var kernel = [3, 3]
  var padding = [1, 1, 1, 1]
  var strides = [1, 1]
  var groups = 1
  /// Whether tensor cores multiply.
  var isMatrix = true

  var testDescription: String {
    "\(images)x\(inputs)x\(size) to \(outputs), \(kernel), \(padding), \(strides), \(groups) groups"
  }

  static let all: [KernelGradient] = [
    KernelGradient(),
    // What tiles and chunks do not fit: odd rows and columns, several images in a group, odd multiples of channels.
    KernelGradient(images: 3, inputs: 24, outputs: 48, size: [7, 19]),
    KernelGradient(images: 1, inputs: 8, outputs: 32, size: [21, 35], padding: [0, 0, 0, 0]),
    KernelGradient(
      inputs: 32, outputs: 32, size: [9, 12], kernel: [5, 5], padding: [2, 2, 2, 2]),
    KernelGradient(
      inputs: 40, outputs: 16, size: [6, 11], kernel: [7, 7], padding: [3, 3, 3, 3]),
    KernelGradient(
      inputs: 64, outputs: 64, size: [6, 17], kernel: [1, 1], padding: [0, 0, 0, 0]),
    KernelGradient(
      inputs: 16, outputs: 32, size: [26, 40], kernel: [4, 2], padding: [2, 0, 1, 3],
      strides: [2, 3]),
    KernelGradient(images: 5, inputs: 1, outputs: 8, size: [12, 16], isMatrix: false),
    KernelGradient(images: 4, inputs: 12, outputs: 1, size: [9, 10], isMatrix: false),
    KernelGradient(inputs: 16, outputs: 16, size: [16, 16], groups: 16, isMatrix: false),
  ]

  private var result: [Int] {
    (0..<2).map {
      (size[$0] + padding[2 * $0] + padding[2 * $0 + 1] - kernel[$0]) / strides[$0] + 1
    }
  }

  var shapes: [[Int]] { [[images, inputs] + size, [images, outputs] + result] }

  /// Of its arguments, or of images between kernels, which lie otherwise in memory.
  func text(between: Bool) -> String {
    func type(_ extents: [Int]) -> String {
      "tensor<\(extents.map(String.init).joined(separator: "x"))xf32>"
    }
    let group = groups > 1 ? ", feature_group_count = \(groups)" : ""
    let attributes = "kernel = \(kernel), padding = \(padding), strides = \(strides)\(group)"
    let gradient = type([outputs, inputs / groups] + kernel)
    let (x, y) = (type(shapes[0]), type(shapes[1]))
    return """
      rephase_ir 1
      func @f(%x: \(x), %y: \(y)) -> \(gradient) {
        %0 = negate %x : \(x)
        %1 = negate %y : \(y)
        %2 = convolution_kernel_gradient \(between ? "%0, %1" : "%x, %y") {\(attributes)} : \(gradient)
        return %2
      }
      """
  }
}

/// Gradients of convolutions' kernels on GPUs, in the emulator.
@Suite struct GradientKernelTests {
  private func inputs(_ item: KernelGradient) throws -> [Tensor<Float>] {
    var tensors: [Tensor<Float>] = []
    for (number, extents) in item.shapes.enumerated() {
      var tensor = Tensor<Float>(try Shape(extents), repeating: 0)
      for place in tensor.values.indices {
        tensor.values[place] = Float((place + number) * 7919 % 1009 - 504) / 504
      }
      tensors.append(tensor)
    }
    return tensors
  }

  @Test(arguments: KernelGradient.all, Precision.allCases)
  func sumsAreTheReferences(_ item: KernelGradient, _ precision: Precision) throws {
    let target = try Targets.resolve("sm_90")
    let inputs = try inputs(item)
    for between in [false, true] {
      let model = try DumpReader.read(item.text(between: between), file: "model.rir")
      guard case .graph(let function) = model else { return }
      let module = try Pipeline(target: target, precision: precision).scheduled(model)
      let parts = module.kernels.filter { $0.name.hasSuffix("_parts") }
      #expect(parts.count == 1)
      let text = parts.map { LoopPrinter.text($0) }.joined()
      #expect(text.contains("mma %") == item.isMatrix)
      let reads = item.isMatrix && precision == .bf16
      #expect(text.contains("ldmatrix transposed") == reads)
      let emulated = try EmulatedModel(model, target: target, precision: precision, weights: [:])
      let rows = try Verification(function, weights: [:]).compare(
        "images", inputs, native: emulated.run)
      // What gradients may be off: rounded factors have their own promise.
      let promise = max(precision.promise, precision == .standard ? 256 : 0)
      #expect(rows.allSatisfy { $0.ulps <= promise }, "\(rows.map(\.ulps))")
    }
  }

  /// Code generator and emulator agree with the interpreter about every element and rounding.
  @Test(arguments: Precision.allCases)
  func tensorCoresComputeWhatLoopsSay(_ precision: Precision) throws {
    let item = KernelGradient(images: 2, inputs: 16, outputs: 32, size: [5, 18])
    let target = try Targets.resolve("sm_90")
    let model = try DumpReader.read(item.text(between: true), file: "model.rir")
    let module = try Pipeline(target: target, precision: precision).scheduled(model)
    let inputs = try inputs(item)
    let expected = try LoopInterpreter.run(
      module, parameters: [:], inputs: inputs.map { $0.map(Double.init) })
    let emulated = try EmulatedModel(
      .loops(module), target: target, precision: precision, weights: [:]
    ).run(inputs: inputs)
    #expect(emulated.map { $0.map(Double.init) } == expected)
  }

  /// Long sums of the tensor cores, which cut off what does not fit, keep the promise of gradients.
  @Test func longSumsKeepThePromise() throws {
    let item = KernelGradient(images: 2, inputs: 8, outputs: 16, size: [96, 64])
    let model = try DumpReader.read(item.text(between: true), file: "model.rir")
    guard case .graph(let function) = model else { return }
    let emulated = try EmulatedModel(
      model, target: try Targets.resolve("sm_90"), precision: .standard, weights: [:])
    // All of one sign: nothing cancels what is cut off.
    let inputs = try inputs(item).map { $0.map { 0.5 + abs($0) } }
    let rows = try Verification(function, weights: [:]).compare(
      "images", inputs, native: emulated.run)
    #expect(rows.allSatisfy { $0.ulps <= 64 }, "\(rows.map(\.ulps))")
  }
}
