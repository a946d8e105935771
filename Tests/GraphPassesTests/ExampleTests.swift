import GraphIR
import GraphPasses
import Operations
import Tensors
import Testing

/// The example in each pass's comment: the IR before and after.
@Suite struct ExampleTests {
  private func expect(
    _ passes: [any GraphPass.Type], turn before: Function, into after: Function
  ) throws {
    let result = try GraphPasses.run(passes, on: before)
    #expect(text(result) == text(after))
  }

  @Test func commonSubexpressionsAreComputedOnce() throws {
    let signature = "(%x: tensor<4xf32>) -> tensor<4xf32>"
    try expect(
      [CommonSubexpressions.self],
      turn: function(
        signature,
        """
        %1 = relu %x : tensor<4xf32>
        %2 = relu %x : tensor<4xf32>
        %3 = add %1, %2 : tensor<4xf32>
        return %3
        """),
      into: function(
        signature,
        """
        %1 = relu %x : tensor<4xf32>
        %3 = add %1, %1 : tensor<4xf32>
        return %3
        """))
  }

  @Test func deadCodeGoes() throws {
    let signature = "(%x: tensor<4xf32>) -> tensor<4xf32>"
    try expect(
      [DeadCode.self],
      turn: function(
        signature,
        """
        %1 = relu %x : tensor<4xf32>
        %2 = negate %x : tensor<4xf32>
        return %2
        """),
      into: function(signature, "%2 = negate %x : tensor<4xf32>\nreturn %2"))
  }

  @Test func batchNormIsFolded() throws {
    let signature = "(%x: tensor<1x2x4x4xf32>) -> tensor<1x3x4x4xf32>"
    let weights = """
      %w = parameter "w" : tensor<3x2x1x1xf32>
      %b = parameter "b" : tensor<3xf32>
      %scale = parameter "scale" : tensor<3xf32>
      %offset = parameter "offset" : tensor<3xf32>
      %mean = parameter "mean" : tensor<3xf32>
      %variance = parameter "variance" : tensor<3xf32>

      """
    let attributes = "{padding = [0, 0, 0, 0], strides = [1, 1]} : tensor<1x3x4x4xf32>"
    try expect(
      [FoldBatchNorm.self, DeadCode.self],
      turn: function(
        signature,
        weights + """
          %c = convolution %x, %w, %b \(attributes)
          %n = batch_norm_inference %c, %scale, %offset, %mean, %variance {epsilon = 0.001} : tensor<1x3x4x4xf32>
          return %n
          """),
      into: function(
        signature,
        weights + """
          %1 = convert %variance : tensor<3xf64>
          %2 = constant 0.001 : tensor<3xf64>
          %3 = add %1, %2 : tensor<3xf64>
          %4 = convert %scale : tensor<3xf64>
          %5 = rsqrt %3 : tensor<3xf64>
          %6 = multiply %4, %5 : tensor<3xf64>
          %7 = broadcast_in_dim %6 {dimensions = [0]} : tensor<3x2x1x1xf64>
          %8 = convert %w : tensor<3x2x1x1xf64>
          %9 = multiply %8, %7 : tensor<3x2x1x1xf64>
          %10 = convert %mean : tensor<3xf64>
          %11 = convert %b : tensor<3xf64>
          %12 = subtract %11, %10 : tensor<3xf64>
          %13 = multiply %12, %6 : tensor<3xf64>
          %14 = convert %offset : tensor<3xf64>
          %15 = add %13, %14 : tensor<3xf64>
          %16 = convert %9 : tensor<3x2x1x1xf32>
          %17 = convert %15 : tensor<3xf32>
          %n = convolution %x, %16, %17 \(attributes)
          return %n
          """))
  }

  @Test func aConvolutionTakesWhatFollows() throws {
    let image = "tensor<1x2x4x4xf32>"
    let signature =
      "(%x: \(image), %w: tensor<2x2x1x1xf32>, %b: tensor<2xf32>, %r: \(image)) -> \(image)"
    let attributes = "{padding = [0, 0, 0, 0], strides = [1, 1]}"
    try expect(
      [FuseGroups.self],
      turn: function(
        signature,
        """
        %1 = convolution %x, %w, %b \(attributes) : \(image)
        %2 = relu %1 : \(image)
        %3 = add %2, %r : \(image)
        return %3
        """),
      into: function(
        signature,
        """
        %3 = fused %x, %w, %b, %r : \(image) {
          ^(%x: \(image), %w: tensor<2x2x1x1xf32>, %bias: tensor<2xf32>, %a3: \(image)):
          %1 = convolution %x, %w, %bias \(attributes) : \(image)
          %2 = relu %1 : \(image)
          %3 = add %2, %a3 : \(image)
          return %3
        }
        return %3
        """))
  }

