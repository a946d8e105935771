import CHDF5
import Synchronization

/// HDF5 is thread-safe only where it was built so, and its types in C are calls, too: one at a time.
let library = Mutex<Void>(())

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
}
