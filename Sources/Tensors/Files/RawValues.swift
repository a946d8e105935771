import ComplexModule
import Diagnostics
import RealModule

/// Numbers as they lie in files: packed, in a given byte order.
public enum RawValues {
  /// The values packed in `bytes`; with `swappingWords` of more than one byte, each word of that size is reversed.
  ///
  /// `bytes.count` must be a multiple of the size of `Value`, and `Value` must allow any bit pattern.
  public static func decode<Value: BitwiseCopyable>(
    _ bytes: ArraySlice<UInt8>, as type: Value.Type, swappingWords word: Int = 1
  ) -> [Value] {
    let count = bytes.count / MemoryLayout<Value>.stride
    return [Value](unsafeUninitializedCapacity: count) { buffer, initialized in
      let raw = UnsafeMutableRawBufferPointer(buffer)
      bytes.withUnsafeBytes { source in
        raw.copyMemory(from: UnsafeRawBufferPointer(rebasing: source.prefix(raw.count)))
      }
      if word > 1 { reverseWords(raw, word) }
      initialized = count
    }
  }

  /// Complex numbers, packed as real and imaginary parts.
  public static func decodeComplex<Part: Real & BitwiseCopyable>(
    _ bytes: ArraySlice<UInt8>, as type: Part.Type, swappingWords word: Int = 1
  ) -> [Complex<Part>] {
    let parts = decode(bytes, as: Part.self, swappingWords: word)
    return (0..<parts.count / 2).map { Complex(parts[2 * $0], parts[2 * $0 + 1]) }
  }

  public static func encode<Value: BitwiseCopyable>(_ values: [Value]) -> [UInt8] {
    values.withUnsafeBytes { Array($0) }
  }

  public static func encodeComplex<Part: Real & BitwiseCopyable>(_ values: [Complex<Part>])
    -> [UInt8]
  {
    var parts: [Part] = []
    parts.reserveCapacity(2 * values.count)
    for value in values {
      parts.append(value.real)
      parts.append(value.imaginary)
    }
    return encode(parts)
  }

  /// The little-endian unsigned integer of `size` bytes at `offset`, or nil past the end.
  static func integer(_ bytes: [UInt8], at offset: Int, size: Int) -> UInt64? {
    guard offset >= 0, offset <= bytes.count - size else { return nil }
    var value: UInt64 = 0
    for index in (0..<size).reversed() { value = value << 8 | UInt64(bytes[offset + index]) }
    return value
  }

  static func append(_ value: UInt64, size: Int, to bytes: inout [UInt8]) {
    for index in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
  }

  private static func reverseWords(_ raw: UnsafeMutableRawBufferPointer, _ word: Int) {
    for start in stride(from: 0, to: raw.count - word + 1, by: word) {
      for index in 0..<word / 2 { raw.swapAt(start + index, start + word - 1 - index) }
    }
  }

  /// Values in column-major order (first dimension contiguous), turned to row-major.
  static func rowMajor<Value>(_ values: [Value], extents: [Int]) -> [Value] {
    guard extents.count > 1 else { return values }
    var strides = [Int](repeating: 1, count: extents.count)
    for dimension in 1..<extents.count {
      strides[dimension] = strides[dimension - 1] * extents[dimension - 1]
    }
    var index = [Int](repeating: 0, count: extents.count)
    var source = 0
    var result: [Value] = []
    result.reserveCapacity(values.count)
    for _ in values.indices {
      result.append(values[source])
      for dimension in extents.indices.reversed() {
        index[dimension] += 1
        source += strides[dimension]
        if index[dimension] < extents[dimension] { break }
        source -= strides[dimension] * extents[dimension]
        index[dimension] = 0
      }
    }
    return result
  }
}
