import Diagnostics
import GraphIR
import Operations
import Tensors

/// Complex images are [N, 2, H, W], real and imaginary part; those of C coils [N, 2C, H, W], coil after coil.
extension Value {
  /// Images of coils, [N, 2C, H, W], as complex images of their own, [N C, 2, H, W].
  public func coilsAsBatch(fileID: String = #fileID, line: Int = #line) -> Value {
    tracer.record(like: self, at: .place(fileID, line)) { (x, builder) throws(Diagnostic) in
      let shape = builder.shape(of: x)
      guard shape.rank == 4, shape[1] % 2 == 0 else {
        throw Diagnostic(
          "\(shape) are no images of coils",
          help: "give [N, 2C, H, W], real and imaginary part of each coil")
      }
      let single = try Shape([shape[0] * (shape[1] / 2), 2, shape[2], shape[3]])
      return try builder.apply(Reshape(single), x)
    }
  }

  /// Complex images [N C, 2, H, W] as those of C coils, [N, 2C, H, W]: undoes `coilsAsBatch`.
  public func batchAsCoils(
    _ coils: Int, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    tracer.record(like: self, at: .place(fileID, line)) { (x, builder) throws(Diagnostic) in
      let shape = try Self.complexImages(x, builder)
      guard coils >= 1, shape[0] % coils == 0 else {
        throw Diagnostic("\(shape[0]) images are not those of \(coils) coils each")
      }
      let joined = try Shape([shape[0] / coils, 2 * coils, shape[2], shape[3]])
      return try builder.apply(Reshape(joined), x)
    }
  }

  /// The product of complex images, point by point: by the other's conjugate where `conjugating` says so.
  public func complexMultiplied(
    by other: Value, conjugating: Bool = false, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    tracer.record([self, other], at: .place(fileID, line)) { (x, builder) throws(Diagnostic) in
      guard builder.shape(of: x[0]) == (try Self.complexImages(x[1], builder)) else {
        throw Diagnostic(
          "complex images \(builder.shape(of: x[0])) are multiplied by \(builder.shape(of: x[1]))",
          help: "give two [N, 2, H, W] of one shape")
      }
      return try Self.product(x[0], x[1], conjugating: conjugating, &builder)
    }
  }

  /// What each coil sees of complex images [N, 2, H, W]: their products with the coils' sensitivities, [N C, 2, H, W]
  /// (E of Sriram et al. 2020, without the transform).
  public func expandedToCoils(
    _ sensitivities: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    tracer.record([self, sensitivities], at: .place(fileID, line)) {
      (x, builder) throws(Diagnostic) in
      let (image, maps) = (
        try Self.complexImages(x[0], builder), try Self.complexImages(x[1], builder)
      )
      guard maps[0] % image[0] == 0, maps.extents[1...] == image.extents[1...] else {
        throw Diagnostic("sensitivities \(maps) are not those of coils for images \(image)")
      }
      let coils = try Shape([image[0], maps[0] / image[0]] + image.extents[1...])
      let wide = try builder.broadcast(x[0], to: coils, dimensions: [0, 2, 3, 4])
      return try Self.product(
        try builder.apply(Reshape(maps), wide), x[1], conjugating: false, &builder)
    }
  }

  /// The image that coils see together: the sum over `coils` of their images times conjugate sensitivities, both
  /// [N C, 2, H, W], as [N, 2, H, W] (R of Sriram et al. 2020, without the transform).
  public func combinedCoils(
    _ sensitivities: Value, coils: Int, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    complexMultiplied(by: sensitivities, conjugating: true, fileID: fileID, line: line)
      .summedOverCoils(coils, fileID, line)
  }

