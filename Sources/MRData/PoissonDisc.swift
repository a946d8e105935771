import Diagnostics
import Foundation
import Tensors

/// A variable-density Poisson-disc mask on a grid.
///
/// Points are tried in a random order and kept where no kept point lies closer than a radius that grows linearly from
/// the centre outwards; the radius' scale is found by bisection so that the number of points comes close to the one asked
/// for, and the last points are added or left out in the same order to meet it exactly.
struct PoissonDisc {
  /// Row-major.
  private(set) var isKept: [Bool]
  private let rows: Int
  private let columns: Int
  private let centre: Int

  init(
    rows: Int, columns: Int, acceleration: Int, centre: Int, seed: UInt64
  ) throws(Diagnostic) {
    (self.rows, self.columns, self.centre) = (rows, columns, centre)
    let wanted = rows * columns / acceleration
    guard centre <= min(rows, columns), centre * centre <= wanted else {
      throw Diagnostic(
        "a centre of \(centre) x \(centre) points is more than the \(wanted) that acceleration "
          + "\(acceleration) keeps", help: "ask for a smaller centre or a lower acceleration")
    }
    isKept = []
    var generator = SplitMix64(seed: seed)
    let order = (0..<rows * columns).shuffled(using: &generator)
    var (low, high) = (0.0, 2 * Double(acceleration).squareRoot() + 1)
    for _ in 0..<12 {
      let middle = (low + high) / 2
      isKept = thrown(order, radius: middle)
      let count = isKept.count { $0 }
      if count > wanted { low = middle } else { high = middle }
    }
    isKept = thrown(order, radius: high)
    var missing = wanted - isKept.count { $0 }
    for point in order where missing > 0 && !isKept[point] {
      isKept[point] = true
      missing -= 1
    }
  }

  private func isCentral(_ row: Int, _ column: Int) -> Bool {
    SamplingPattern.central(centre, of: rows).contains(row)
      && SamplingPattern.central(centre, of: columns).contains(column)
  }

  private func thrown(_ order: [Int], radius: Double) -> [Bool] {
    var kept = (0..<rows * columns).map { isCentral($0 / columns, $0 % columns) }
    for point in order where !kept[point] {
      let (row, column) = (point / columns, point % columns)
      let y = Double(row - rows / 2) / Double(rows)
      let x = Double(column - columns / 2) / Double(columns)
      let reach = radius * (0.5 + 2 * (x * x + y * y).squareRoot())
      if !hasNeighbour(kept, row, column, within: reach) { kept[point] = true }
    }
    return kept
  }

  private func hasNeighbour(_ kept: [Bool], _ row: Int, _ column: Int, within reach: Double) -> Bool
  {
    let span = Int(reach)
    for other in max(0, row - span)...min(rows - 1, row + span) {
      for place in max(0, column - span)...min(columns - 1, column + span) {
        let (y, x) = (Double(other - row), Double(place - column))
        if x * x + y * y < reach * reach, kept[other * columns + place] { return true }
      }
    }
    return false
  }
}
