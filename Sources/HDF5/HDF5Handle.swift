import CHDF5
import Synchronization

/// HDF5 is thread-safe only where it was built so, and its types in C are calls, too: one at a time.
let library = Mutex<Void>(())

/// Before the library's first call: it is to print nothing, and to leave files alone when the process ends, where it
/// crashes over one that could not be written. All have owners that close them.
func prepareLibrary() {
  H5dont_atexit()
  rephase_h5_silence()
}

/// An identifier of the library that is closed with its owner.
struct HDF5Handle: ~Copyable {
  let id: hid_t
  private let close: @Sendable (hid_t) -> herr_t

  /// Nil where the library gave no identifier.
  init?(_ id: hid_t, _ close: @escaping @Sendable (hid_t) -> herr_t) {
    guard id >= 0 else { return nil }
    self.id = id
    self.close = close
  }

  deinit { _ = close(id) }

  /// Files are opened without locks: a program that another thread starts meanwhile would hold them on until it runs, and
  /// network file systems may have none.
  static func fileAccess() -> HDF5Handle? {
    guard let access = HDF5Handle(H5Pcreate(rephase_h5_file_access()), H5Pclose),
      H5Pset_file_locking(access.id, false, true) >= 0
    else { return nil }
    return access
  }
}
