import CodeGen
import Diagnostics
import Execution
import GraphIR
import GraphPasses
import LoopIR
import Operations
import Schedules
import Tensors
import Testing

/// A small graph whose kernels are to be scheduled, with weights and inputs.
struct KernelCase: Sendable, CustomTestStringConvertible {
  var testDescription: String
  /// Statements of `func @f(%x: ...)` that end with the result %y.
  var body: String
  var input: [Int]
  var parameters: [(name: String, extents: [Int])] = []

  func function() throws -> Function {
    func type(_ extents: [Int]) -> String {
      "tensor<" + extents.map { "\($0)x" }.joined() + "f32>"
    }
    let table = OperationRegistry.table
    let weights = parameters.map {
      "%\($0.name) = parameter \"\($0.name)\" : \(type($0.extents))\n"
    }
    let head = "rephase_ir 1\nfunc @f(%x: \(type(input))) -> "
    let rest = " {\n" + weights.joined() + body + "\nreturn %y\n}\n"
    let declared = body.split(separator: "\n").last?.split(separator: ":").last ?? ""
    let text = head + declared.trimming() + rest
    return try GraphParser.parse(text, file: "case.rir", table: table).functions[0]
  }

  func plain() throws -> LoopModule {
    let fused = try GraphPasses.run(GraphPasses.standard, on: try function())
    return try GraphLowering.lower(fused)
  }

  /// The same with its weights as further inputs, as in training.
  func plainWithWeightsAsInputs() throws -> LoopModule {
    let text = GraphPrinter.text(Module([try function()]))
    let arguments = parameters.map { parameter in
      ", %\(parameter.name): tensor<" + parameter.extents.map { "\($0)x" }.joined() + "f32>"
    }
    let lines = text.split(separator: "\n").filter { !$0.contains(" = parameter ") }
    let changed = lines.joined(separator: "\n").replacing(
      ") ->", with: arguments.joined() + ") ->", maxReplacements: 1)
    let module = try GraphParser.parse(
      changed + "\n", file: "case.rir", table: OperationRegistry.table)
    let fused = try GraphPasses.run(GraphPasses.standard, on: module.functions[0])
    return try GraphLowering.lower(fused)
  }

  var inputs: [Tensor<Double>] { get throws { [try noise(input, seed: 1)] } }

  var weights: [String: Tensor<Double>] {
    get throws {
      var values: [String: Tensor<Double>] = [:]
      for (number, item) in parameters.enumerated() {
        let tensor = try noise(item.extents, seed: UInt64(number + 2))
        values[item.name] = item.name == "variance" ? tensor.map { abs($0) + 0.5 } : tensor
      }
      return values
    }
  }
}

extension Substring {
  fileprivate func trimming() -> String { filter { $0 != " " } }
}

/// Reproducible float32 values in [-1, 1).
func noise(_ extents: [Int], seed: UInt64) throws -> Tensor<Double> {
  var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
  var tensor = Tensor<Double>(try Shape(extents), repeating: 0)
  for position in tensor.values.indices {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    tensor.values[position] = Double(Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648)
  }
  return tensor
}

extension KernelCase {
  /// One convolution with bias and ReLU.
  static func convolution(
    _ inputs: Int, _ outputs: Int, kernel: Int = 3, size: (Int, Int) = (4, 7), batch: Int = 1,
    strides: (Int, Int) = (1, 1), padding: [Int]? = nil
  ) -> KernelCase {
    let pad = padding ?? [Int](repeating: kernel / 2, count: 4)
    let height = (size.0 + pad[0] + pad[1] - kernel) / strides.0 + 1
    let width = (size.1 + pad[2] + pad[3] - kernel) / strides.1 + 1
    let result = "tensor<\(batch)x\(outputs)x\(height)x\(width)xf32>"
    return KernelCase(
      testDescription:
        "convolution \(kernel)x\(kernel) \(inputs)->\(outputs), \(batch)x\(size.0)x\(size.1), strides \(strides), padding \(pad)",
      body: """
        %c = convolution %x, %w, %b {padding = \(pad), strides = [\(strides.0), \(strides.1)]} : \(result)
        %y = relu %c : \(result)
        """,
      input: [batch, inputs, size.0, size.1],
      parameters: [("w", [outputs, inputs, kernel, kernel]), ("b", [outputs])])
  }

