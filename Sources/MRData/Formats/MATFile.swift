import CMatio
import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// MATLAB files of versions 4 and 5 (those of `save -v6` and `-v7`), by matio; v7.3 is HDF5.
enum MATFile {
  static func isMAT(_ bytes: [UInt8]) -> Bool { bytes.starts(with: "MATLAB 5.0 MAT-file".utf8) }

  /// Throws where the file is damaged or the array is none of numbers.
  static func read(_ path: String, options: ScanOptions) throws(Diagnostic) -> FileArray {
    try check(try FileBytes.read(path))
    rephase_matio_silence()
    guard let file = Mat_Open(path, Int32(MAT_ACC_RDONLY.rawValue)) else { throw damaged }
    defer { Mat_Close(file) }
    let name = try ScanReader.arrayName(of: names(file), options: options)
    guard let variable = Mat_VarReadInfo(file, name) else { throw damaged }
    defer { Mat_VarFree(variable) }
    let extents = try self.extents(variable.pointee)
    let shape = try Shape(extents.reversed())
    // Deflate shrinks data by this factor at most.
    guard shape.elementCount / 1032 <= (try FileBytes.size(path)),
      Mat_VarReadDataAll(file, variable) == 0
    else { throw damaged }
    return FileArray(
      tensor: try tensor(variable.pointee, shape), name: name, isFirstFastest: true)
  }

  /// Walks the elements of a version 5 file, because matio takes what was cut off for zero: each must lie in the file, and
  /// packed ones must unpack to their end.
  ///
  /// Format: "MAT-File Format", The MathWorks, chapter 1: a header of 128 bytes, then elements with tags of 8 bytes.
  private static func check(_ bytes: [UInt8]) throws(Diagnostic) {
    let isSwapped = bytes.count > 127 && bytes[126] == UInt8(ascii: "M")
    func word(_ offset: Int) -> Int {
      let part = bytes[offset..<offset + 4]
      return (isSwapped ? Array(part) : part.reversed()).reduce(0) { $0 << 8 | Int($1) }
    }
    let packed = Int(MAT_T_COMPRESSED.rawValue)
    var start = 128
    while start < bytes.count {
      guard start + 8 <= bytes.count, start + 8 + word(start + 4) <= bytes.count else {
        throw damaged
      }
      let content = start + 8..<start + 8 + word(start + 4)
      guard word(start) != packed || Zlib.unpack(bytes[content], .zlib, keeping: 0) != nil else {
        throw damaged
      }
      // Elements that are not packed begin at multiples of 8.
      start = word(start) == packed ? content.upperBound : (content.upperBound + 7) / 8 * 8
    }
  }

  private static func names(_ file: OpaquePointer) -> [String] {
    var names: [String] = []
    while names.count < 1000, let variable = Mat_VarReadNextInfo(file) {
      defer { Mat_VarFree(variable) }
      let isNumeric = (MAT_C_DOUBLE.rawValue...MAT_C_UINT64.rawValue).contains(
        variable.pointee.class_type.rawValue)
      if isNumeric, let name = variable.pointee.name { names.append(String(cString: name)) }
    }
    Mat_Rewind(file)
    return names
  }

  private static func extents(_ variable: matvar_t) throws(Diagnostic) -> [Int] {
    guard let dims = variable.dims, (1...Int32(Shape.maximumRank)).contains(variable.rank) else {
      throw damaged
    }
    return try (0..<Int(variable.rank)).map { (index) throws(Diagnostic) in
      guard let extent = Int(exactly: dims[index]) else { throw damaged }
      return extent
    }
  }

  private static func tensor(_ variable: matvar_t, _ shape: Shape) throws(Diagnostic) -> AnyTensor {
    guard let data = variable.data else { throw damaged }
    func values<Value: BitwiseCopyable>(
      _ pointer: UnsafeRawPointer, _ type: Value.Type
    ) -> [Value] {
      let start = pointer.assumingMemoryBound(to: Value.self)
      return Array(UnsafeBufferPointer(start: start, count: shape.elementCount))
    }
    func doubles(_ pointer: UnsafeRawPointer) throws(Diagnostic) -> [Double] {
      let size = MemoryLayout<Double>.size
      switch variable.class_type {
      case MAT_C_DOUBLE where variable.data_size == size: return values(pointer, Double.self)
      case MAT_C_SINGLE where variable.data_size == 4:
        return values(pointer, Float.self).map { Double($0) }
      case MAT_C_INT8 where variable.data_size == 1:
        return values(pointer, Int8.self).map { Double($0) }
      case MAT_C_UINT8 where variable.data_size == 1:
        return values(pointer, UInt8.self).map { Double($0) }
      case MAT_C_INT16 where variable.data_size == 2:
        return values(pointer, Int16.self).map { Double($0) }
      case MAT_C_UINT16 where variable.data_size == 2:
        return values(pointer, UInt16.self).map { Double($0) }
      case MAT_C_INT32 where variable.data_size == 4:
        return values(pointer, Int32.self).map { Double($0) }
      case MAT_C_UINT32 where variable.data_size == 4:
        return values(pointer, UInt32.self).map { Double($0) }
      case MAT_C_INT64 where variable.data_size == size:
        return values(pointer, Int64.self).map { Double($0) }
      case MAT_C_UINT64 where variable.data_size == size:
        return values(pointer, UInt64.self).map { Double($0) }
      default: throw damaged
      }
    }
    guard variable.isComplex != 0 else { return .float64(try Tensor(shape, try doubles(data))) }
    let parts = data.assumingMemoryBound(to: mat_complex_split_t.self).pointee
    guard let real = parts.Re, let imaginary = parts.Im else { throw damaged }
    let pairs = zip(try doubles(real), try doubles(imaginary)).map { Complex($0, $1) }
    return .complex128(try Tensor(shape, pairs))
  }

  private static var damaged: Diagnostic {
    Diagnostic(
      "the MATLAB file cannot be read: it is damaged, cut off or holds no array of numbers",
      help: "save it again")
  }
}
