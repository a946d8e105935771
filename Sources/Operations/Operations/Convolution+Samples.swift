import Tensors

extension Convolution {
  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 3, 6, 7])
    let w = TensorType.sample([4, 3, 3, 3])
    let same = Convolution(padding: [1, 1, 1, 1])
    return [
      OperationSample(
        same, [x, w, .sample([4])],
        refused: [
          [x, .sample([4, 2, 3, 3])], [x, w, .sample([3])], [x], [x, .sample([4, 3, 9, 3])],
          [x, .sample([4, 3, 3, 3], .f64)], [.sample([3, 6, 7]), w],
        ]),
      OperationSample(same, [.sample([1, 16, 5, 19]), .sample([32, 16, 3, 3])]),
      OperationSample(same, [.sample([1, 17, 3, 4]), .sample([1, 17, 3, 3]), .sample([1])]),
      OperationSample(
        Convolution(), [.sample([1, 8, 4, 5]), .sample([2, 8, 1, 1]), .sample([2])]),
      OperationSample(
        Convolution(padding: [2, 0, 1, 3], strides: [2, 3]),
        [.sample([1, 2, 7, 8], .f64), .sample([3, 2, 4, 2], .f64)]),
      OperationSample(
        Convolution(padding: [1, 1, 1, 1], lhsDilation: [2, 2]),
        [.sample([1, 8, 4, 5]), .sample([16, 8, 2, 2]), .sample([16])]),
      // Its only column of windows lies beside the image.
      OperationSample(
        Convolution(padding: [0, 1, 1, 0], strides: [2, 4]),
        [.sample([1, 2, 4, 1], .f64), .sample([2, 2, 1, 1], .f64)]),
      OperationSample(
        Convolution(padding: [2, 3, 0, 1], strides: [1, 2], lhsDilation: [2, 3]),
        [.sample([2, 3, 4, 5], .f64), .sample([2, 3, 3, 4], .f64)]),
    ] + groupedSamples
  }

  private static var groupedSamples: [OperationSample] {
    let same = [1, 1, 1, 1]
    return [
      OperationSample(
        Convolution(padding: [2, 2, 2, 2], rhsDilation: [2, 2]),
        [.sample([1, 8, 6, 19]), .sample([16, 8, 3, 3]), .sample([16])],
        refused: [[.sample([1, 8, 1, 19]), .sample([16, 8, 4, 3])]]),
      OperationSample(
        Convolution(padding: same, featureGroupCount: 20),
        [.sample([2, 20, 5, 9]), .sample([20, 1, 3, 3]), .sample([20])],
        refused: [
          [.sample([2, 20, 5, 9]), .sample([30, 1, 3, 3])],
          [.sample([2, 30, 5, 9]), .sample([20, 1, 3, 3])],
          [.sample([2, 20, 5, 9]), .sample([20, 20, 3, 3])],
        ]),
      OperationSample(
        Convolution(padding: same, strides: [1, 2], featureGroupCount: 2),
        [.sample([1, 8, 4, 7]), .sample([24, 4, 3, 3]), .sample([24])]),
      OperationSample(
        Convolution(
          padding: [2, 3, 0, 1], strides: [1, 2], lhsDilation: [2, 1], rhsDilation: [3, 2],
          featureGroupCount: 3),
        [.sample([2, 6, 4, 5], .f64), .sample([3, 2, 2, 3], .f64)]),
      OperationSample(
        Convolution(padding: [1, 0, 0, 1], strides: [2, 1], featureGroupCount: 3),
        [.sample([1, 3, 4, 5], .f64), .sample([6, 1, 2, 3], .f64)]),
    ]
  }
}
