import Diagnostics
import Foundation

/// How many of some things are done, on standard error: a bar on a terminal, at most ten plain lines elsewhere.
struct CountProgress {
  private let verb: String
  private let things: String
  private let total: Int
  private let isQuiet: Bool
  private let isTerminal = isatty(STDERR_FILENO) == 1
  private var shown = 0
  private var isBarOpen = false

  init(
    _ verb: String = "reconstructed", _ things: String = "frames", total: Int, isQuiet: Bool
  ) {
    self.verb = verb
    self.things = things
    self.total = total
    self.isQuiet = isQuiet
  }

  mutating func show(_ done: Int) {
    guard !isQuiet, total > 0 else { return }
    if isTerminal {
      let width = 30
      let filled = min(width, done * width / total)
      let bar =
        String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
      write("\r[\(bar)] \(done)/\(total) \(things)")
      isBarOpen = true
    } else if done * 10 / total > shown * 10 / total {
      write("\(verb) \(done) of \(total) \(things)\n")
    }
    shown = done
  }

  /// Ends the bar's line, so that what follows starts on its own.
  mutating func close() {
    if isBarOpen { write("\n") }
    isBarOpen = false
  }

  private func write(_ text: String) { StandardError.write(text) }
}
