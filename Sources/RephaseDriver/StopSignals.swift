import Foundation
import Synchronization

/// The number of the first signal since the latest `StopSignals` was made; 0 before.
private let firstSignal = Atomic<Int32>(0)
/// How many there have been.
private let latestOwner = Atomic(0)

/// Notes Ctrl-C and SIGTERM, so that work can be saved before it is left; a second one ends the process at once.
///
/// The latest of several has the signals; they end the process as before when it is gone.
final class StopSignals {
  private static let names = [SIGINT: "Ctrl-C", SIGTERM: "SIGTERM"]

  private let number: Int

  init() {
    number = latestOwner.add(1, ordering: .sequentiallyConsistent).newValue
    firstSignal.store(0, ordering: .sequentiallyConsistent)
    for number in Self.names.keys {
      signal(number) { number in
        _ = firstSignal.compareExchange(
          expected: 0, desired: number, ordering: .sequentiallyConsistent)
        signal(number, SIG_DFL)
      }
    }
  }

  deinit {
    guard latestOwner.load(ordering: .sequentiallyConsistent) == number else { return }
    for number in Self.names.keys { signal(number, SIG_DFL) }
  }

  /// The first of them that came, in words.
  var received: String? { Self.names[firstSignal.load(ordering: .sequentiallyConsistent)] }
}
