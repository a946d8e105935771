import ComplexModule
import RealModule

/// Solves A x = b for a Hermitian positive definite A, by Cholesky's decomposition A = L Lᴴ in float64.
struct HermitianSolver {
  private let count: Int
  /// L, row-major; what lies above the diagonal is not used.
  private var factor: [Complex<Double>]

  /// Nil where the matrix (`count` x `count`, row-major, lower half used) is not positive definite.
  init?(_ matrix: [Complex<Double>], count: Int) {
    self.count = count
    factor = matrix
    for column in 0..<count {
      for row in column..<count {
        var sum = factor[row * count + column]
        for index in 0..<column {
          sum -= factor[row * count + index] * factor[column * count + index].conjugate
        }
        if row == column {
          guard sum.real > 0, sum.real.isFinite else { return nil }
          factor[row * count + column] = Complex(sum.real.squareRoot(), 0)
        } else {
          factor[row * count + column] = sum / factor[column * count + column]
        }
      }
    }
  }

  func solve(_ right: [Complex<Double>]) -> [Complex<Double>] {
    var solution = solveFactor(right)
    for row in (0..<count).reversed() {
      for index in row + 1..<count {
        solution[row] -= factor[index * count + row].conjugate * solution[index]
      }
      solution[row] /= factor[row * count + row].conjugate
    }
    return solution
  }

  /// L⁻¹, row-major.
  var inverseFactor: [Complex<Double>] {
    var inverse = [Complex<Double>](repeating: .zero, count: count * count)
    for column in 0..<count {
      let unit = (0..<count).map { Complex<Double>($0 == column ? 1 : 0) }
      for (row, value) in solveFactor(unit).enumerated() { inverse[row * count + column] = value }
    }
    return inverse
  }

  /// Solves L x = b.
  private func solveFactor(_ right: [Complex<Double>]) -> [Complex<Double>] {
    var solution = right
    for row in 0..<count {
      for index in 0..<row { solution[row] -= factor[row * count + index] * solution[index] }
      solution[row] /= factor[row * count + row]
    }
    return solution
  }
}
