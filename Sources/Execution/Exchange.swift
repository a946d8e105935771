import Diagnostics

/// Changes results of kernels while others run.
public protocol Exchange {
  /// Begins to change the numbers, which nobody reads or writes until `finish`.
  func start(_ values: UnsafeMutableBufferPointer<Float>) throws(Diagnostic)
  /// Called between kernels while something is under way.
  func progress() throws(Diagnostic)
  /// Ends all that was started.
  func finish() throws(Diagnostic)
}
