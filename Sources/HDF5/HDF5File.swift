import CHDF5
import Diagnostics
import Foundation
import Tensors

/// An HDF5 file that is read.
///
/// Paths inside are as in h5py: `group/dataset`. Datasets are row-major, as they lie in the file. Links to other files
/// are not followed.
public final class HDF5File: @unchecked Sendable {
  // The identifier is used under the library's lock only.
  let id: hid_t
  public let path: String

  static let signature: [UInt8] = [0x89] + Array("HDF\r\n".utf8) + [0x1A, 0x0A]

  /// Whether a file that begins with `bytes` is HDF5; a block of the writer's own (MATLAB's) may come before it.
  public static func isHDF5(_ bytes: some Collection<UInt8>) -> Bool {
    for start in [0, 512, 1024, 2048] where bytes.count >= start + signature.count {
      if bytes.dropFirst(start).starts(with: signature) { return true }
    }
    return false
  }

  /// Throws where the file is missing, no HDF5 file, cut off or damaged in its outermost structure.
  public init(reading path: String) throws(Diagnostic) {
    self.path = path
    _ = try FileBytes.size(path)
    id = library.withLock { _ in
      prepareLibrary()
      guard let access = HDF5Handle.fileAccess() else { return -1 }
      return H5Fopen(path, rephase_h5_read_only(), access.id)
    }
    guard id >= 0 else {
      throw Diagnostic(
        "the file is no HDF5 file, or it is cut off or damaged", at: SourceLocation(file: path),
        help: "copy or write it again")
    }
  }

  deinit { library.withLock { [id] _ in _ = H5Fclose(id) } }

  /// Whether there is a group or dataset of this name; each step of the path is looked at.
  public func contains(_ name: String) -> Bool { library.withLock { _ in exists(name) } }

  /// The names in a group, in alphabetical order; none where there is no such group.
  public func names(in group: String) -> [String] {
    library.withLock { _ in
      guard group == "/" || exists(group), let group = HDF5Handle(H5Gopen2(id, group, 0), H5Gclose)
      else { return [] }
      var info = H5G_info_t()
      guard H5Gget_info(group.id, &info) >= 0 else { return [] }
      return (0..<min(info.nlinks, 10_000)).compactMap { Self.name(group.id, $0) }
    }
  }

  private static func name(_ group: hid_t, _ index: hsize_t) -> String? {
    let length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, index, nil, 0, 0)
    guard (0..<1 << 16).contains(length) else { return nil }
    var text = [CChar](repeating: 0, count: length + 1)
    H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, index, &text, length + 1, 0)
    return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Extents and kind of a dataset; throws where there is none of this name.
  public func description(
    of name: String
  ) throws(Diagnostic) -> (extents: [Int], kind: HDF5Kind) {
    try withDataset(name) { (dataset) throws(Diagnostic) in
      (try extents(dataset, name), try kind(dataset, name))
    }
  }

  /// Throws where there is no dataset of this name or it has no elements.
  public func shape(_ name: String) throws(Diagnostic) -> Shape {
    let extents = try description(of: name).extents
    do { return try Shape(extents) } catch { throw error.located(at: place(name)) }
  }

  /// Whether there is something of this name that cannot be read: a link to another file, a dataset of a newer format.
  public func isUnreadable(_ name: String) -> Bool {
    library.withLock { _ in isElsewhere(name) || isClosed(name) }
  }

  // Everything below is called under the lock.

  func withDataset<Result>(
    _ name: String, _ body: (hid_t) throws(Diagnostic) -> Result
  ) throws(Diagnostic) -> Result {
    try library.withLock { (_) throws(Diagnostic) in
      guard exists(name), let dataset = HDF5Handle(H5Dopen2(id, name, 0), H5Dclose) else {
        throw notThere(name)
      }
      return try body(dataset.id)
    }
  }

  func extents(_ dataset: hid_t, _ name: String) throws(Diagnostic) -> [Int] {
    guard let space = HDF5Handle(H5Dget_space(dataset), H5Sclose) else { throw damaged(name) }
    let rank = H5Sget_simple_extent_ndims(space.id)
    guard (0...Int32(Shape.maximumRank)).contains(rank) else { throw damaged(name) }
    var extents = [hsize_t](repeating: 0, count: Int(rank) + 1)
    guard H5Sget_simple_extent_dims(space.id, &extents, nil) == rank else { throw damaged(name) }
    return try extents.prefix(Int(rank)).map { (extent) throws(Diagnostic) in
      guard let extent = Int(exactly: extent) else { throw damaged(name) }
      return extent
    }
  }

  func kind(_ dataset: hid_t, _ name: String) throws(Diagnostic) -> HDF5Kind {
    guard let type = HDF5Handle(H5Dget_type(dataset), H5Tclose) else { throw damaged(name) }
    return HDF5Kind(fileType: type.id)
  }

  /// Hard links and soft links inside the file alone.
  func exists(_ name: String) -> Bool {
    guard !name.utf8.contains(0) else { return false }
    var prefix = ""
    for step in name.split(separator: "/") {
      prefix += "/" + step
      var info = H5L_info_t()
      guard H5Lexists(id, prefix, 0) > 0, H5Lget_info(id, prefix, &info, 0) >= 0,
        info.type == H5L_TYPE_HARD || info.type == H5L_TYPE_SOFT
      else { return false }
    }
    return H5Oexists_by_name(id, prefix.isEmpty ? "/" : prefix, 0) > 0
  }

  func place(_ name: String) -> SourceLocation { SourceLocation(file: "\(path)[\(name)]") }

  func damaged(_ name: String) -> Diagnostic {
    Diagnostic(
      "the dataset '\(name)' cannot be read: it is damaged or cut off", at: place(name),
      help: "copy or write the file again")
  }
}
