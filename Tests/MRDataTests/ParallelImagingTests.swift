import ComplexModule
import Diagnostics
import RealModule
import Tensors
import Testing

@testable import MRData

@Suite struct ParallelImagingTests {
  @Test func solvesHermitianSystems() throws {
    let count = 7
    let root = try complexRamp([count, count]).values
    var matrix = [Complex<Double>](repeating: .zero, count: count * count)
    for row in 0..<count {
      for column in 0..<count {
        for index in 0..<count {
          matrix[row * count + column] +=
            root[row * count + index] * root[column * count + index].conjugate
        }
      }
      matrix[row * count + row] += Complex(0.1, 0)
    }
    let wanted = try complexRamp([count]).values
    let right = (0..<count).map { row in
      (0..<count).reduce(Complex<Double>.zero) { $0 + matrix[row * count + $1] * wanted[$1] }
    }
    let solver = try #require(HermitianSolver(matrix, count: count))
    for (found, value) in zip(solver.solve(right), wanted) {
      #expect((found - value).length < 1e-10)
    }
    #expect(HermitianSolver([Complex(-1, 0)], count: 1) == nil)
  }

  /// Two coils of which the second is the first shifted by a line: a kernel of neighbours is exact.
  @Test func fillsLinesThatNeighboursDetermine() throws {
    let (rows, columns) = (24, 32)
    let first = try complexRamp([rows, columns]).values
    let second = first.indices.map { index -> Complex<Double> in
      let (row, column) = (index / columns, index % columns)
      return first[row * columns + (column + 1) % columns]
    }
    let full = try Tensor(try Shape([2, rows, columns]), first + second)
    let pattern = SamplingPattern.regular(every: 2, centre: 12, offset: 0)
    let mask = try pattern.mask(rows: rows, columns: columns, axis: .columns)
    var grappa = GRAPPA()
    grappa.regularization = 1e-12
    let filled = try grappa.fill(try mask.apply(to: full), mask: mask)
    // The first coil's odd lines stand in the second coil's even ones.
    for row in 3..<rows - 3 {
      for column in stride(from: 3, to: columns - 2, by: 2) {
        let index = row * columns + column
        #expect((filled.values[index] - full.values[index]).length < 1e-4)
      }
    }
    for index in full.values.indices where mask.isKept[index % mask.isKept.count] {
      #expect(filled.values[index] == full.values[index])
    }
  }

  @Test func adaptiveCombinationOfOneObjectIsItsMagnitude() throws {
    let object = ramp(80).map { abs($0) + 0.1 }
    let weights = [Complex(0.6, 0), Complex(0, 0.8)]
    let images = try Tensor(
      try Shape([2, 8, 10]), weights.flatMap { weight in object.map { weight * Complex($0, 0) } })
    let found = try CoilCombination.adaptive.magnitude(images)
    for (value, wanted) in zip(found.values, object) { #expect(abs(value - wanted) < 1e-12) }
  }

  @Test func percentilesLeaveOutliersAside() {
    let values = [-500] + (0..<199).map { Float($0) } + [9000]
    let scaling = Scaling(mappingPercentilesOf: values)
    #expect(scaling.offset == 1 && scaling.scale == 196)
    #expect(scaling.invert(scaling.apply(77)) == 77)
    #expect(Scaling(mappingPercentilesOf: [3, 3]).apply(3) == 0)
    #expect(Scaling(mappingPercentilesOf: []) == .identity)
  }
}
