import CHDF5
import Diagnostics

extension HDF5File {
  /// Texts longer than this are no header.
  private static let maximumText = 64 << 20

  /// The first text of a dataset of strings; throws where there is none of this name.
  public func string(_ name: String) throws(Diagnostic) -> String {
    try withDataset(name) { (dataset) throws(Diagnostic) in
      let extents = try extents(dataset, name)
      guard let type = HDF5Handle(H5Dget_type(dataset), H5Tclose), extents.allSatisfy({ $0 > 0 }),
        H5Tget_class(type.id) == H5T_STRING
      else {
        throw Diagnostic("the dataset '\(name)' holds no text", at: place(name))
      }
      guard let space = HDF5Handle(H5Dget_space(dataset), H5Sclose),
        select(first: space.id, extents),
        let one = HDF5Handle(H5Screate(H5S_SCALAR), H5Sclose),
        let text = Self.text(type.id, { H5Dread(dataset, $0, one.id, space.id, 0, $1) })
      else { throw damaged(name) }
      return text
    }
  }

  private func select(first space: hid_t, _ extents: [Int]) -> Bool {
    guard !extents.isEmpty else { return true }
    let starts = [hsize_t](repeating: 0, count: extents.count)
    let counts = [hsize_t](repeating: 1, count: extents.count)
    return H5Sselect_hyperslab(space, H5S_SELECT_SET, starts, nil, counts, nil) >= 0
  }

  /// The text of an attribute of a group or dataset; nil where there is none, or it is not one text.
  public func attribute(_ attribute: String, of name: String) -> String? {
    guard contains(name) else { return nil }
    return library.withLock { _ in
      guard H5Aexists_by_name(id, name, attribute, 0) > 0,
        let handle = HDF5Handle(H5Aopen_by_name(id, name, attribute, 0, 0), H5Aclose),
        let type = HDF5Handle(H5Aget_type(handle.id), H5Tclose),
        H5Tget_class(type.id) == H5T_STRING,
        let space = HDF5Handle(H5Aget_space(handle.id), H5Sclose),
        H5Sget_simple_extent_npoints(space.id) == 1
      else { return nil }
      return Self.text(type.id) { H5Aread(handle.id, $0, $1) }
    }
  }

  /// The text that `read` writes as `type`, of variable or fixed length, to the memory it is given.
  private static func text(
    _ type: hid_t, _ read: (hid_t, UnsafeMutableRawPointer) -> herr_t
  ) -> String? {
    if H5Tis_variable_str(type) > 0 { return variableText(type, read) }
    let size = H5Tget_size(type)
    guard size > 0, size <= maximumText else { return nil }
    var bytes = [UInt8](repeating: 0, count: size)
    let status = bytes.withUnsafeMutableBytes { buffer in
      buffer.baseAddress.map { read(type, $0) } ?? -1
    }
    guard status >= 0 else { return nil }
    return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  }

  private static func variableText(
    _ fileType: hid_t, _ read: (hid_t, UnsafeMutableRawPointer) -> herr_t
  ) -> String? {
    // The library converts between lengths, but not between ASCII and UTF-8.
    guard let type = HDF5Handle(H5Tcopy(rephase_h5_c_string()), H5Tclose),
      H5Tset_size(type.id, rephase_h5_variable()) >= 0,
      H5Tset_cset(type.id, H5Tget_cset(fileType)) >= 0
    else { return nil }
    var text: UnsafeMutablePointer<CChar>?
    guard read(type.id, &text) >= 0, let text else { return nil }
    defer { H5free_memory(text) }
    return String(cString: text)
  }
}