  @Test func aConvolutionReadsAnUpsampledSkipByAddress() throws {
    let (image, skip) = ("tensor<1x2x2x2xf32>", "tensor<1x1x4x4xf32>")
    let (weight, result) = ("tensor<1x3x1x1xf32>", "tensor<1x1x4x4xf32>")
    let signature =
      "(%x: \(image), %skip: \(skip), %w: \(weight), %b: tensor<1xf32>) -> \(result)"
    let upsampling = "{scale = [2, 2]} : tensor<1x2x4x4xf32>"
    let concatenation = "{dimension = 1} : tensor<1x3x4x4xf32>"
    let attributes = "{padding = [0, 0, 0, 0], strides = [1, 1]} : \(result)"
    try expect(
      [FuseGroups.self],
      turn: function(
        signature,
        """
        %1 = upsample_nearest %x \(upsampling)
        %2 = concatenate %1, %skip \(concatenation)
        %3 = convolution %2, %w, %b \(attributes)
        return %3
        """),
      into: function(
        signature,
        """
        %3 = fused %x, %skip, %w, %b : \(result) {
          ^(%a0: \(image), %a1: \(skip), %w: \(weight), %bias: tensor<1xf32>):
          %1 = upsample_nearest %a0 \(upsampling)
          %2 = concatenate %1, %a1 \(concatenation)
          %3 = convolution %2, %w, %bias \(attributes)
          return %3
        }
        return %3
        """))
  }

  @Test func compositesAreWrittenOut() throws {
    let image = "tensor<1x2x4x4xf32>"
    let signature =
      "(%x: \(image), %scale: tensor<2xf32>, %offset: tensor<2xf32>) -> (\(image), tensor<2xf32>)"
    try expect(
      [Decompose.self],
      turn: function(
        signature,
        """
        %y, %mean, %variance = batch_norm_training %x, %scale, %offset {epsilon = 0.001} : (\(image), tensor<2xf32>, tensor<2xf32>)
        return %y, %mean
        """),
      into: function(
        signature,
        """
        %0 = reduce %x {reducer = add, dimensions = [0, 2, 3]} : tensor<2xf32>
        %1 = constant 0.0625 : tensor<2xf32>
        %mean = multiply %0, %1 : tensor<2xf32>
        %3 = broadcast_in_dim %mean {dimensions = [1]} : \(image)
        %4 = subtract %x, %3 : \(image)
        %5 = multiply %4, %4 : \(image)
        %6 = reduce %5 {reducer = add, dimensions = [0, 2, 3]} : tensor<2xf32>
        %7 = constant 0.0625 : tensor<2xf32>
        %variance = multiply %6, %7 : tensor<2xf32>
        %8 = constant 0.001 : tensor<2xf32>
        %9 = add %variance, %8 : tensor<2xf32>
        %10 = rsqrt %9 : tensor<2xf32>
        %11 = multiply %scale, %10 : tensor<2xf32>
        %12 = broadcast_in_dim %11 {dimensions = [1]} : \(image)
        %13 = broadcast_in_dim %offset {dimensions = [1]} : \(image)
        %14 = multiply %4, %12 : \(image)
        %y = add %14, %13 : \(image)
        return %y, %mean
        """))
  }

  @Test func gradientsAreAppended() throws {
    let body = """
      %w = parameter "w" : tensor<4xf32>
      %1 = multiply %w, %w : tensor<4xf32>
      %2 = reduce %1 {reducer = add, dimensions = [0]} : tensor<f32>

      """
    try expect(
      [Differentiate.self],
      turn: function("() -> tensor<f32>", body + "return %2"),
      into: function(
        "() -> (tensor<f32>, tensor<4xf32>)",
        body + """
          %0 = constant 1.0 : tensor<f32>
          %3 = broadcast_in_dim %0 {dimensions = []} : tensor<4xf32>
          %4 = multiply %3, %w : tensor<4xf32>
          %5 = multiply %3, %w : tensor<4xf32>
          %w.gradient = add %4, %5 : tensor<4xf32>
          return %2, %w.gradient
          """))
  }

