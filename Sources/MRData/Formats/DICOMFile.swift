import CDicom
import Diagnostics
import Tensors

/// An open DICOM image file, by DCMTK.
final class DICOMFile {
  /// Owned; not shared between threads.
  let handle: OpaquePointer
  let info: rephase_dicom_info
  let path: String

  static func isDICOM(_ bytes: [UInt8]) -> Bool {
    bytes.count > 132 && bytes[128..<132].elementsEqual("DICM".utf8)
  }

  /// Throws where the file is cut off or holds no image that is read.
  init(_ path: String) throws(Diagnostic) {
    self.path = path
    _ = try FileBytes.size(path)
    guard let handle = rephase_dicom_open(path) else {
      throw Diagnostic(
        "the DICOM file is cut off or damaged", at: SourceLocation(file: path),
        help: "copy or write it again")
    }
    self.handle = handle
    var info = rephase_dicom_info()
    let hasImage = rephase_dicom_describe(handle, &info) != 0
    self.info = info
    guard hasImage else {
      throw Diagnostic(
        "the DICOM file holds no image", at: SourceLocation(file: path),
        help: "give an MR image file")
    }
  }

  deinit { rephase_dicom_close(handle) }

  /// The text of an attribute, of a frame of a multi-frame file where it has its own.
  func text(_ group: UInt16, _ element: UInt16, frame: Int = 0) -> String? {
    var bytes = [UInt8](repeating: 0, count: 1024)
    let found = bytes.withUnsafeMutableBytes { buffer in
      buffer.withMemoryRebound(to: CChar.self) {
        rephase_dicom_text(handle, group, element, Int32(frame), $0.baseAddress, $0.count)
      }
    }
    return found == 0 ? nil : String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  /// The numbers of an attribute; empty where there are none.
  func numbers(_ group: UInt16, _ element: UInt16, frame: Int = 0) -> [Double] {
    (text(group, element, frame: frame) ?? "").split(separator: "\\")
      .compactMap { Double($0.trimmingPrefix(while: \.isWhitespace)) }
  }

  /// [frame, row, column] in the file's units: stored values times slope plus intercept.
  func images() throws(Diagnostic) -> Tensor<Float> {
    guard info.samples_per_pixel == 1, info.bits_allocated == 8 || info.bits_allocated == 16 else {
      throw Diagnostic(
        "the DICOM image has \(info.samples_per_pixel) samples of \(info.bits_allocated) bits",
        at: SourceLocation(file: path), help: "give grey images of 8 or 16 bits")
    }
    let (frames, rows, columns) = (Int(info.frames), Int(info.rows), Int(info.columns))
    let shape = try Shape([frames, rows, columns])
    // No transfer syntax that is decoded packs a pixel into less than this.
    guard shape.elementCount / 2048 <= (try FileBytes.size(path)) else { throw undecodable }
    var stored = [Int32](repeating: 0, count: shape.elementCount)
    guard rephase_dicom_pixels(handle, &stored, Int64(stored.count)) != 0 else {
      throw undecodable
    }
    var values = [Float](repeating: 0, count: stored.count)
    for frame in 0..<frames {
      let slope = numbers(0x28, 0x1053, frame: frame).first ?? 1
      let intercept = numbers(0x28, 0x1052, frame: frame).first ?? 0
      for index in frame * rows * columns..<(frame + 1) * rows * columns {
        values[index] = Float(Double(stored[index]) * slope + intercept)
      }
    }
    return try Tensor(shape, values)
  }

  private var undecodable: Diagnostic {
    let syntax = String(cString: rephase_dicom_syntax(handle))
    return Diagnostic(
      "the DICOM pixels (\(syntax)) cannot be decoded: they are cut off, damaged or packed by "
        + "a method that is not read", at: SourceLocation(file: path),
      help: "convert the file to an uncompressed transfer syntax, such as with dcmconv")
  }
}

extension DICOMFile {
  /// Frames of one file, in its order.
  func array() throws(Diagnostic) -> FileArray {
    var array = FileArray(tensor: .float32(try images()), axes: [.frame, .row, .column])
    let thickness = numbers(0x18, 0x88).first ?? numbers(0x18, 0x50).first ?? 0
    let plane = numbers(0x28, 0x30)
    if plane.count == 2, plane.allSatisfy({ $0 > 0 }), thickness > 0 {
      array.facts.spacing = plane + [thickness]
    }
    array.facts.notes = Self.known.compactMap { name, group, element in
      text(group, element).map { "\(name): \($0)" }
    }
    array.facts.notes.append("transfer syntax: \(String(cString: rephase_dicom_syntax(handle)))")
    return array
  }

  private static let known: [(String, UInt16, UInt16)] = [
    ("modality", 0x08, 0x60), ("manufacturer", 0x08, 0x70), ("model", 0x08, 0x1090),
    ("field strength (T)", 0x18, 0x87), ("series", 0x08, 0x103E), ("sequence", 0x18, 0x20),
    ("TR (ms)", 0x18, 0x80), ("TE (ms)", 0x18, 0x81), ("flip angle (deg)", 0x18, 0x1314),
  ]
}