  /// One transposed convolution: pixels lie `distance` places apart.
  static func transposed(
    _ inputs: Int, _ outputs: Int, kernel: Int, size: (Int, Int), distance: (Int, Int),
    strides: (Int, Int) = (1, 1), padding: [Int]
  ) -> KernelCase {
    let rows = (size.0 - 1) * distance.0 + 1 + padding[0] + padding[1]
    let columns = (size.1 - 1) * distance.1 + 1 + padding[2] + padding[3]
    let (height, width) = ((rows - kernel) / strides.0 + 1, (columns - kernel) / strides.1 + 1)
    return KernelCase(
      testDescription:
        "transposed convolution \(kernel)x\(kernel) \(inputs)->\(outputs), \(size), distance \(distance), strides \(strides), padding \(padding)",
      body: """
        %y = convolution %x, %w {padding = \(padding), strides = [\(strides.0), \(strides.1)], lhs_dilation = [\(distance.0), \(distance.1)]} : tensor<1x\(outputs)x\(height)x\(width)xf32>
        """,
      input: [1, inputs, size.0, size.1], parameters: [("w", [outputs, inputs, kernel, kernel])])
  }

  /// One convolution in groups, with so many channels of a group's image and result, or with taps `distance` apart.
  static func grouped(
    _ groups: Int, _ inputs: Int, _ outputs: Int, kernel: Int = 3, size: (Int, Int) = (4, 9),
    distance: (Int, Int) = (1, 1), strides: (Int, Int) = (1, 1), pooled: Bool = false
  ) -> KernelCase {
    let border = (kernel / 2 * distance.0, kernel / 2 * distance.1)
    let (height, width) = ((size.0 - 1) / strides.0 + 1, (size.1 - 1) / strides.1 + 1)
    func type(_ height: Int, _ width: Int) -> String {
      "tensor<1x\(groups * outputs)x\(height)x\(width)xf32>"
    }
    let dilation = distance == (1, 1) ? "" : ", rhs_dilation = [\(distance.0), \(distance.1)]"
    let count = groups == 1 ? "" : ", feature_group_count = \(groups)"
    let last =
      pooled
      ? "%y = reduce_window %c {reducer = max, window = [2, 2], strides = [2, 2]} : \(type(height / 2, width / 2))"
      : "%y = relu %c : \(type(height, width))"
    return KernelCase(
      testDescription:
        "convolution \(kernel)x\(kernel) in \(groups) groups \(inputs)->\(outputs), \(size), distance \(distance), strides \(strides)\(pooled ? ", pooled" : "")",
      body: """
        %c = convolution %x, %w, %b {padding = [\(border.0), \(border.0), \(border.1), \(border.1)], strides = [\(strides.0), \(strides.1)]\(dilation)\(count)} : \(type(height, width))
        \(last)
        """,
      input: [1, groups * inputs, size.0, size.1],
      parameters: [("w", [groups * outputs, inputs, kernel, kernel]), ("b", [groups * outputs])])
  }

  /// The gradient of a kernel from `inputs` to `outputs` channels, of images with so many channels.
  static func kernelGradient(
    _ inputs: Int, _ outputs: Int, kernel: Int = 3, size: (Int, Int) = (5, 7), batch: Int = 2,
    padding: [Int]? = nil
  ) -> KernelCase {
    let pad = padding ?? [Int](repeating: kernel / 2, count: 4)
    let height = size.0 + pad[0] + pad[1] - kernel + 1
    let width = size.1 + pad[2] + pad[3] - kernel + 1
    let gradient = "tensor<\(outputs)x\(inputs)x\(kernel)x\(kernel)xf32>"
    let (rows, columns) = (max(size.0, height), max(size.1, width))
    func slice(_ channels: Range<Int>, _ height: Int, _ width: Int) -> String {
      let (first, end) = (channels.lowerBound, channels.upperBound)
      return
        "slice %x {start = [0, \(first), 0, 0], limit = [\(batch), \(end), \(height), \(width)], strides = [1, 1, 1, 1]} : tensor<\(batch)x\(channels.count)x\(height)x\(width)xf32>"
    }
    return KernelCase(
      testDescription:
        "kernel gradient \(kernel)x\(kernel) \(inputs)->\(outputs), \(batch)x\(size), padding \(pad)",
      body: """
        %a = \(slice(0..<inputs, size.0, size.1))
        %d = \(slice(inputs..<inputs + outputs, height, width))
        %g = convolution_kernel_gradient %a, %d {kernel = [\(kernel), \(kernel)], padding = \(pad), strides = [1, 1]} : \(gradient)
        %y = negate %g : \(gradient)
        """,
      input: [batch, inputs + outputs, rows, columns])
  }

  /// Two convolutions of 8 channels, with weights of their own or the same ones.
  static func residual(sharedWeights: Bool = false) -> KernelCase {
    let second = sharedWeights ? "w" : "v"
    let weights = (sharedWeights ? ["w"] : ["w", "v"]).map { ($0, [8, 8, 3, 3]) }
    return KernelCase(
      testDescription: "residual block of 8 channels",
      body: """
        %a = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<2x8x9x10xf32>
        %r = relu %a : tensor<2x8x9x10xf32>
        %c = convolution %r, %\(second), %b {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<2x8x9x10xf32>
        %y = add %c, %x : tensor<2x8x9x10xf32>
        """,
      input: [2, 8, 9, 10], parameters: weights + [("b", [8])])
  }

