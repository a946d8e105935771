import Diagnostics
import GraphIR
import LoopIR
import Tensors

/// What the pixels of an image receive from the results of a max-pooling.
public struct SelectAndScatter: TensorOperation {
  public static let mnemonic = "select_and_scatter"
  public static let summary =
    "Operands x (NCHW) and source, which has one element for each window of x: adds each element of source to the place of the first largest element of its window, and is 0 elsewhere. Windows as in reduce_window."

  public var window: [Int]
  public var strides: [Int]

  public init(window: [Int], strides: [Int]) {
    self.window = window
    self.strides = strides
  }

  public init(_ reader: inout AttributeReader) throws(Diagnostic) {
    window = try reader.integers("window", count: 2)
    strides = try reader.integers("strides", count: 2)
    for value in strides where value < 1 || value > 1024 {
      throw Diagnostic("strides must lie between 1 and 1024, not \(value)")
    }
    guard window.allSatisfy({ (1...8).contains($0) }) else {
      throw Diagnostic(
        "the window of select_and_scatter must be of 1 to 8 rows and columns, not \(window)",
        help: "use smaller poolings")
    }
  }

  public var attributes: [Attribute] {
    [Attribute("window", .integers(window)), Attribute("strides", .integers(strides))]
  }

  public func inferResults(_ operands: [TensorType]) throws(Diagnostic) -> [TensorType] {
    try Require.count(operands, 2...2, mnemonic)
    let pooled = try ReduceWindow(.max, window: window, strides: strides)
      .inferResults([operands[0]])
    try Require.element(operands[0].element, operands[1], "source")
    try Require.shape(pooled[0].shape.extents, operands[1], "source")
    return [operands[0]]
  }

  public func evaluate(_ operands: [Tensor<Double>], results: [TensorType]) -> [Tensor<Double>] {
    let (image, source) = (operands[0], operands[1].shape)
    let (height, width) = (image.shape[2], image.shape[3])
    var result = Tensor<Double>(image.shape, repeating: 0)
    var position = 0
    for plane in 0..<source[0] * source[1] {
      for y in 0..<source[2] {
        for x in 0..<source[3] {
          let first = (plane * height + y * strides[0]) * width + x * strides[1]
          for place in largest(image, first) {
            result.values[place] += operands[1].values[position]
          }
          position += 1
        }
      }
    }
    return [result]
  }

  /// The place of the first largest element of the window that starts at `first`; with NaN there may be several,
  /// as every one that no other beats counts.
  private func largest(_ image: Tensor<Double>, _ first: Int) -> [Int] {
    let places = (0..<window[0] * window[1]).map {
      first + $0 / window[1] * image.shape[3] + $0 % window[1]
    }
    return places.indices.filter { own in
      let value = image.values[places[own]]
      return places.indices.allSatisfy { other in
        let rival = image.values[places[other]]
        return other < own ? !(rival >= value) : !(rival > value)
      }
    }.map { places[$0] }
  }

