import Diagnostics
import Foundation
import Tensors

/// A DICOM series as a folder of files with one image each.
///
/// Images are sorted by their position along the slice normal, then by trigger time or, where there is none, by instance
/// number: [slice, frame, row, column].
enum DICOMFolder {
  private struct Image {
    let file: DICOMFile
    /// Millimetres along the slice normal.
    let position: Double
    let time: Double
  }

  static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
  }

  /// Throws where the folder holds no series, several, or slices with different numbers of images.
  static func read(_ folder: String) throws(Diagnostic) -> FileArray {
    let images = try self.images(folder).sorted {
      ($0.position, $0.time, $0.file.path) < ($1.position, $1.time, $1.file.path)
    }
    guard let first = images.first else {
      throw Diagnostic("the folder holds no DICOM files", help: "name a file, or a DICOM series")
    }
    let series = Set(images.map { $0.file.text(0x20, 0xE) ?? "" })
    guard series.count == 1 else {
      throw Diagnostic(
        "the folder holds \(series.count) DICOM series", help: "put each into a folder of its own")
    }
    let counts = Dictionary(grouping: images, by: \.position).mapValues(\.count)
    guard Set(counts.values).count == 1, let frames = counts.values.first else {
      throw Diagnostic(
        "the \(counts.count) slices of the series have different numbers of images",
        help: "copy the whole series, or name its files one by one")
    }
    var array = try first.file.array()
    let size = try array.tensor.floats().shape.extents.suffix(2)
    var values: [Float] = []
    for image in images {
      let pixels = try image.file.images()
      guard pixels.shape.extents == [1] + size else {
        throw Diagnostic(
          "this image is \(pixels.shape), but \(first.file.path) is one of \(Array(size))",
          at: SourceLocation(file: image.file.path), help: "put series of one size into a folder")
      }
      values += pixels.values
    }
    array.tensor = .float32(try Tensor(try Shape([counts.count, frames] + size), values))
    array.axes = [.slice, .frame, .row, .column]
    array.facts.files = images.map(\.file.path)
    return array
  }

  private static func images(_ folder: String) throws(Diagnostic) -> [Image] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw Diagnostic("the folder cannot be read", help: "check its permissions")
    }
    var images: [Image] = []
    for name in names.sorted() {
      let path = folder + "/" + name
      guard !isFolder(path), DICOMFile.isDICOM(try FileBytes.prefix(path, 256)) else { continue }
      images.append(image(try DICOMFile(path)))
    }
    return images
  }

  private static func image(_ file: DICOMFile) -> Image {
    let (origin, axes) = (file.numbers(0x20, 0x32), file.numbers(0x20, 0x37))
    var position = file.numbers(0x20, 0x1041).first ?? 0
    if origin.count == 3, axes.count == 6 {
      let normal = [
        axes[1] * axes[5] - axes[2] * axes[4], axes[2] * axes[3] - axes[0] * axes[5],
        axes[0] * axes[4] - axes[1] * axes[3],
      ]
      position = zip(origin, normal).reduce(0) { $0 + $1.0 * $1.1 }
    }
    let time = file.numbers(0x18, 0x1060).first ?? file.numbers(0x20, 0x13).first ?? 0
    // Positions are written with few digits; a hundredth of a millimetre is no slice of its own.
    return Image(file: file, position: (position * 100).rounded() / 100, time: time)
  }
}