  static let convolutions: [KernelCase] =
    (1...40).map { convolution(3, $0, size: (2, 5)) }
    + (1...40).map { convolution($0, 1, size: (2, 5)) }
    + [2, 3, 4, 5].map { convolution(32, $0, size: (3, 9)) }
    + [1, 6, 11, 12, 13, 17, 26].map { convolution(8, 16, size: (2, $0)) }
    + [
      convolution(5, 7, kernel: 1), convolution(40, 8, kernel: 1), convolution(16, 1, kernel: 1),
      convolution(4, 9, kernel: 5), convolution(12, 1, kernel: 5, size: (6, 6)),
      convolution(8, 16, strides: (2, 2)), convolution(8, 2, size: (5, 8), strides: (1, 3)),
      convolution(3, 10, size: (6, 7), strides: (2, 1), padding: [0, 2, 3, 1]),
      convolution(2, 8, size: (5, 6), padding: [0, 0, 0, 0]),
      convolution(8, 24, size: (3, 4), batch: 3), convolution(32, 32, size: (3, 13)),
      convolution(3, 8, kernel: 7, size: (4, 5)), convolution(1, 4, size: (1, 1)),
    ]

  /// 2x2 and 4x4 kernels as in decoders, and what fits no tile.
  static let transposedConvolutions: [KernelCase] = [
    transposed(8, 16, kernel: 2, size: (3, 9), distance: (2, 2), padding: [1, 1, 1, 1]),
    transposed(40, 12, kernel: 4, size: (4, 13), distance: (2, 2), padding: [2, 2, 2, 2]),
    transposed(3, 24, kernel: 3, size: (3, 8), distance: (2, 3), padding: [0, 2, 1, 1]),
    transposed(32, 1, kernel: 2, size: (2, 7), distance: (2, 2), padding: [1, 1, 1, 1]),
    transposed(2, 9, kernel: 3, size: (4, 5), distance: (3, 5), padding: [0, 0, 0, 0]),
    transposed(
      4, 17, kernel: 3, size: (4, 9), distance: (2, 2), strides: (1, 3), padding: [2, 1, 2, 1]),
  ]

  /// Depthwise convolutions and others, dilated ones, and what fits no tile.
  static let groupedConvolutions: [KernelCase] = [
    grouped(3, 1, 1), grouped(19, 1, 1), grouped(16, 1, 1, kernel: 7, size: (3, 13)),
    grouped(8, 1, 2), grouped(2, 8, 16, size: (3, 13)), grouped(3, 5, 20), grouped(5, 3, 1),
    grouped(2, 16, 1), grouped(1, 16, 1, distance: (2, 2)), grouped(1, 8, 16, distance: (2, 3)),
    grouped(16, 1, 1, distance: (3, 1)), grouped(2, 4, 8, distance: (1, 2), strides: (2, 1)),
    grouped(20, 1, 1, strides: (2, 2)), grouped(1, 4, 8, distance: (2, 2), strides: (2, 2)),
    grouped(16, 1, 1, pooled: true), grouped(2, 3, 8, pooled: true),
  ]

  /// Kernels that sum no products: schedules keep every bit.
  static let others: [KernelCase] =
    [1, 5, 8, 19].map { channels in
      KernelCase(
        testDescription: "pooling of \(channels) channels",
        body:
          "%y = reduce_window %x {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<2x\(channels)x2x5xf32>",
        input: [2, channels, 5, 11])
    }
    + [(3, 5), (8, 8), (1, 16)].map { a, b in
      KernelCase(
        testDescription: "concatenation of \(a) and \(b) channels",
        body: """
          %n = broadcast_in_dim %w {dimensions = [1]} : tensor<1x\(b)x3x6xf32>
          %y = concatenate %x, %n {dimension = 1} : tensor<1x\(a + b)x3x6xf32>
          """,
        input: [1, a, 3, 6], parameters: [("w", [b])])
    }
    + [2, 3].map { parts in
      KernelCase(
        testDescription: "\(parts) images side by side",
        body: """
          %a = reshape %x : tensor<2x3x5x7x1xf32>
          %b = negate %a : tensor<2x3x5x7x1xf32>
          %y = concatenate %a, \(parts == 3 ? "%a, " : "")%b {dimension = 4} : tensor<2x3x5x7x\(parts)xf32>
          """,
        input: [2, 3, 5, 7])
    }
    + [1, 9, 16].map { channels in
      KernelCase(
        testDescription: "upsampling of \(channels) channels",
        body: """
          %u = upsample_nearest %x {scale = [2, 3]} : tensor<1x\(channels)x6x12xf32>
          %y = negate %u : tensor<1x\(channels)x6x12xf32>
          """,
        input: [1, channels, 3, 4])
    }
    + [1, 6, 17].map { channels in
      KernelCase(
        testDescription: "batch norm and sum of \(channels) channels",
        body: """
          %n = batch_norm_inference %x, %scale, %offset, %mean, %variance {epsilon = 0.001} : tensor<2x\(channels)x3x9xf32>
          %y = add %n, %x : tensor<2x\(channels)x3x9xf32>
          """,
        input: [2, channels, 3, 9],
        parameters: ["scale", "offset", "mean", "variance"].map { ($0, [channels]) })
    }

