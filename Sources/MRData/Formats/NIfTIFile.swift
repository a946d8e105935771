import CNIfTI
import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// NIfTI-1 and -2 files, plain or packed by gzip, one file or a pair of .hdr and .img.
///
/// The first dimension is row, the second column, as an array read by nibabel has them; then slice, then frame.
enum NIfTIFile {
  /// Whether the file, unpacked, begins as NIfTI does.
  static func isNIfTI(_ path: String) -> Bool {
    let start = (try? prefix(path)) ?? []
    return rephase_nifti_is(start, start.count) != 0
  }

  /// Throws where the header cannot be, the data is cut off, or the type is none of numbers.
  static func read(_ path: String) throws(Diagnostic) -> (FileArray, ScanFormat) {
    let start = try prefix(path)
    var header = rephase_nifti_header()
    guard rephase_nifti_parse(start, start.count, &header) != 0 else {
      throw Diagnostic(
        "the NIfTI header cannot be: dimensions or element type are out of bounds",
        help: "copy or write the file again")
    }
    let format = header.version == 2 ? ScanFormat.nifti2 : .nifti1
    let extents = try self.extents(header)
    let shape = try Shape(extents.reversed())
    let data = try self.data(path, header, shape)
    var array = FileArray(tensor: try tensor(data, header, shape), isFirstFastest: true)
    array.axes = [.row, .column, .slice, .frame].prefix(extents.count).map { $0 }
    let spacing = [header.spacing.0, header.spacing.1, header.spacing.2]
    array.facts.spacing = spacing.allSatisfy { $0 > 0 && $0.isFinite } ? spacing : nil
    array.facts.secondsPerFrame = header.frame_seconds > 0 ? header.frame_seconds : nil
    array.facts.placement = ImagePlacement(header)
    return (array, format)
  }

  /// Without trailing ones, but with rows and columns.
  private static func extents(_ header: rephase_nifti_header) throws(Diagnostic) -> [Int] {
    let all = [
      header.extents.0, header.extents.1, header.extents.2, header.extents.3, header.extents.4,
      header.extents.5, header.extents.6,
    ].map { Int($0) }
    let count = max(2, (all.lastIndex { $0 > 1 } ?? 0) + 1)
    guard count <= 4 else {
      throw Diagnostic(
        "the NIfTI file has \(count) dimensions", help: "take rows, columns, slices and times of it"
      )
    }
    return Array(all.prefix(count))
  }

  private static func data(
    _ path: String, _ header: rephase_nifti_header, _ shape: Shape
  ) throws(Diagnostic) -> [UInt8] {
    let needed = shape.elementCount * Int(header.bytes_per_value)
    let source = header.is_pair != 0 ? values(besideHeader: path) : path
    // Deflate shrinks data by this factor at most.
    guard (0...1 << 32).contains(header.offset), needed / 1032 <= (try FileBytes.size(source))
    else {
      throw cutOff(needed)
    }
    let packed = try FileBytes.read(source)
    let end = Int(header.offset) + needed
    guard Zlib.isGzip(packed) else {
      guard packed.count >= end else { throw cutOff(needed) }
      return Array(packed[(end - needed)..<end])
    }
    guard let bytes = Zlib.unpack(packed[...], .gzip, keeping: end), bytes.count == end else {
      throw cutOff(needed)
    }
    return Array(bytes[(end - needed)...])
  }

  /// Packed where the header is.
  private static func values(besideHeader path: String) -> String {
    let isPacked = path.lowercased().hasSuffix(".gz")
    let stem = path.dropLast((isPacked ? 3 : 0) + 4)
    return stem + ".img" + (isPacked ? path.suffix(3) : "")
  }

  private static func cutOff(_ needed: Int) -> Diagnostic {
    Diagnostic(
      "the NIfTI header asks for \(needed) bytes of data, but fewer are there",
      help: "the file is damaged or was cut off; copy it again")
  }

  /// The bytes that the header is in, unpacked.
  private static func prefix(_ path: String) throws(Diagnostic) -> [UInt8] {
    let count = Int(REPHASE_NIFTI_PREFIX)
    let start = try FileBytes.prefix(path, 64 << 10)
    guard Zlib.isGzip(start) else { return Array(start.prefix(count)) }
    return Zlib.unpack(start[...], .gzip, keeping: count, isPrefix: true) ?? []
  }

  private static func tensor(
    _ bytes: [UInt8], _ header: rephase_nifti_header, _ shape: Shape
  ) throws(Diagnostic) -> AnyTensor {
    func values<Value: Sendable & BitwiseCopyable>(
      _ type: Value.Type
    ) throws(Diagnostic) -> Tensor<Value> {
      let word = header.is_swapped != 0 ? MemoryLayout<Value>.size : 1
      return try Tensor(shape, RawValues.decode(bytes[...], as: type, swappingWords: word))
    }
    func complex<Part: Real & BitwiseCopyable & Sendable>(
      _ type: Part.Type
    ) throws(Diagnostic) -> Tensor<Complex<Part>> {
      let word = header.is_swapped != 0 ? MemoryLayout<Part>.size : 1
      return try Tensor(shape, RawValues.decodeComplex(bytes[...], as: type, swappingWords: word))
    }
    switch header.datatype {
    case 2: return scaled(.uint8(try values(UInt8.self)), header)
    case 4: return scaled(.int16(try values(Int16.self)), header)
    case 8: return scaled(.int32(try values(Int32.self)), header)
    case 16: return scaled(.float32(try values(Float.self)), header)
    case 32: return .complex64(try complex(Float.self))
    case 64: return scaled(.float64(try values(Double.self)), header)
    case 256: return scaled(.int16(try values(Int8.self).map { Int16($0) }), header)
    case 512: return scaled(.uint16(try values(UInt16.self)), header)
    case 768: return scaled(.int64(try values(UInt32.self).map { Int64($0) }), header)
    case 1024: return scaled(.int64(try values(Int64.self)), header)
    case 1792: return .complex128(try complex(Double.self))
    default:
      throw Diagnostic(
        "the NIfTI element type \(header.datatype) is not read",
        help: "convert the images to integers or floating-point numbers")
    }
  }

  /// Values times slope plus intercept, in float64 and rounded once; a slope of zero means none.
  private static func scaled(_ tensor: AnyTensor, _ header: rephase_nifti_header) -> AnyTensor {
    let (slope, intercept) = (header.slope, header.intercept)
    guard slope != 0, slope != 1 || intercept != 0, let values = try? tensor.doubles() else {
      return tensor
    }
    return .float64(values.map { $0 * slope + intercept })
  }
}
