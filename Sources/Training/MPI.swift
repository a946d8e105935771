import Diagnostics
import Foundation

/// Open MPI, loaded when `mpirun` started this process; without MPI installed nothing of it is touched.
///
/// Interface: MPI 3.1 (mpi-forum.org); the handles are Open MPI's own symbols, so that no header is needed.
public final class MPI: Communicator {
  public let rank: Int
  public let count: Int
  private let world: UnsafeMutableRawPointer
  private let byte: UnsafeMutableRawPointer
  private let exchange: MPIExchange
  private let send: Broadcast
  private let finalize: @convention(c) () -> Int32

  typealias Handle = UnsafeMutableRawPointer
  private typealias Initialize =
    @convention(c) (UnsafeMutablePointer<Int32>?, UnsafeMutableRawPointer?) -> Int32
  private typealias Ask = @convention(c) (Handle, UnsafeMutablePointer<Int32>) -> Int32
  private typealias Broadcast =
    @convention(c) (UnsafeMutableRawPointer?, Int32, Handle, Int32, Handle) -> Int32

  /// The processes that `mpirun` started; nil for a process that it did not start, or that is alone.
  ///
  /// Throws where `mpirun` started it, but the library is missing, or fails.
  public static func started() throws(Diagnostic) -> MPI? {
    let environment = ProcessInfo.processInfo.environment
    guard let size = environment["OMPI_COMM_WORLD_SIZE"].flatMap({ Int($0) }), size > 1 else {
      return nil
    }
    return try MPI()
  }

  private init() throws(Diagnostic) {
    let library = try MPILibrary()
    world = try library.symbol("ompi_mpi_comm_world")
    let float = try library.symbol("ompi_mpi_float")
    byte = try library.symbol("ompi_mpi_byte")
    send = unsafeBitCast(try library.symbol("MPI_Bcast"), to: Broadcast.self)
    finalize = unsafeBitCast(
      try library.symbol("MPI_Finalize"), to: (@convention(c) () -> Int32).self)
    let initialize = unsafeBitCast(try library.symbol("MPI_Init"), to: Initialize.self)
    let askRank = unsafeBitCast(try library.symbol("MPI_Comm_rank"), to: Ask.self)
    let askSize = unsafeBitCast(try library.symbol("MPI_Comm_size"), to: Ask.self)
    var (rank, count): (Int32, Int32) = (0, 0)
    guard initialize(nil, nil) == 0, askRank(world, &rank) == 0, askSize(world, &count) == 0 else {
      throw Self.failure
    }
    self.rank = Int(rank)
    self.count = Int(count)
    exchange = try MPIExchange(library, processes: self.count, world: world, float: float)
  }

  /// Ends orderly; a process that fails ends without it, upon which `mpirun` ends the others.
  public func end() throws(Diagnostic) {
    guard finalize() == 0 else { throw Self.failure }
  }

  public func average(_ values: UnsafeMutableBufferPointer<Float>) throws(Diagnostic) {
    try start(values)
    try finish()
  }

  public func start(_ values: UnsafeMutableBufferPointer<Float>) throws(Diagnostic) {
    try exchange.start(values)
  }

  public func progress() throws(Diagnostic) { try exchange.progress() }
  public func finish() throws(Diagnostic) { try exchange.finish() }

  public func broadcast(_ bytes: [UInt8]) throws(Diagnostic) -> [UInt8] {
    var size = UInt64(bytes.count)
    guard send(&size, 8, byte, 0, world) == 0, let count = Int32(exactly: size) else {
      throw Self.failure
    }
    var received = rank == 0 ? bytes : [UInt8](repeating: 0, count: Int(count))
    guard send(&received, count, byte, 0, world) == 0 else { throw Self.failure }
    return received
  }

  static let failure = Diagnostic(
    "MPI failed", help: "look at what mpirun says, and at the other processes")
}

/// The shared library of Open MPI; stays loaded until the process ends.
struct MPILibrary {
  private let handle: UnsafeMutableRawPointer

  init() throws(Diagnostic) {
    // Open MPI's plugins look for its symbols among the global ones.
    guard let handle = Self.open("libmpi.so.40") ?? Self.open("libmpi.so") else {
      throw Diagnostic(
        "mpirun started this process, but the library of Open MPI cannot be loaded",
        help: "install libopenmpi3 (Debian), or run without mpirun")
    }
    self.handle = handle
  }

  private static func open(_ name: String) -> UnsafeMutableRawPointer? {
    dlopen(name, RTLD_NOW | RTLD_GLOBAL)
  }

  func symbol(_ name: String) throws(Diagnostic) -> UnsafeMutableRawPointer {
    guard let symbol = dlsym(handle, name) else {
      throw Diagnostic(
        "libmpi has no \(name): it is not Open MPI", help: "use Open MPI 4 for training together")
    }
    return symbol
  }
}
