import Diagnostics

/// Means over all processes, in buckets: small tensors travel together, and while they do, kernels go on.
///
/// Buckets are closed by their size and by `finish`, which come at the same places of a step in every process. Within
/// one, the sum is in the order of ranks, which `MPI_Allreduce` does not promise; so each process gathers all numbers
/// (MPI 3.1, section 5.12, MPI_Iallgather) and sums up by itself.
final class MPIExchange {
  private typealias Handle = MPI.Handle
  private typealias Gather =
    @convention(c) (
      UnsafeRawPointer?, Int32, Handle, UnsafeMutableRawPointer?, Int32, Handle, Handle,
      UnsafeMutablePointer<Handle?>
    ) -> Int32
  private typealias Wait = @convention(c) (UnsafeMutablePointer<Handle?>, Handle?) -> Int32
  private typealias Test =
    @convention(c) (UnsafeMutablePointer<Handle?>, UnsafeMutablePointer<Int32>, Handle?) -> Int32

  /// Tensors that travel together; `numbers` has room for those of all processes, after its own.
  private struct Bucket {
    var tensors: [UnsafeMutableBufferPointer<Float>] = []
    var count = 0
    var numbers: UnsafeMutablePointer<Float>?
    var request: UnsafeMutablePointer<Handle?>?
  }

  /// Numbers after which a bucket is sent: 64 KiB, where the time of travel outweighs that of sending.
  private static let bucketSize = 1 << 14

  private let processes: Int
  private let world: Handle
  private let float: Handle
  private let gather: Gather
  private let wait: Wait
  private let test: Test
  private var open = Bucket()
  private var sent: [Bucket] = []

  init(
    _ library: MPILibrary, processes: Int, world: UnsafeMutableRawPointer,
    float: UnsafeMutableRawPointer
  ) throws(Diagnostic) {
    (self.processes, self.world, self.float) = (processes, world, float)
    gather = unsafeBitCast(try library.symbol("MPI_Iallgather"), to: Gather.self)
    wait = unsafeBitCast(try library.symbol("MPI_Wait"), to: Wait.self)
    test = unsafeBitCast(try library.symbol("MPI_Test"), to: Test.self)
  }

  func start(_ values: UnsafeMutableBufferPointer<Float>) throws(Diagnostic) {
    guard values.count <= Int(Int32.max) - open.count else {
      throw Diagnostic("\(values.count) numbers are more than MPI exchanges at once")
    }
    open.tensors.append(values)
    open.count += values.count
    if open.count >= Self.bucketSize { try send() }
  }

  /// Open MPI moves data only while one of its functions runs.
  func progress() throws(Diagnostic) {
    var isDone: Int32 = 0
    for bucket in sent {
      guard let request = bucket.request, test(request, &isDone, nil) == 0 else {
        throw MPI.failure
      }
    }
  }

  func finish() throws(Diagnostic) {
    if open.count > 0 { try send() }
    defer {
      for bucket in sent {
        bucket.numbers?.deallocate()
        bucket.request?.deallocate()
      }
      sent = []
    }
    for bucket in sent {
      guard let request = bucket.request, wait(request, nil) == 0 else { throw MPI.failure }
      takeMeans(bucket)
    }
  }

  private func send() throws(Diagnostic) {
    var bucket = open
    open = Bucket()
    let own = UnsafeMutablePointer<Float>.allocate(capacity: bucket.count * (processes + 1))
    let request = UnsafeMutablePointer<Handle?>.allocate(capacity: 1)
    request.initialize(to: nil)
    (bucket.numbers, bucket.request) = (own, request)
    sent.append(bucket)
    var place = own
    for tensor in bucket.tensors {
      if let start = tensor.baseAddress { place.update(from: start, count: tensor.count) }
      place += tensor.count
    }
    let size = Int32(bucket.count)
    guard gather(own, size, float, own + bucket.count, size, float, world, request) == 0 else {
      throw MPI.failure
    }
  }

  private func takeMeans(_ bucket: Bucket) {
    guard let own = bucket.numbers else { return }
    let share = 1 / Float(processes)
    var first = own + bucket.count
    for tensor in bucket.tensors {
      for index in tensor.indices {
        var sum = first[index]
        for other in 1..<processes { sum += first[other * bucket.count + index] }
        tensor[index] = sum * share
      }
      first += tensor.count
    }
  }
}