  @Test func transformsAreFactored() throws {
    let signature = "(%x: tensor<1x2x20x3xf32>) -> tensor<1x2x20x3xf32>"
    try expect(
      [FactorTransforms.self],
      turn: function(
        signature,
        """
        %y = fft %x {fft_type = FFT, centered = true, dimensions = [2]} : tensor<1x2x20x3xf32>
        return %y
        """),
      into: function(
        signature,
        """
        %0 = fourier_matrix {fft_type = FFT, centered = true, points = 20, columns = [5, 0]} : tensor<8x8x1x1xf64>
        %1 = convert %0 : tensor<8x8x1x1xf32>
        %2 = reshape %1 : tensor<8x4x2xf32>
        %3 = transpose %2 {permutation = [0, 2, 1]} : tensor<8x2x4xf32>
        %4 = fourier_matrix {fft_type = FFT, centered = true, points = 20, columns = [1, 10]} : tensor<40x10x1x1xf64>
        %5 = convert %4 : tensor<40x10x1x1xf32>
        %6 = reshape %5 : tensor<5x4x2x5x2xf32>
        %7 = transpose %6 {permutation = [1, 0, 2, 4, 3]} : tensor<4x5x2x2x5xf32>
        %8 = reshape %7 : tensor<4x10x2x5xf32>
        %9 = reshape %x : tensor<1x2x4x5x3xf32>
        %10 = dot_general %3, %9 {lhs_contracting_dimensions = [1, 2], rhs_contracting_dimensions = [1, 2]} : tensor<8x1x5x3xf32>
        %11 = reshape %10 : tensor<4x2x1x5x3xf32>
        %12 = dot_general %8, %11 {lhs_batching_dimensions = [0], lhs_contracting_dimensions = [2, 3], rhs_batching_dimensions = [0], rhs_contracting_dimensions = [1, 3]} : tensor<4x10x1x3xf32>
        %13 = reshape %12 : tensor<4x5x2x1x3xf32>
        %14 = transpose %13 {permutation = [3, 2, 1, 0, 4]} : tensor<1x2x5x4x3xf32>
        %y = reshape %14 : tensor<1x2x20x3xf32>
        return %y
        """))
  }

  /// Of primes and few points there is nothing to save; all others stay transforms.
  @Test(arguments: [[17, 36], [45, 16], [128, 19]], ["FFT", "IFFT"])
  func factoredTransformsAreTransforms(_ size: [Int], _ direction: String) throws {
    for isCentered in [true, false] {
      let type = "tensor<2x2x\(size[0])x\(size[1])xf64>"
      let whole = try function(
        "(%x: \(type)) -> \(type)",
        """
        %y = fft %x {fft_type = \(direction), centered = \(isCentered), dimensions = [2, 3]} : \(type)
        return %y
        """)
      let factored = try GraphPasses.run([FactorTransforms.self], on: whole)
      let count = factored.nodes.filter { $0.operation is DotGeneral }.count
      #expect(count == 2 * size.filter { ![16, 17, 19].contains($0) }.count)
      let shape = try Shape([2, 2] + size)
      let x = try Tensor(shape, (0..<shape.elementCount).map { Double($0 * 37 % 101 - 50) })
      let expected = try Reference.evaluate(whole, inputs: [x])[0].values
      let actual = try Reference.evaluate(factored, inputs: [x])[0].values
      #expect(zip(actual, expected).allSatisfy { abs($0 - $1) < 1e-9 })
    }
  }

  @Test func onlyScalarsAreDifferentiated() throws {
    let before = try function(
      "(%x: tensor<4xf32>) -> tensor<4xf32>", "%1 = relu %x : tensor<4xf32>\nreturn %1")
    #expect {
      _ = try GraphPasses.run([Differentiate.self], on: before)
    } throws: { error in
      "\(error)".contains("only a function whose first result is a floating-point scalar")
    }
  }

  @Test func stoppedParametersHaveNoGradient() throws {
    let before = try function(
      "(%x: tensor<4xf32>) -> tensor<f32>",
      """
      %w = parameter "w" : tensor<4xf32>
      %v = parameter "v" : tensor<4xf32>
      %1 = stop_gradient %w : tensor<4xf32>
      %2 = multiply %1, %v : tensor<4xf32>
      %3 = multiply %2, %x : tensor<4xf32>
      %4 = reduce %3 {reducer = add, dimensions = [0]} : tensor<f32>
      return %4
      """)
    #expect(try Differentiate.differentiated(before).parameters == ["v"])
  }

  @Test func everyPassHasAnExampleHere() {
    let names = GraphPasses.all.map { $0.name }
    let shown = [
      "cse", "dce", "decompose", "differentiate", "factor-transforms", "fold-batch-norm",
      "fuse",
    ]
    #expect(names == shown, "add the new pass's example above")
    #expect(names == names.sorted())
  }
}
