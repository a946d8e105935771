import Diagnostics
import GraphIR
import Operations
import Tensors

/// What an operator that looks at neighbours is applied to, as images [N, C, H, W]: lines [N, C, W] are images of one row,
/// volumes [N, C, D, H, W] are their slices, [N D, C, H, W].
struct Images {
  let pixels: ValueID
  /// That of the tensor in the file: 3 of lines, 4 of images, 5 of volumes.
  let rank: Int
  /// Lines, images or volumes.
  let batch: Int
  let call: NodeCall

  /// An input of a node; throws where it is none of them.
  init(_ call: NodeCall, _ index: Int = 0) throws(Diagnostic) {
    if case .slices(let slices, let batch) = call.input(index) {
      self.init(slices, rank: 5, batch: batch, call)
      return
    }
    let value = try call.value(index)
    let shape = call.shape(of: value)
    guard (3...5).contains(shape.rank) else {
      throw Diagnostic(
        "it is applied to a tensor of shape \(shape), and images are [N, C, H, W]",
        help: "give the network images, lines [N, C, W] or volumes [N, C, D, H, W]")
    }
    let pixels =
      switch shape.rank {
      case 3: try call.apply(Reshape(try Shape([shape[0], shape[1], 1, shape[2]])), value)
      case 4: value
      default: try Self.slices(of: value, call)
      }
    self.init(pixels, rank: shape.rank, batch: shape[0], call)
  }

  /// The images of which the node's first input is a view, and its extents; nil where it is none.
  static func grouped(_ call: NodeCall) throws(Diagnostic) -> (images: Images, extents: [Int])? {
    guard case .grouped(let pixels, let volumes, let extents) = call.input(0) else { return nil }
    let images = Images(pixels, rank: volumes == nil ? 4 : 5, batch: extents[0], call)
    return (images, extents)
  }

  private init(_ pixels: ValueID, rank: Int, batch: Int, _ call: NodeCall) {
    (self.pixels, self.rank, self.batch, self.call) = (pixels, rank, batch, call)
  }

  /// Others of this kind and number.
  func with(_ pixels: ValueID) -> Images { Images(pixels, rank: rank, batch: batch, call) }

  /// One image, or volume, of one channel that has a number in each pixel.
  func constant(_ number: Double, extents: [Int]) throws(Diagnostic) -> Images {
    let slices = rank == 5 ? extents[0] : 1
    let shape = try Shape([slices, 1] + WindowAttributes.plane(extents, 1))
    return Images(try call.constant(number, shape), rank: rank, batch: 1, call)
  }

  /// One of these, of one channel, as many times as there are of `others`.
  func repeated(like others: Images) throws(Diagnostic) -> Images {
    guard rank == 5, others.batch > 1 else {
      return others.with(try call.broadcast(pixels, to: others.shape, dimensions: [0, 1, 2, 3]))
    }
    let extents = others.shape.extents
    let volumes = try Shape([others.batch, others.depth] + extents.dropFirst())
    let wide = try call.broadcast(pixels, to: volumes, dimensions: [1, 2, 3, 4])
    return others.with(try call.apply(Reshape(others.shape), wide))
  }

  var shape: Shape { call.shape(of: pixels) }
  var channels: Int { shape[1] }
  /// Slices of each volume; 1 of what is none.
  var depth: Int { shape[0] / batch }

  /// Columns, rows and columns, or slices, rows and columns.
  var spatial: [Int] { (rank == 5 ? [depth] : []) + shape.extents.suffix(min(rank - 2, 2)) }

  /// As the operators after it see them.
  func imported() throws(Diagnostic) -> ImportedValue {
    switch rank {
    case 3:
      let line = try Shape([batch, channels, shape[3]])
      return .value(try call.apply(Reshape(line), pixels))
    case 4: return .value(pixels)
    default: return .slices(pixels, batch: batch)
    }
  }

  /// What a body makes of a tensor one of whose dimensions is that of slices.
  func alongDepth(
    _ body: (_ x: ValueID, _ dimension: Int) throws(Diagnostic) -> ValueID
  ) throws(Diagnostic) -> Images {
    guard batch > 1 else { return with(try body(pixels, 0)) }
    let plane = Array(shape.extents.dropFirst())
    let volumes = try call.apply(Reshape(try Shape([batch, depth] + plane)), pixels)
    let result = try body(volumes, 1)
    let extents = call.shape(of: result).extents
    return with(
      try call.apply(Reshape(try Shape([batch * extents[1]] + extents.dropFirst(2))), result))
  }

  /// Zeros around, and between, the slices of each volume; what lies outside with negative borders is cut off.
  func paddedDepth(low: Int, high: Int, interior: Int = 0) throws(Diagnostic) -> Images {
    if low == 0, high == 0, interior == 0 { return self }
    return try alongDepth { (x, dimension) throws(Diagnostic) in
      let zeros = call.shape(of: x).extents.map { _ in 0 }
      var pad = Pad(low: zeros, high: zeros, interior: zeros)
      (pad.low[dimension], pad.high[dimension], pad.interior[dimension]) = (low, high, interior)
      return try call.apply(pad, x)
    }
  }

  /// A number for each volume and channel, [N, C], of one for each slice and channel, [N D, C].
  func overDepth(
    _ values: ValueID, by reducer: Reduce.Reducer = .add
  ) throws(Diagnostic) -> ValueID {
    guard depth > 1 else { return values }
    let parts = try Shape([batch, depth, channels])
    return try call.apply(
      Reduce(reducer, dimensions: [1]), try call.apply(Reshape(parts), values))
  }

  /// A number for each volume and channel, [N, C], at all of their pixels.
  func spread(_ values: ValueID) throws(Diagnostic) -> ValueID {
    var slices = values
    if depth > 1 {
      let parts = try Shape([batch, depth, channels])
      slices = try call.apply(
        Reshape(try Shape([batch * depth, channels])),
        try call.broadcast(values, to: parts, dimensions: [0, 2]))
    }
    return try call.broadcast(slices, to: shape, dimensions: [0, 1])
  }

  // MARK: Volumes as tensors

  /// [N, C, D, H, W] of the shape of slices.
  static func extents(_ slices: Shape, batch: Int) -> [Int] {
    [batch, slices[1], slices[0] / batch] + slices.extents[2...]
  }

  private static func slices(of volume: ValueID, _ call: NodeCall) throws(Diagnostic) -> ValueID {
    let extents = call.shape(of: volume).extents
    let slices = try Shape([extents[0] * extents[2], extents[1]] + extents[3...])
    let needsNoMove = extents[1] == 1 || extents[2] == 1
    let moved = needsNoMove ? volume : try call.apply(Transpose([0, 2, 1, 3, 4]), volume)
    return try call.apply(Reshape(slices), moved)
  }

  /// [N, C, D, H, W] of slices.
  static func volume(
    _ slices: ValueID, batch: Int, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let extents = builder.shape(of: slices).extents
    let depth = extents[0] / batch
    if depth == 1 || extents[1] == 1 {
      let volume = try Shape(self.extents(builder.shape(of: slices), batch: batch))
      return try builder.apply(Reshape(volume), slices)
    }
    let parts = try Shape([batch, depth] + extents[1...])
    return try builder.apply(
      Transpose([0, 2, 1, 3, 4]), try builder.apply(Reshape(parts), slices))
  }
}
