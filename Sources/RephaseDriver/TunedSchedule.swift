import ArgumentParser
import Diagnostics
import Schedules
import Tensors

/// The schedule of commands that compile a model for inference.
struct TunedSchedule: ParsableArguments {
  @Option(
    help: "What 'rephase tune' measured for this model and machine, instead of the cost model.")
  var schedule: String?

  /// The schedule file's choices; nil where none is given.
  func choices() throws(Diagnostic) -> ScheduleChoices? {
    guard let schedule else { return nil }
    let bytes = try FileBytes.read(schedule, limit: 1 << 20)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Diagnostic(
        "\(schedule) is no text", help: "give a file that 'rephase tune' wrote")
    }
    return try ScheduleChoices(parsing: text, file: schedule)
  }

  /// Throws where a schedule is given for training.
  func refuseTraining() throws {
    guard schedule == nil else {
      throw ValidationError("--schedule is for inference; training takes what the cost model says")
    }
  }
}
