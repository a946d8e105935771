import Dispatch
import Foundation
import Synchronization

/// Notes Ctrl-C and SIGTERM, so that work can be saved before it is left; a second one ends the process at once.
final class StopSignals {
  private final class Noted: Sendable {
    let name = Mutex<String?>(nil)
  }

  private let noted = Noted()
  private let sources: [any DispatchSourceSignal]

  init() {
    sources = [(SIGINT, "Ctrl-C"), (SIGTERM, "SIGTERM")].map { [noted] number, name in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        noted.name.withLock { $0 = $0 ?? name }
        signal(number, SIG_DFL)
      }
      source.resume()
      return source
    }
  }

  deinit {
    for source in sources { source.cancel() }
    for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
  }

  /// The first of them that came, in words.
  var received: String? { noted.name.withLock { $0 } }
}