  public func computation(operands: [TensorType], result: TensorType) -> Computation {
    let source = operands[1].shape
    let zero = Expression.real(0, result.element)
    /// What the pixel receives from the window in which it stands at (dy, dx).
    func received(
      _ index: [Expression], _ offset: [Expression], _ operand: ElementReader
    ) -> Expression {
      var conditions: [Expression] = []
      var corner: [Expression] = []
      var place = [index[0], index[1]]
      for axis in 0..<2 {
        let start = index[axis + 2] - offset[axis]
        let step = Expression.integer(strides[axis])
        let last = (source[axis + 2] - 1) * strides[axis]
        conditions += [
          .binary(.lessOrEqual, .integer(0), start), .binary(.lessOrEqual, start, .integer(last)),
          .binary(.equal, .binary(.remainder, start, step), .integer(0)),
          .binary(.less, offset[axis], .integer(window[axis])),
        ]
        let inside = Expression.binary(
          .maximum, .integer(0), .binary(.minimum, start, .integer(last)))
        corner.append(inside)
        place.append(.binary(.divide, inside, step))
      }
      conditions += unbeaten(index, offset, corner, operand)
      let isMine = conditions.dropFirst().reduce(conditions[0]) { .binary(.and, $0, $1) }
      return .select(isMine, operand(1, place), zero)
    }
    let isDisjoint = window[0] <= strides[0] && window[1] <= strides[1]
    if isDisjoint {
      return .pointwise { index, operand in
        let offset = (0..<2).map {
          Expression.binary(.remainder, index[$0 + 2], .integer(strides[$0]))
        }
        return received(index, offset, operand)
      }
    }
    return .reduction(
      Reduction(
        ranges: [.init("wy", window[0]), .init("wx", window[1])],
        initial: { _, _ in zero },
        update: { sum, index, reduced, operand in sum + received(index, reduced, operand) }))
  }

  /// No element of the window beats the pixel: none before it is as large, none after it larger.
  private func unbeaten(
    _ index: [Expression], _ offset: [Expression], _ corner: [Expression], _ operand: ElementReader
  ) -> [Expression] {
    let value = operand(0, index)
    let own = offset[0] * .integer(window[1]) + offset[1]
    return (0..<window[0] * window[1]).map { number in
      let place = [
        index[0], index[1], corner[0] + .integer(number / window[1]),
        corner[1] + .integer(number % window[1]),
      ]
      let rival = operand(0, place)
      let isBefore = Expression.binary(.less, .integer(number), own)
      let beats = Expression.binary(
        .or, .binary(.less, value, rival),
        .binary(.and, isBefore, .binary(.equal, value, rival)))
      return .unary(.not, beats)
    }
  }

  /// The source's: the cotangent at the place that each window chose, found offset by offset.
  public func gradient(
    _ call: Application, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID?] {
    guard call.wanted[1] else { return [nil, nil] }
    let source = builder.shape(of: call.operands[1])
    let values = try windows(of: call.operands[0], source, &builder)
    let cotangents = try windows(of: call.cotangent, source, &builder)
    var total: ValueID?
    for own in values.indices {
      var chosen = cotangents[own]
      for other in values.indices where other != own {
        chosen = try builder.masked(
          chosen, where: values[own], other < own ? .GT : .GE, values[other])
      }
      total = try total.map { value throws(Diagnostic) in try builder.add(value, chosen) } ?? chosen
    }
    return [nil, total]
  }

  /// For each offset in a window, the elements there of all windows.
  private func windows(
    of value: ValueID, _ source: Shape, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID] {
    var slices: [ValueID] = []
    for offset in 0..<window[0] * window[1] {
      let start = [0, 0, offset / window[1], offset % window[1]]
      let limit = [
        source[0], source[1], start[2] + (source[2] - 1) * strides[0] + 1,
        start[3] + (source[3] - 1) * strides[1] + 1,
      ]
      slices.append(
        try builder.apply(Slice(start: start, limit: limit, strides: [1, 1] + strides), value))
    }
    return slices
  }

  public static var samples: [OperationSample] {
    let x = TensorType.sample([2, 3, 4, 6])
    return [
      OperationSample(
        SelectAndScatter(window: [2, 2], strides: [2, 2]), [x, .sample([2, 3, 2, 3])],
        refused: [[x, .sample([2, 3, 2, 2])], [x], [x, .sample([2, 3, 2, 3], .f64)]]),
      OperationSample(
        SelectAndScatter(window: [3, 2], strides: [1, 2]),
        [.sample([1, 2, 5, 5], .f64), .sample([1, 2, 3, 2], .f64)]),
      OperationSample(
        SelectAndScatter(window: [2, 1], strides: [3, 2]),
        [.sample([1, 2, 6, 5]), .sample([1, 2, 2, 3])]),
    ]
  }
}
