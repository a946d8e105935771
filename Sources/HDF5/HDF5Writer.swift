import CHDF5
import Diagnostics
import Tensors

/// An HDF5 file that is written, row by row where it is large; it appears complete or not at all.
///
/// Equal content gives equal bytes: no times are kept.
public final class HDF5Writer {
  let id: hid_t
  private let path: String
  private var isOpen = true

  /// Writes the file that `body` fills to `path`; throws, and leaves nothing, where a step fails.
  public static func write(
    to path: String, _ body: (HDF5Writer) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    try AtomicFile.write(to: path) { (temporary) throws(Diagnostic) in
      let writer = try HDF5Writer(temporary, shown: path)
      defer { writer.close() }
      try body(writer)
      guard writer.close() else { throw writer.failure }
    }
  }

  private init(_ temporary: String, shown path: String) throws(Diagnostic) {
    self.path = path
    id = library.withLock { _ in
      prepareLibrary()
      guard let access = HDF5Handle.fileAccess() else { return -1 }
      return H5Fcreate(temporary, rephase_h5_truncate(), 0, access.id)
    }
    guard id >= 0 else { throw failure }
  }

  @discardableResult private func close() -> Bool {
    guard isOpen else { return true }
    isOpen = false
    return library.withLock { [id] _ in H5Fclose(id) >= 0 }
  }

  var failure: Diagnostic {
    Diagnostic(
      "the output cannot be written as HDF5", at: SourceLocation(file: path),
      help: "check that the disk has room")
  }

  /// Makes a group; its parent must be there.
  public func group(_ name: String) throws(Diagnostic) {
    let isMade = library.withLock { [id] _ in
      HDF5Handle(H5Gcreate2(id, name, 0, 0, 0), H5Gclose) != nil
    }
    guard isMade else { throw failure }
  }

  /// Makes a dataset of float32 that `write(_:to:at:)` fills.
  public func dataset(_ name: String, _ extents: [Int]) throws(Diagnostic) {
    try create(name, rephase_h5_f32, extents.map { hsize_t($0) })
  }

  public func write(_ values: [Int32], _ name: String) throws(Diagnostic) {
    try create(name, rephase_h5_i32, [hsize_t(values.count)])
    try fill(name) { H5Dwrite($0, rephase_h5_i32(), 0, 0, 0, values) }
  }

  /// A whole dataset of float32.
  public func write(_ tensor: Tensor<Float>, _ name: String) throws(Diagnostic) {
    try dataset(name, tensor.shape.extents)
    try fill(name) { H5Dwrite($0, rephase_h5_f32(), 0, 0, 0, tensor.values) }
  }

  /// A dataset of bytes.
  public func write(_ values: [UInt8], _ name: String, extents: [Int]) throws(Diagnostic) {
    try create(name, rephase_h5_u8, extents.map { hsize_t($0) })
    try fill(name) { H5Dwrite($0, rephase_h5_u8(), 0, 0, 0, values) }
  }

  /// A dataset of texts of variable length.
  public func write(texts: [String], _ name: String) throws(Diagnostic) {
    let isWritten = library.withLock { [id] _ in
      guard let type = HDF5Handle(H5Tcopy(rephase_h5_c_string()), H5Tclose),
        H5Tset_size(type.id, rephase_h5_variable()) >= 0,
        H5Tset_cset(type.id, H5T_CSET_UTF8) >= 0,
        let space = HDF5Handle(H5Screate_simple(1, [hsize_t(texts.count)], nil), H5Sclose),
        let options = HDF5Writer.datasetOptions(),
        let dataset = HDF5Handle(
          H5Dcreate2(id, name, type.id, space.id, 0, options.id, 0), H5Dclose)
      else { return false }
      return Self.withPointers(texts) { H5Dwrite(dataset.id, type.id, 0, 0, 0, $0) >= 0 }
    }
    guard isWritten else { throw failure }
  }

  /// Calls `body` with the addresses of all texts, which stay while it runs.
  private static func withPointers(
    _ texts: [String], _ body: ([UnsafePointer<CChar>?]) -> Bool
  ) -> Bool {
    var bytes: [CChar] = []
    var starts: [Int] = []
    for text in texts {
      starts.append(bytes.count)
      bytes += text.utf8CString
    }
    return bytes.withUnsafeBufferPointer { buffer in
      body(starts.map { start in buffer.baseAddress.map { $0 + start } })
    }
  }

  /// Overwrites rows of the first dimension, from `row` on, of a dataset that was made.
  public func write(
    _ rows: Tensor<Float>, to name: String, at row: Int
  ) throws(Diagnostic) {
    let counts = rows.shape.extents.map { hsize_t($0) }
    var starts = [hsize_t](repeating: 0, count: counts.count)
    starts[0] = hsize_t(row)
    try fill(name) { dataset in
      guard let file = HDF5Handle(H5Dget_space(dataset), H5Sclose),
        H5Sselect_hyperslab(file.id, H5S_SELECT_SET, starts, nil, counts, nil) >= 0,
        let memory = HDF5Handle(H5Screate_simple(Int32(counts.count), counts, nil), H5Sclose)
      else { return -1 }
      return H5Dwrite(dataset, rephase_h5_f32(), memory.id, file.id, 0, rows.values)
    }
  }

  /// Without the time of writing.
  static func datasetOptions() -> HDF5Handle? {
    guard let options = HDF5Handle(H5Pcreate(rephase_h5_dataset_creation()), H5Pclose),
      H5Pset_obj_track_times(options.id, false) >= 0
    else { return nil }
    return options
  }

  /// `type` is a call of the library, so it waits for the lock.
  private func create(
    _ name: String, _ type: () -> hid_t, _ extents: [hsize_t]
  ) throws(Diagnostic) {
    let isMade = library.withLock { [id] _ in
      guard let space = HDF5Handle(H5Screate_simple(Int32(extents.count), extents, nil), H5Sclose),
        let options = HDF5Writer.datasetOptions()
      else { return false }
      return HDF5Handle(H5Dcreate2(id, name, type(), space.id, 0, options.id, 0), H5Dclose) != nil
    }
    guard isMade else { throw failure }
  }

  private func fill(_ name: String, _ body: (hid_t) -> herr_t) throws(Diagnostic) {
    let isWritten = library.withLock { [id] _ in
      guard let dataset = HDF5Handle(H5Dopen2(id, name, 0), H5Dclose) else { return false }
      return body(dataset.id) >= 0
    }
    guard isWritten else { throw failure }
  }
}
