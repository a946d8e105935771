import LoopIR

/// A call of a kernel that can be computed block by block: a product of matrices, a sum along rows, or elements on their own.
struct ChainMember {
  /// Its position among the module's calls.
  let call: Int
  let kernel: Kernel
  let arguments: [String]
  /// The loops over the elements of the result that are more than one iteration.
  let dimensions: [LoopNest.Dimension]
  /// Set for products of matrices.
  let product: ProductForm?
  /// Whether each element of the result is a sum.
  let isSum: Bool

  /// Nil where the statement is no such call.
  init?(_ module: LoopModule, _ call: Int) {
    guard case .call(let name, let arguments) = module.run[call],
      let kernel = module.kernel(named: name), kernel.body.count == 1,
      let nest = LoopNest(kernel.body[0]), nest.writesOnlyOwnElement(),
      kernel.parameters.dropLast().allSatisfy({ $0.access == .read }),
      kernel.parameters.last?.access == .write, Set(arguments).count == arguments.count
    else { return nil }
    self.call = call
    self.kernel = kernel
    self.arguments = arguments
    dimensions = nest.dimensions.filter { $0.extent > 1 }
    product = ProductForm(kernel)
    let sum = product == nil ? ReductionNest(kernel) : nil
    isSum = sum != nil
    // The lowering of a sum calls its loops so; windows and kernels of convolutions have other names.
    let isOfRows =
      sum.map { sum in
        sum.conditions.isEmpty && sum.hasManyResults
          && sum.reductions.allSatisfy { $0.name.hasPrefix("r") }
      } ?? false
    guard product != nil || isOfRows || nest.elementOfPlace != nil else { return nil }
  }

  var result: String { arguments[arguments.count - 1] }
  var operands: ArraySlice<String> { arguments.dropLast() }

  /// The kernel's parameter that a buffer is given as.
  func parameter(_ buffer: String) -> Buffer? {
    arguments.firstIndex(of: buffer).map { kernel.parameters[$0].buffer }
  }

  /// Whether each block, which has some of the first dimensions' values, reads and writes its own part of a buffer alone.
  func isAligned(_ buffer: String, levels: Int) -> Bool {
    guard let parameter = parameter(buffer), dimensions.count >= levels else { return false }
    let places = parameter.wideDimensions.prefix(levels)
    guard places.map({ parameter.extents[$0] }) == dimensions.prefix(levels).map(\.extent) else {
      return false
    }
    var isAligned = true
    func look(_ name: String, _ indices: [Expression]) {
      guard name == parameter.name else { return }
      for (place, dimension) in zip(places, dimensions) {
        isAligned = isAligned && indices[place] == .variable(dimension.name)
      }
    }
    kernel.body.forEachLoad(look)
    kernel.body.forEachStore(look)
    return isAligned
  }

  /// Whether the block's parts of all buffers that it has its own part of lie in one piece each; of an image with its
  /// channels side by side the part of some channels does not.
  func isInOnePiece(levels: Int) -> Bool {
    arguments.allSatisfy { name in
      guard let parameter = parameter(name), isAligned(name, levels: levels) else { return true }
      let strides = parameter.wideDimensions.map { parameter.strides[$0] }
      return strides.prefix(levels).min() ?? 0 >= strides.dropFirst(levels).max() ?? 0
    }
  }

  /// Bytes of operands that every block reads as a whole, where the first dimensions are divided into blocks.
  func sharedBytes(levels: Int, besides own: Set<String>) -> Int {
    let blocks = Set(dimensions.prefix(levels).map(\.name))
    var extents: [String: Int] = [:]
    kernel.body.forEachStatement {
      if case .loop(let loop) = $0 { extents[loop.variable] = loop.constantExtent ?? 1 }
    }
    var bytes: [String: Int] = [:]
    kernel.body.forEachLoad { name, indices in
      let used = Set(indices.flatMap(\.variablesUsed))
      guard let position = kernel.parameters.firstIndex(where: { $0.buffer.name == name }),
        !own.contains(arguments[position]), used.isDisjoint(with: blocks)
      else { return }
      let elements = used.reduce(1) { $0 * (extents[$1] ?? 1) }
      bytes[name] = elements * kernel.parameters[position].buffer.element.byteCount
    }
    return bytes.values.reduce(0, +)
  }

  /// Whether a block, which has so many values of the last of the first dimensions, has enough rows of a product: its part
  /// of one factor is copied for the rows that it has of the other.
  func hasEnoughRows(levels: Int, last: Int) -> Bool {
    guard let product else { return true }
    let outside = dimensions.prefix(levels)
    for (own, other) in [(product.left, product.right), (product.right, product.left)]
    where own.dimensions.contains(where: outside.contains) {
      let rows = own.dimensions.reduce(1) {
        $0 * ($1 == outside.last ? last : outside.contains($1) ? 1 : $1.extent)
      }
      let isReadable =
        other.dimensions.last.map { kernel.stride(of: $0.name, in: other.value) == 1 } ?? true
      if rows < (isReadable ? Self.fewestRows : Self.fewestRowsOfTransposed) { return false }
    }
    return true
  }

  private static let fewestRows = 16
  /// Where the copy is a transposition.
  private static let fewestRowsOfTransposed = 64

  /// Whether the result can lie over an operand between members.
  func isInPlace(_ local: Set<String>) -> Bool {
    product == nil && !isSum
      && operands.contains {
        local.contains($0)
          && parameter($0)?.extents == kernel.parameters[kernel.parameters.count - 1].buffer.extents
      }
  }
}

extension Buffer {
  /// Dimensions of more than one element.
  var wideDimensions: [Int] { extents.indices.filter { extents[$0] > 1 } }
}
