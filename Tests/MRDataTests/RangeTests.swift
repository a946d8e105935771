import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@testable import MRData

/// Numbers in files that are larger than what they are computed with.
@Suite struct RangeTests {
  /// A matrix of 12 x 10 and its field of view in mm, as text, of which the reconstructed one is `to`.
  private func header(from: String, to: String) throws -> ISMRMRDHeader {
    func space(_ name: String, _ width: String) -> String {
      "<\(name)><matrixSize><x>12</x><y>10</y><z>1</z></matrixSize><fieldOfView_mm><x>\(width)</x>"
        + "<y>20</y><z>5</z></fieldOfView_mm></\(name)>"
    }
    let spaces = space("encodedSpace", from) + space("reconSpace", to)
    return try ISMRMRDHeader(
      parsing: "<ismrmrdHeader><encoding>\(spaces)</encoding></ismrmrdHeader>")
  }

  @Test(arguments: [
    ("24", "12", 6), ("12", "24", 12), ("1e-300", "1e300", 12), ("1e300", "1e-300", 1),
    ("5e-324", "1", 12), ("nan", "12", 12), ("inf", "12", 12), ("-24", "12", 12), ("0", "12", 12),
  ])
  func fieldsOfViewKeepRowsInTheMatrix(_ from: String, _ to: String, _ rows: Int) throws {
    let header = try header(from: from, to: to)
    #expect(header.imageSize == ImageSize(height: rows, width: 10))
  }

  /// The range of such images is past the largest float.
  @Test(.enabled(if: SharedData.folder != nil)) func writesImagesOfAllFloatsAsDICOM() throws {
    let source = try SharedData.file("dicom_small/emri_small.dcm")
    let scratch = try Scratch()
    let shape = try DICOMFile(source).images().shape
    let values = (0..<shape.elementCount).map { Float(3e38) * Float($0 % 3 - 1) }
    let path = scratch.file("out.dcm")
    try ImageSeries(try Tensor(shape, values), scans: [source]).write(to: path, as: .dicom)
    #expect(maximumError(try DICOMFile(path).images().values, values) < 1e-4)
  }
}
