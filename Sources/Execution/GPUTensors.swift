import CRephaseRuntime
import Diagnostics

/// Memory of this machine's first GPU for tensors that stay there between runs. For one thread.
final class GPUTensors {
  private let gpu: OpaquePointer
  private var blocks: [UInt64] = []

  /// Throws where the driver or the GPU is missing.
  init() throws(Diagnostic) { gpu = try HostGPU.open("tensors cannot be kept on a GPU here") }

  deinit {
    for block in blocks { rephase_gpu_free(gpu, block) }
    rephase_gpu_close(gpu)
  }

  /// The CUstream that all copies follow.
  var stream: UnsafeMutableRawPointer? { rephase_gpu_stream(gpu) }

  /// The address of a block, which stays as long as this object.
  func allocate(_ byteCount: Int) throws(Diagnostic) -> UInt64 {
    var address: UInt64 = 0
    try HostGPU.check(rephase_gpu_allocate(gpu, max(byteCount, 1), &address), "reserving memory")
    blocks.append(address)
    return address
  }

  func write(_ values: [Float], to address: UInt64) throws(Diagnostic) {
    try HostGPU.check(
      rephase_gpu_upload(gpu, address, values, values.count * 4), "copying a tensor")
  }

  /// Waits for what was started before.
  func floats(_ count: Int, at address: UInt64) throws(Diagnostic) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    try HostGPU.check(
      rephase_gpu_download(gpu, &values, address, count * 4), "running kernels")
    return values
  }

  func copy(_ byteCount: Int, from source: UInt64, to target: UInt64) throws(Diagnostic) {
    try HostGPU.check(rephase_gpu_copy(gpu, target, source, byteCount), "copying tensors")
  }
}