  /// Several kernels with temporaries between them.
  static let chains: [KernelCase] = [
    KernelCase(
      testDescription: "two convolutions, pooling, upsampling and a skip",
      body: """
        %a = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x12x4x6xf32>
        %r = relu %a : tensor<1x12x4x6xf32>
        %p = reduce_window %r {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<1x12x2x3xf32>
        %u = upsample_nearest %p {scale = [2, 2]} : tensor<1x12x4x6xf32>
        %k = concatenate %u, %r {dimension = 1} : tensor<1x24x4x6xf32>
        %c = convolution %k, %v {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x2x4x6xf32>
        %y = add %c, %x : tensor<1x2x4x6xf32>
        """,
      input: [1, 2, 4, 6],
      parameters: [("w", [12, 2, 3, 3]), ("b", [12]), ("v", [2, 24, 3, 3])]),
    KernelCase(
      testDescription: "a convolution over three images of different sizes",
      body: """
        %p = reduce_window %x {reducer = max, window = [2, 2], strides = [2, 2]} : tensor<2x5x2x3xf32>
        %u = upsample_nearest %p {scale = [2, 2]} : tensor<2x5x4x6xf32>
        %n = negate %x : tensor<2x5x4x6xf32>
        %k = concatenate %u, %x, %n {dimension = 1} : tensor<2x15x4x6xf32>
        %c = convolution %k, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<2x9x4x6xf32>
        %y = relu %c : tensor<2x9x4x6xf32>
        """,
      input: [2, 5, 4, 6], parameters: [("w", [9, 15, 3, 3])]),
    KernelCase(
      testDescription: "pooling of rows behind each other, enlarged",
      body: """
        %k = concatenate %x, %x {dimension = 2} : tensor<1x8x6x5xf32>
        %u = upsample_nearest %k {scale = [1, 3]} : tensor<1x8x6x15xf32>
        %y = reduce_window %u {reducer = max, window = [2, 2], strides = [1, 2]} : tensor<1x8x5x7xf32>
        """,
      input: [1, 8, 3, 5]),
  ]

  /// One after the other, so that the first temporary is free for the third.
  static let poolings = KernelCase(
    testDescription: "four poolings in a row",
    body: (1...4).map { number in
      let (source, result) = (
        number == 1 ? "x" : "p\(number - 1)", number == 4 ? "y" : "p\(number)"
      )
      let extent = 10 - 2 * number
      return
        "%\(result) = reduce_window %\(source) {reducer = max, window = [3, 3], strides = [1, 1]} : tensor<1x8x\(extent)x\(extent)xf32>"
    }.joined(separator: "\n"),
    input: [1, 8, 10, 10])

  static let all =
    products + convolutions + transposedConvolutions + groupedConvolutions + others + chains + [
      poolings
    ]
}

extension KernelCase {
  /// The error of a module's machine code against the reference; one thread and three must give the same bits.
  func nativeError(of module: LoopModule, for target: Schedules.Target) throws -> Double {
    let session = try NativeSession(
      module, target: target, parameters: try weights.mapValues { $0.map { Float($0) } })
    let reference = try Reference.evaluate(
      try function(), inputs: try inputs, parameters: try weights)
    let floats = try inputs.map { $0.map { Float($0) } }
    let one = try session.run(inputs: floats, threads: 1)
    #expect(try session.run(inputs: floats, threads: 3) == one)
    return largestError(one.map { $0.map { Double($0) } }, reference)
  }
}

/// In units of 2^-23 of the largest value; infinite where one is no number or missing.
func largestError(_ a: [Tensor<Double>], _ b: [Tensor<Double>]) -> Double {
  guard a.count == b.count, !a.isEmpty else { return .infinity }
  var worst = 0.0
  for (x, y) in zip(a, b) {
    let norm = y.values.map(abs).max() ?? 0
    for (p, q) in zip(x.values, y.values) where p != q {
      let error = abs(p - q) / norm
      worst = error.isFinite ? max(worst, error) : .infinity
    }
  }
  return worst * 0x1p23
}

/// Processors with vectors of 4, 8 and 16 floats.
let targetNames = ["x86-64-v2", "x86-64-v3", "x86-64-v4"]
