import Diagnostics
import LoopIR
import Testing

/// A change of a schedule file, what is said of it, and the line that is named.
typealias ScheduleMistake = (from: String, to: String, message: String, line: Int)

func expectRefusal(
  of mistake: ScheduleMistake, in original: String, by schedule: (String) throws -> LoopModule
) throws {
  let text = original.replacing(mistake.from, with: mistake.to)
  #expect(text != original)
  do {
    _ = try schedule(text)
    Issue.record("\(mistake.to) is taken")
  } catch let error as Diagnostic {
    #expect(error.message.contains(mistake.message), "\(error)")
    #expect(error.location?.file == "small.schedule")
    #expect(error.location?.line == mistake.line, "\(error)")
  }
}
