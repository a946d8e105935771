import CodeGen
import Compiler
import LoopIR
import Schedules
import Testing

/// `Tuner` on a small convolution: what it measures fits, and is what it reports.
@Suite struct TunerTests {
  private func tuned(
    _ model: StagedModel, precision: Precision
  ) throws -> (result: Tuner.Result, progress: [Int]) {
    let pipeline = Pipeline(target: try Targets.resolve("native"), precision: precision)
    var progress: [Int] = []
    let tuner = try Tuner(
      model, pipeline: pipeline, weights: try sampleWeights(), threads: 1, rounds: 3
    ) { done, total in
      progress.append(done)
      if done == total { progress.append(-1) }
    }
    return (try tuner.run(), progress)
  }

  @Test(arguments: Precision.ofCPUs)
  func choicesScheduleTheModel(_ precision: Precision) throws {
    let (result, progress) = try tuned(try sampleModel(), precision: precision)
    #expect(result.rows.map(\.kernel) == ["convolution3x3_3_relu_1x8x4x5"])
    #expect(result.choices.kernels.map(\.choice.description) == result.rows.map(\.choice))
    #expect(result.rows[0].measured > 1)
    #expect(result.rows[0].medianSeconds > 0)
    #expect(result.rows[0].medianSeconds <= result.rows[0].standardSeconds)
    #expect(result.seconds > 0 && result.standardSeconds > 0)
    #expect(progress.last == -1 && progress.dropLast() == progress.dropLast().sorted()[...])
    let read = try ScheduleChoices(parsing: result.choices.text(), file: "tuned")
    let pipeline = Pipeline(
      target: try Targets.resolve("native"), precision: precision, choices: read)
    #expect(try pipeline.scheduled(try sampleModel()).scheduledFor == "native")
  }

  @Test func scheduledDumpsTakeNoChoices() throws {
    let target = try Targets.resolve("native")
    let scheduled = StagedModel.loops(
      try Pipeline(target: target).scheduled(try sampleModel()))
    #expect {
      try Tuner(
        scheduled, pipeline: Pipeline(target: target), weights: [:], threads: 1, rounds: 1
      ) { _, _ in }
    } throws: {
      "\($0)".contains("the dump is past the stage 'loops'")
    }
    let choices = ScheduleChoices(for: target, precision: .standard)
    #expect {
      try Pipeline(target: target, choices: choices).scheduled(scheduled)
    } throws: {
      "\($0)".contains("the dump is scheduled already, so a schedule file cannot change it")
    }
  }
}
