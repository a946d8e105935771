import ArgumentParser
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

extension ParsableArguments {
  /// Throws where one of the options, named with whether it is given, is given without what it needs: it would mean
  /// nothing.
  func refuse(
    _ options: KeyValuePairs<String, Bool>, without need: String, _ isThere: Bool
  ) throws(ValidationError) {
    guard !isThere, let (name, _) = options.first(where: \.value) else { return }
    throw ValidationError("\(name) needs \(need)")
  }
}
