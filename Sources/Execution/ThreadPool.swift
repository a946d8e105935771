import CRephaseRuntime

/// The runtime's threads, as generated code uses them.
final class ThreadPool {
  private let memory: AlignedMemory
  private let pool: OpaquePointer?

  /// `threads` 0 means all cores this process may use.
  init(threads: Int) {
    memory = AlignedMemory(byteCount: rephase_pool_bytes())
    pool = rephase_pool_create(
      memory.pointer, UInt32(clamping: min(threads, Int(REPHASE_MAX_THREADS))))
  }

  deinit { rephase_pool_destroy(pool) }

  var parallel: UnsafePointer<rephase_parallel>? { rephase_pool_parallel(pool) }
}
