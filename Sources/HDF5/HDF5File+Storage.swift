import CHDF5
import Diagnostics
import Tensors

/// Where a dataset's values lie; called under the lock.
extension HDF5File {
  /// Refuses a dataset whose values cannot be read here, or that declares values which the file does not store: a hostile
  /// size, or a writer that was interrupted. (Filters shrink what is stored, so that its size says nothing more.)
  func checkStored(_ dataset: hid_t, _ name: String) throws(Diagnostic) {
    guard let creation = HDF5Handle(H5Dget_create_plist(dataset), H5Pclose) else {
      throw damaged(name)
    }
    guard H5Pget_layout(creation.id) != H5D_VIRTUAL, H5Pget_external_count(creation.id) <= 0 else {
      throw Diagnostic(
        "the dataset '\(name)' keeps its values in other files, which are not read",
        at: place(name), help: "copy them into one file: h5repack FILE NEW")
    }
    if let filter = missingFilter(creation.id) {
      throw Diagnostic(
        "the dataset '\(name)' is packed by the HDF5 filter \(filter), which is not installed",
        at: place(name), help: "write it again by gzip or unpacked, where the filter is")
    }
    var status = H5D_SPACE_STATUS_ERROR
    guard H5Dget_space_status(dataset, &status) >= 0, status != H5D_SPACE_STATUS_NOT_ALLOCATED,
      Int(clamping: H5Dget_storage_size(dataset)) <= (try FileBytes.size(path))
    else { throw damaged(name) }
  }

  /// Name and number of the first filter that the library does not have.
  private func missingFilter(_ creation: hid_t) -> String? {
    for index in 0..<UInt32(clamping: max(0, H5Pget_nfilters(creation))) {
      var (flags, valueCount, configuration) = (UInt32(0), 0, UInt32(0))
      var name = [CChar](repeating: 0, count: 64)
      let filter = H5Pget_filter2(
        creation, index, &flags, &valueCount, nil, name.count, &name, &configuration)
      guard filter >= 0, H5Zfilter_avail(filter) <= 0 else { continue }
      let text = String(
        decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      return text.isEmpty ? "\(filter)" : "\(filter), \(text)"
    }
    return nil
  }

  /// Whether the path's last step is a link to another file.
  func isElsewhere(_ name: String) -> Bool {
    var info = H5L_info_t()
    return !name.utf8.contains(0) && H5Lexists(id, name, 0) > 0
      && H5Lget_info(id, name, &info, 0) >= 0 && info.type == H5L_TYPE_EXTERNAL
  }

  /// Whether the name is of a dataset that the library cannot open.
  func isClosed(_ name: String) -> Bool {
    exists(name) && rephase_h5_is_dataset(id, name) != 0
      && HDF5Handle(H5Dopen2(id, name, 0), H5Dclose) == nil
  }

  func notThere(_ name: String) -> Diagnostic {
    if isElsewhere(name) {
      return Diagnostic(
        "'\(name)' is a link to another file, and such links are not followed", at: place(name),
        help: "give that file")
    }
    if isClosed(name) {
      return Diagnostic(
        "the dataset '\(name)' cannot be opened: it is damaged, or of a format newer than HDF5 1.10",
        at: place(name), help: "write it again for HDF5 1.10, in h5py with libver='v110'")
    }
    return Diagnostic(
      "there is no dataset '\(name)'", at: SourceLocation(file: path),
      help: "'rephase info' lists what the file holds")
  }
}
