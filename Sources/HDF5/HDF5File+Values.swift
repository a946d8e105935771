import CHDF5
import ComplexModule
import Diagnostics
import Tensors

extension HDF5File {
  /// A dataset of numbers, or a range of its first dimension; signed bytes come as int16, unsigned 32-bit ones as int64.
  ///
  /// Throws where there is none of this name, it holds no numbers, or more than `limit` bytes.
  public func read(
    _ name: String, rows: Range<Int>? = nil, limit: Int = FileBytes.defaultLimit
  ) throws(Diagnostic) -> AnyTensor {
    try withDataset(name) { (dataset) throws(Diagnostic) in
      let shape = try self.shape(dataset, name, rows: rows)
      let kind = try kind(dataset, name)
      try checkStored(dataset, name)
      guard shape.elementCount <= limit / 16 else {
        throw Diagnostic(
          "the dataset '\(name)' has more than the \(limit) bytes that are read", at: place(name),
          help: "read a part of it")
      }
      let source = Source(dataset: dataset, name: name, shape: shape, rows: rows)
      switch kind {
      case .int8, .int16: return .int16(try values(source, kind, 0))
      case .uint8: return .uint8(try values(source, kind, 0))
      case .uint16: return .uint16(try values(source, kind, 0))
      case .int32: return .int32(try values(source, kind, 0))
      case .int64: return .int64(try values(source, kind, 0))
      case .float32: return .float32(try values(source, kind, 0))
      case .float64: return .float64(try values(source, kind, 0))
      case .complex64: return .complex64(try complex(source, .float32, .zero))
      case .complex128: return .complex128(try complex(source, .float64, .zero))
      case .string, .other:
        throw Diagnostic(
          "the dataset '\(name)' does not hold numbers", at: place(name),
          help: "name a dataset of integers, floating-point or complex numbers")
      }
    }
  }

  /// The part of an open dataset that is read.
  private struct Source {
    let dataset: hid_t
    let name: String
    let shape: Shape
    let rows: Range<Int>?
  }

  private func shape(
    _ dataset: hid_t, _ name: String, rows: Range<Int>?
  ) throws(Diagnostic) -> Shape {
    var extents = try extents(dataset, name)
    if let rows {
      guard let first = extents.first, rows.lowerBound >= 0, rows.upperBound <= first else {
        throw Diagnostic("the dataset '\(name)' has no rows \(rows)", at: place(name))
      }
      extents[0] = rows.count
    }
    do { return try Shape(extents) } catch { throw error.located(at: place(name)) }
  }

  private func values<Value: Sendable>(
    _ source: Source, _ kind: HDF5Kind, _ zero: Value
  ) throws(Diagnostic) -> Tensor<Value> {
    try fill(source, type: kind.memoryType, zero)
  }

  private func complex<Value: Sendable>(
    _ source: Source, _ part: HDF5Kind, _ zero: Value
  ) throws(Diagnostic) -> Tensor<Value> {
    guard let type = HDF5Handle(H5Dget_type(source.dataset), H5Tclose),
      let names = HDF5Kind.complexNames(type.id),
      let record = HDF5Kind.complexMemoryType(part: part.memoryType, names: names)
    else { throw damaged(source.name) }
    return try fill(source, type: record.id, zero)
  }

  private func fill<Value: Sendable>(
    _ source: Source, type: hid_t, _ zero: Value
  ) throws(Diagnostic) -> Tensor<Value> {
    var values = [Value](repeating: zero, count: source.shape.elementCount)
    let status: herr_t = try withSelection(source) { memory, file in
      values.withUnsafeMutableBytes {
        H5Dread(source.dataset, type, memory, file, 0, $0.baseAddress)
      }
    }
    guard status >= 0 else { throw damaged(source.name) }
    return try Tensor(source.shape, values)
  }

  /// Calls `body` with the data spaces of memory and file; 0 (H5S_ALL) for the whole.
  private func withSelection(
    _ source: Source, _ body: (hid_t, hid_t) -> herr_t
  ) throws(Diagnostic) -> herr_t {
    guard let rows = source.rows else { return body(0, 0) }
    let counts = source.shape.extents.map { hsize_t($0) }
    var starts = [hsize_t](repeating: 0, count: counts.count)
    starts[0] = hsize_t(rows.lowerBound)
    guard let file = HDF5Handle(H5Dget_space(source.dataset), H5Sclose),
      H5Sselect_hyperslab(file.id, H5S_SELECT_SET, starts, nil, counts, nil) >= 0,
      let memory = HDF5Handle(H5Screate_simple(Int32(counts.count), counts, nil), H5Sclose)
    else { throw damaged(source.name) }
    return body(memory.id, file.id)
  }
}
