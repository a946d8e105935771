import CDicom
import Diagnostics
import Foundation
import Tensors

/// DICOM files derived from the scan's own: their patient, study and geometry, new pixels and identifiers.
///
/// Identifiers are UUID-derived (PS3.5 B.2) from a hash of the source and the pixels, so that equal work gives equal
/// files.
struct DerivedDICOM {
  private let images: ImageSeries
  /// Of all images: each reconstruction of a scan is a series of its own.
  private let digest: String

  init(_ images: ImageSeries) {
    self.images = images
    digest = FileDigest.sha256(RawValues.encode(images.values.values))
  }

  /// Throws where the images are not of one DICOM file.
  func writeFile(_ path: String) throws(Diagnostic) {
    guard images.scans.count == 1 else {
      throw Diagnostic(
        "images of \(images.scans.count) scans do not go into one DICOM file",
        at: SourceLocation(file: path), help: "end the output with / to write a folder of files")
    }
    let source = try DICOMFile(source: images.scans[0])
    try check([source])
    try write(source, frames: 0..<images.values.shape[0], number: 1, to: path)
  }

  /// The folder must not be there; it appears complete or not at all.
  func writeFolder(_ path: String) throws(Diagnostic) {
    let folder = String(path.reversed().drop { $0 == "/" }.reversed())
    let place = SourceLocation(file: path)
    let sources = try images.scans.map { (scan) throws(Diagnostic) in
      try DICOMFile(source: scan)
    }
    try check(sources)
    let temporary = "\(folder).rephase-\(getpid()).tmp"
    Leftovers.add(temporary)
    defer { Leftovers.forget(temporary) }
    guard mkdir(temporary, 0o777) == 0 else {
      throw Diagnostic(
        "the folder cannot be made", at: place, help: "check that its parent may be written")
    }
    do throws(Diagnostic) {
      var first = 0
      for (index, source) in sources.enumerated() {
        let frames = first..<first + Int(source.info.frames)
        let name = String(format: "%@/%05d.dcm", temporary, index + 1)
        try write(source, frames: frames, number: index + 1, to: name)
        first = frames.upperBound
      }
      guard rename(temporary, folder) == 0 else {
        throw Diagnostic("the folder is there already", at: place, help: "name another")
      }
    } catch {
      try? FileManager.default.removeItem(atPath: temporary)
      throw error
    }
  }

  /// As a series may be described: 64 characters of ASCII without those that divide values (PS3.5, 6.2, LO).
  private var description: String {
    let known = images.description.unicodeScalars.map { scalar in
      (" "..."~").contains(scalar) && scalar != "\\" ? Character(scalar) : "?"
    }
    return String(known.prefix(64))
  }

  private func check(_ sources: [DICOMFile]) throws(Diagnostic) {
    guard sources.reduce(0, { $0 + Int($1.info.frames) }) == images.values.shape[0] else {
      throw Diagnostic(
        "the images are not those of all frames of the DICOM scans",
        help: "reconstruct whole files, or write a .npy")
    }
  }

  private func write(
    _ source: DICOMFile, frames: Range<Int>, number: Int, to path: String
  ) throws(Diagnostic) {
    let (rows, columns) = (images.values.shape[1], images.values.shape[2])
    let part = images.values.values[
      frames.lowerBound * rows * columns..<frames.upperBound * rows * columns]
    let low = min(0, part.min() ?? 0)
    let range = Double(part.max() ?? 0) - Double(low)
    let slope = range > 0 ? range / 65_535 : 1
    let pixels = part.map { UInt16(((Double($0) - Double(low)) / slope).rounded()) }
    let series = Self.uid([
      "series", source.text(0x20, 0xE) ?? "", "\(rows)x\(columns)", description, digest,
    ])
    let instance = Self.uid([
      "instance", source.text(0x08, 0x18) ?? "", description,
      FileDigest.sha256(RawValues.encode(pixels)),
    ])
    var image = rephase_dicom_derived()
    (image.rows, image.columns) = (Int32(rows), Int32(columns))
    image.frames = Int32(frames.count)
    image.first_row = Int32(Int(source.info.rows) / 2 - rows / 2)
    image.first_column = Int32(Int(source.info.columns) / 2 - columns / 2)
    (image.slope, image.intercept) = (slope, Double(low))
    image.instance_number = Int32(number)
    try AtomicFile.write(to: path) { (temporary) throws(Diagnostic) in
      let isWritten = pixels.withUnsafeBufferPointer { pixels in
        instance.withCString { instance in
          series.withCString { series in
            description.withCString { description in
              var image = image
              image.pixels = pixels.baseAddress
              image.instance_uid = instance
              image.series_uid = series
              image.description = description
              return rephase_dicom_write(source.handle, &image, temporary) != 0
            }
          }
        }
      }
      guard isWritten else {
        throw Diagnostic(
          "the DICOM file cannot be written", at: SourceLocation(file: path),
          help: "check that the disk has room")
      }
    }
  }

  /// 2.25. and the decimal digits of 128 bits of a hash.
  private static func uid(_ parts: [String]) -> String {
    let digest = FileDigest.sha256(Array(parts.joined(separator: "\n").utf8))
    return "2.25." + String(UInt128(digest.prefix(32), radix: 16) ?? 0)
  }
}

extension DICOMFile {
  /// Throws where the scan that images shall be derived from is no DICOM file.
  fileprivate convenience init(source path: String) throws(Diagnostic) {
    guard DICOMFile.isDICOM(try FileBytes.prefix(path, 4096)) else {
      throw Diagnostic(
        "DICOM images are derived from DICOM scans, and this is none",
        at: SourceLocation(file: path),
        help: "write .npy, .h5 or .nii")
    }
    try self.init(path)
  }
}
