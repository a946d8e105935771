import LoopIR

/// A pooling by the names of the kernel that writes the image, which then has two results, or the pooled one alone.
struct PooledResult {
  let pooling: Pooling
  /// The image that the kernel computes and pools.
  private let image: Buffer
  /// Whether the image is in memory at all.
  private let keepsImage: Bool
  private let pooled: Buffer

  /// Takes the names of the pooling's variables, so that the kernel has no other ones of these names.
  init(_ later: ResultPooling, of image: Buffer, _ names: inout NameSupply) {
    pooling = later.pooling
    self.image = image
    keepsImage = !later.isOnlyReader
    for name in pooling.nest.outer.dimensions.map(\.name) { _ = names.fresh(name) }
    for name in pooling.kernel.parameters.map(\.buffer.name) { _ = names.fresh(name) }
    var pooled = pooling.result
    pooled.name = names.fresh("pooled")
    self.pooled = pooled
  }

  /// What the kernel's name ends with.
  var suffix: String {
    let window = pooling.window.map(String.init).joined(separator: "x")
    return Self.suffixes[keepsImage ? 0 : 1] + window
  }

  /// The start of that with two results, and with the pooled one alone.
  static let suffixes = ["_and_pooled", "_pooled"]

  /// The kernel's parameters, of which the image is the last one.
  func parameters(_ parameters: [KernelParameter]) -> [KernelParameter] {
    var result = parameters
    result.insert(KernelParameter(pooled, .write), at: result.count - 1)
    if !keepsImage { result.removeLast() }
    return result
  }

  /// Statements of the pooling for some image and row, by the kernel's names.
  func renamed(_ body: [Statement], image n: Expression, row: Expression) -> [Statement] {
    let dimensions = pooling.nest.outer.dimensions
    let place = [dimensions[0].name: n, dimensions[2].name: row]
    return body.mapExpressions { $0.substituting(place) }
      .renaming([pooling.image.name: image.name, pooling.result.name: pooled.name])
  }

  /// Puts statements that write and pool a part of the image behind the local buffer that holds the part, where
  /// the image is not in memory.
  ///
  /// - Parameters:
  ///   - extents: rows, columns and channels of the part.
  ///   - first: its first row, column and channel.
  func withLocalImage(
    _ extents: [Int], from first: [Expression], _ body: [Statement], _ names: inout NameSupply
  ) -> [Statement] {
    if keepsImage { return body }
    let part = Buffer(names.fresh("image"), .f32, extents: extents, space: .stack)
    func place(_ index: [Expression]) -> [Expression] {
      zip([index[2], index[3], index[1]], first).map { $0 - $1 }
    }
    let local = body.mapExpressions { expression in
      expression.mapExpressions {
        guard case .load(image.name, let index) = $0 else { return $0 }
        return .load(part.name, place(index))
      }
    }.mapStatements { statement in
      guard case .store(image.name, let index, let value) = statement else { return [statement] }
      return [.store(part.name, place(index), value)]
    }
    return [.allocate(part)] + local
  }
}
