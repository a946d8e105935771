import Diagnostics
import Execution

/// Processes that compute one step together, each on its part of every batch.
///
/// As an exchange, it replaces numbers by their means as `average` does. Every process starts and finishes the same.
public protocol Communicator: Exchange {
  /// This process, 0 ..< count; process 0 writes.
  var rank: Int { get }
  var count: Int { get }

  /// Replaces the numbers by their mean over all processes, summed in the order of their ranks: the same bits
  /// everywhere.
  func average(_ values: UnsafeMutableBufferPointer<Float>) throws(Diagnostic)

  /// The bytes of process 0, in every process.
  func broadcast(_ bytes: [UInt8]) throws(Diagnostic) -> [UInt8]
}

extension Communicator {
  /// The text of the first process that has one; nil where none has. Every process must ask.
  func first(_ text: String?) throws(Diagnostic) -> String? {
    var flags = [Float](repeating: 0, count: count)
    flags[rank] = text == nil ? 0 : 1
    try flags.withUnsafeMutableBufferPointer { (buffer) throws(Diagnostic) in try average(buffer) }
    return flags.contains { $0 > 0 } ? text ?? "another process" : nil
  }
}
