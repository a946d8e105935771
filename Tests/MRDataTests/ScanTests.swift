import ComplexModule
import Diagnostics
import RealModule
import Tensors
import TestSupport
import Testing

@testable import MRData

@Suite struct ScanTests {
  private func scan(
    _ tensor: AnyTensor, _ options: ScanOptions = ScanOptions(), array: String? = nil
  ) throws -> Scan {
    let scratch = try Scratch()
    let path = scratch.file("scan.bin")
    if let array {
      try NpzFile.write(
        [("other", .uint8(Tensor(.scalar, repeating: 1))), (array, tensor)], to: path)
    } else {
      try NpyFile.write(tensor, to: path)
    }
    return try ScanReader.read(path, options: options)
  }

  private func images(_ extents: [Int]) throws -> AnyTensor {
    let shape = try Shape(extents)
    return .int16(try Tensor(shape, (0..<shape.elementCount).map { Int16($0) }))
  }

  private func kSpace(_ extents: [Int]) throws -> AnyTensor {
    .complex64(
      try complexRamp(extents).map { Complex(Float($0.real), Float($0.imaginary)) })
  }

  @Test func tellsAxesFromRankAndType() throws {
    let single = try scan(try images([4, 5]))
    #expect([single.frames, single.coils, single.rows, single.columns] == [1, 1, 4, 5])
    let cine = try scan(try images([2, 3, 4, 5]), array: "images")
    #expect([cine.frames, cine.rows, cine.columns] == [6, 4, 5])
    #expect(
      cine.series == [SeriesAxis(axis: .slice, count: 2), SeriesAxis(axis: .frame, count: 3)])
    #expect(cine.facts.fileAxes.map(\.axis) == [.slice, .frame, .row, .column])
    let frames = try scan(try kSpace([3, 4, 5]), array: "kspace")
    #expect([frames.frames, frames.coils] == [3, 1])
    let coils = try scan(try kSpace([3, 2, 4, 5]))
    #expect([coils.frames, coils.coils] == [3, 2])
    let one = try scan(
      try kSpace([3, 4, 5]), ScanOptions(axes: try Axis.list(parsing: "coil,row,column")))
    #expect([one.frames, one.coils] == [1, 3])
  }

  /// Of coil images made beforehand, of k-space and of magnitude images; what is under-sampled is refused.
  @Test func isCroppedAsIfTheFieldOfViewWereSmaller() throws {
    let size = ImageSize(height: 4, width: 10)
    let coils = try complexRamp([2, 2, 6, 8])
    let whole = try scan(
      .complex64(try Fourier.forward(coils).map(Complex<Float>.init(rounding:))))
    let cropped = try whole.cropped(to: size)
    #expect([cropped.rows, cropped.columns, cropped.frames, cropped.coils] == [4, 10, 2, 2])
    let images = try Fourier.inverse(try cropped.kSpace(frame: 1))
    let plane = try Tensor(try Shape([6, 8]), Array(coils.values[144..<192]))
    let want = try Cropping.centre(plane, to: size, padding: .zero)
    let error = zip(images.values.suffix(40), want.values).map { ($0 - $1).length }.max()
    #expect(try #require(error) < 1e-6)

    let magnitude = try scan(try self.images([3, 6, 8])).cropped(to: size)
    guard case .images(let values) = magnitude.content else { throw Python.Failure(output: "") }
    #expect(values.shape.extents == [3, 4, 10])
    #expect(values.values[40 + 1] == 48 + 8 && values.values[40] == 0)

    var part = try Fourier.forward(coils)
    for index in part.values.indices where index % 2 == 1 { part.values[index] = .zero }
    let aliased = try scan(.complex64(part.map(Complex<Float>.init(rounding:))))
    #expect(throws: Diagnostic.self) { try aliased.cropped(to: size) }
  }

  @Test func choosesASlice() throws {
    let cine = try scan(try images([2, 3, 4, 5]), ScanOptions(slice: 1))
    guard case .images(let values) = cine.content else { throw Python.Failure(output: "") }
    #expect(values.shape.extents == [3, 4, 5])
    #expect(values.values.first == 60)
  }

  @Test func putsNamedDimensionsInOrder() throws {
    let turned = try scan(try images([4, 5, 3]), ScanOptions(axes: [.column, .row, .slice]))
    #expect([turned.frames, turned.rows, turned.columns] == [3, 5, 4])
    guard case .images(let values) = turned.content else { throw Python.Failure(output: "") }
    // Slice 1, row 2, column 3 of an array counted [column, row, slice].
    #expect(values.values[1 * 20 + 2 * 4 + 3] == Float(3 * 15 + 2 * 3 + 1))
  }

  @Test func givesTheTransformOfImages() throws {
    let cine = try scan(try images([2, 4, 4]))
    let image = try Fourier.inverse(try cine.kSpace(frame: 1))
    for (index, value) in image.values.enumerated() {
      #expect((value - Complex(Double(16 + index), 0)).length < 1e-12)
    }
  }

  @Test func refusesWhatIsNoScan() throws {
    func says(
      _ tensor: AnyTensor, _ options: ScanOptions = ScanOptions(), array: String? = nil
    ) -> String {
      do {
        _ = try scan(tensor, options, array: array)
        return "nothing"
      } catch {
        return (error as? Diagnostic)?.message ?? "\(error)"
      }
    }
    let shape = try Shape([2, 2, 2])
    var values = [Float](repeating: 1, count: 8)
    values[5] = .nan
    #expect(says(.float32(try Tensor(shape, values))).contains("[1, 0, 1] is not finite"))
    values[5] = -3
    #expect(says(.float32(try Tensor(shape, values))).contains("[1, 0, 1] is negative: -3"))
    #expect(says(.float64(Tensor(shape, repeating: 1e300))).contains("[0, 0, 0] is not finite"))
    #expect(says(.float32(Tensor(shape, repeating: 0))).contains("all values of the scan are zero"))
    #expect(says(.complex64(Tensor(shape, repeating: .zero))).contains("are zero"))
    #expect(says(.complex64(Tensor(shape, repeating: .infinity))).contains("not finite"))
    #expect(says(.float32(Tensor(.scalar, repeating: 1))).contains("is no scan"))
    #expect(says(try images([2, 2]), ScanOptions(slice: 0)).contains("no slices"))
    #expect(says(try images([2, 1, 2, 2]), ScanOptions(slice: 2)).contains("no slice 2"))
    for axes in [[Axis.row, .row], [.row], [.frame, .row], [.row, .column, .coil]] {
      #expect(says(try images([2, 2]), ScanOptions(axes: axes)).contains("do not fit"))
    }
    let coils = ScanOptions(axes: [.coil, .row, .column])
    #expect(says(try images([2, 2, 2]), coils).contains("no coil axis"))
    #expect(says(try images([2, 2]), array: "odd").contains("no array 'kspace'"))
    #expect(says(try images([2, 2]), ScanOptions(array: "x"), array: "odd").contains("'x'"))
    #expect(says(try kSpace([2, 2]), array: "images").contains("complex"))
  }

  @Test func refusesOtherFiles() throws {
    let scratch = try Scratch()
    try AtomicFile.write([1, 2, 3], to: scratch.file("a"))
    try AtomicFile.write([], to: scratch.file("b"))
    for name in ["a", "b"] {
      let found = message { () throws(Diagnostic) in
        _ = try ScanReader.read(scratch.file(name))
      }
      #expect(found == "the kind of this file is not known")
    }
  }

  @Test(.enabled(if: SharedData.folder != nil)) func readsARealCine() throws {
    let path = try SharedData.file("scd_cine/SCD0000101.npz")
    let cine = try ScanReader.read(path, options: ScanOptions(slice: 3))
    #expect([cine.frames, cine.rows, cine.columns] == [20, 256, 256])
    #expect(cine.isMagnitude && cine.isFullySampled)
  }

  @Test(.enabled(if: SharedData.folder != nil)) func knowsThatABrainScanIsUnderSampled() throws {
    let path = try SharedData.file("brain_kspace_8ch/cartesian_ksp.npy")
    let brain = try ScanReader.read(
      path, options: ScanOptions(axes: [.coil, .row, .column]))
    #expect([brain.frames, brain.coils, brain.rows, brain.columns] == [1, 8, 230, 180])
    #expect(!brain.isFullySampled)
  }
}
