import LoopIR

/// Products of Winograd's algorithm that are zero for some input channels, whatever the image.
///
/// Where an image is enlarged by repeating its pixels, neighbouring elements of a tile are equal. In the row of Bᵀ
/// that belongs to the point -1 the coefficients of such neighbours cancel: for F(4) with the points 0, ±1, ±a it is
/// (0, a², -a², -1, 1, 0), and a tile of an image that is upsampled by 2 is (d0, d1, d1, d3, d3, d5).
struct WinogradZeros: Hashable {
  /// The input channels, from one operand of a concatenation.
  var channels: Range<Int>
  /// Rows of Bᵀ that give zero down the tile, and across it.
  var rows: [Int]
  var columns: [Int]

  /// The number of the (m + 2)² products that are zero.
  func count(of size: Int) -> Int {
    size * size - (size - rows.count) * (size - columns.count)
  }
}

extension WinogradNest {
  /// All input channels, in order; ranges from different operands of a concatenation are apart.
  func zeros(_ transform: WinogradTransform) -> [WinogradZeros] {
    operandChannels().map { channels in
      WinogradZeros(
        channels: channels, rows: zeroRows(transform, row.name, channels),
        columns: zeroRows(transform, column.name, channels))
    }
  }

  /// Ranges of input channels for which every selection of the operand has one outcome.
  private func operandChannels() -> [Range<Int>] {
    let conditions = operand.selectionConditions.filter { $0.variablesUsed == [input.name] }
    func outcomes(_ channel: Int) -> [Bool?] {
      conditions.map { $0.truth([input.name: Interval(channel)]) }
    }
    let starts = (1..<max(1, input.extent)).filter { outcomes($0) != outcomes($0 - 1) }
    return zip([0] + starts, starts + [input.extent]).map { $0..<$1 }
  }

  /// Rows of Bᵀ whose coefficients cancel among the equal elements of a tile along a dimension.
  private func zeroRows(
    _ transform: WinogradTransform, _ position: String, _ channels: Range<Int>
  ) -> [Int] {
    guard let range = Interval(channels), !isDilated else { return [] }
    let elements = (0..<transform.inputs).map { element in
      let place = .variable(position) * .integer(transform.outputs) + .integer(element)
      return operand.substituting(position, with: place).simplified(
        [input.name: range], indices: [row.name, column.name, image.name])
    }
    return transform.inputMatrix.indices.filter { number in
      let factors = transform.inputMatrix[number]
      return Set(elements).allSatisfy { element in
        let equal = elements.indices.filter { elements[$0] == element }
        return equal.reduce(Fraction(0)) { $0 - (-factors[$1]) } == 0
      }
    }
  }
}
