import Diagnostics

/// A diagnostic whose cause is the command line rather than a file: exit code 64.
struct UsageError: Error {
  var diagnostic: Diagnostic

  /// Runs what judges a value of the command line; its diagnostics become usage errors.
  static func of<Result>(
    _ judge: () throws(Diagnostic) -> Result
  ) throws(UsageError) -> Result {
    do throws(Diagnostic) { return try judge() } catch { throw UsageError(diagnostic: error) }
  }
}