  private func summedOverCoils(_ coils: Int, _ fileID: String, _ line: Int) -> Value {
    tracer.record(like: self, at: .place(fileID, line)) { (x, builder) throws(Diagnostic) in
      let shape = builder.shape(of: x)
      guard coils >= 1, shape[0] % coils == 0 else {
        throw Diagnostic("\(shape[0]) images are not those of \(coils) coils each")
      }
      let split = try Shape([shape[0] / coils, coils] + shape.extents[1...])
      return try builder.sum(try builder.apply(Reshape(split), x), over: [1])
    }
  }

  /// The root of the sum of the squares of all channels: [N, C, H, W] to [N, 1, H, W].
  public func rootSumOfSquares(fileID: String = #fileID, line: Int = #line) -> Value {
    tracer.record(like: self, at: .place(fileID, line)) { (x, builder) throws(Diagnostic) in
      let shape = builder.shape(of: x)
      guard shape.rank == 4 else { throw Diagnostic("\(shape) are no images") }
      let squares = try builder.sum(try builder.multiply(x, x), over: [1])
      let roots = try builder.apply(Sqrt(), try Self.positive(squares, &builder))
      return try builder.apply(Reshape(try Shape([shape[0], 1, shape[2], shape[3]])), roots)
    }
  }

  /// Images of coils, [N C, 2, H, W], over the root of their sum of squares; 0 where all are 0.
  func normalizedOverCoils(_ coils: Int, fileID: String = #fileID, line: Int = #line) -> Value {
    batchAsCoils(coils, fileID: fileID, line: line).overRootSumOfSquares(fileID, line)
      .coilsAsBatch(fileID: fileID, line: line)
  }

  private func overRootSumOfSquares(_ fileID: String, _ line: Int) -> Value {
    tracer.record(like: self, at: .place(fileID, line)) { (x, builder) throws(Diagnostic) in
      let squares = try builder.sum(try builder.multiply(x, x), over: [1])
      let factor = try builder.apply(Rsqrt(), try Self.positive(squares, &builder))
      let wide = try builder.broadcast(factor, to: builder.shape(of: x), dimensions: [0, 2, 3])
      return try builder.multiply(x, wide)
    }
  }

  /// The least normal number of float32 where a sum of squares is less, so that neither its root's inverse nor the
  /// derivative is infinite; NaN stays.
  static func positive(_ squares: ValueID, _ builder: inout GraphBuilder) throws(Diagnostic)
    -> ValueID
  {
    try builder.apply(Maximum(), squares, try builder.constant(0x1p-126, like: squares))
  }

  /// The shape of complex images; throws where they are none.
  private static func complexImages(
    _ x: ValueID, _ builder: GraphBuilder
  ) throws(Diagnostic) -> Shape {
    let shape = builder.shape(of: x)
    guard shape.rank == 4, shape[1] == 2 else {
      throw Diagnostic(
        "\(shape) are no complex images", help: "give [N, 2, H, W], real and imaginary part")
    }
    return shape
  }

  private static func product(
    _ a: ValueID, _ b: ValueID, conjugating: Bool, _ builder: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    let limit = builder.shape(of: a).extents
    func part(_ x: ValueID, _ channel: Int, _ builder: inout GraphBuilder) throws(Diagnostic)
      -> ValueID
    {
      try builder.apply(
        Slice(
          start: [0, channel, 0, 0], limit: [limit[0], channel + 1, limit[2], limit[3]],
          strides: [1, 1, 1, 1]), x)
    }
    let (ar, ai) = (try part(a, 0, &builder), try part(a, 1, &builder))
    let (br, bi) = (try part(b, 0, &builder), try part(b, 1, &builder))
    let direct = try builder.multiply(ar, br)
    let crossed = try builder.multiply(ai, bi)
    let real =
      conjugating ? try builder.add(direct, crossed) : try builder.subtract(direct, crossed)
    let (left, right) = (try builder.multiply(ai, br), try builder.multiply(ar, bi))
    let imaginary =
      conjugating ? try builder.subtract(left, right) : try builder.add(left, right)
    return try builder.concatenated([real, imaginary], dimension: 1)
  }
}
