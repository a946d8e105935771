import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct TrainerTests {
  private let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func lines(_ name: String) throws -> [String] {
    String(decoding: try FileBytes.read(scratch.file(name)), as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }

  @Test func leavesWhatIsPromised() throws {
    var run = LineRun(scratch.file("run"), steps: 200)
    run.plan.checkpointEvery = 100
    run.plan.log = scratch.file("steps.jsonl")
    let state = try run.run()
    #expect(state.step == 200 && state.history.losses.count == 200)
    #expect((state.history.losses.last ?? 1) < 1e-2 * (state.history.losses.first ?? 0))
    let log = try lines("steps.jsonl")
    #expect(log.count == 200 && log[0].hasPrefix("{\"step\":1,\"loss\":"))
    // 200 steps of 3 are 85 epochs of 7 and a part.
    #expect(state.history.epochs.count == 86 && run.observer.epochs == state.history.epochs)
    #expect(try lines("run/epochs.jsonl").count == 86)
    let last = try Safetensors.read(scratch.file("run/last.safetensors"))
    #expect(try last.floats("line").values == run.engine.line)
    #expect(last.metadata["network"] == "Line")
    #expect(last.metadata["training"]?.contains("\"step\":\"200\"") == true)
    let best = try Safetensors.read(scratch.file("run/best.safetensors"))
    let step = try #require(state.history.best?.step)
    #expect(best.metadata["training"]?.contains("\"step\":\"\(step)\"") == true)
    #expect(
      try FileBytes.read(scratch.file("run/loss.png")).starts(with: [0x89, 0x50, 0x4E, 0x47]))
  }

  @Test(arguments: [1, 3, 4, 7, 19]) func goesOnAsIfItHadNeverStopped(at step: Int) throws {
    let whole = try LineRun(scratch.file("whole")).run()
    var first = LineRun(scratch.file("parts"))
    first.observer = Stopping(after: step)
    first.plan.log = scratch.file("steps.jsonl")
    let text = message { () throws(Diagnostic) in
      do { try first.run() } catch let error as Diagnostic { throw error } catch {}
    }
    #expect(text?.contains("after step \(step) of 20") == true)
    var second = LineRun(scratch.file("parts"))
    second.plan.log = scratch.file("steps.jsonl")
    #expect(try second.run() == whole)
    #expect(try lines("steps.jsonl").count == 20)
    for name in ["last.safetensors", "best.safetensors", "epochs.jsonl", "loss.png"] {
      #expect(
        try FileBytes.read(scratch.file("parts/" + name))
          == FileBytes.read(scratch.file("whole/" + name)))
    }
  }

  @Test func damagedCheckpointsAreSkipped() throws {
    let whole = try LineRun(scratch.file("whole")).run()
    var first = LineRun(scratch.file("parts"))
    first.observer = Stopping(after: 13)
    #expect(throws: Diagnostic.self) { try first.run() }
    let store = CheckpointStore(directory: scratch.file("parts/checkpoints"), keep: 3)
    try Array(try FileBytes.read(store.path(13)).dropLast()).write(store.path(13))
    var messages = 0
    #expect(try LineRun(scratch.file("parts")).run { _ in messages += 1 } == whole)
    #expect(messages == 1)
  }

  /// Lines of steps whose checkpoint was never written, and half a line, are written again.
  @Test func theLogIsCutBackToTheCheckpoint() throws {
    var first = LineRun(scratch.file("run"))
    first.observer = Stopping(after: 4)
    first.plan.log = scratch.file("steps.jsonl")
    #expect(throws: Diagnostic.self) { try first.run() }
    let early = try lines("steps.jsonl")
    try Array((early + ["{\"step\":5,\"loss\":9}", "{\"st"]).joined(separator: "\n").utf8)
      .write(scratch.file("steps.jsonl"))
    var second = LineRun(scratch.file("run"))
    second.plan.log = scratch.file("steps.jsonl")
    try second.run()
    let all = try lines("steps.jsonl")
    #expect(all.count == 20 && Array(all[..<4]) == early && !all[4].contains(":9"))
  }

  @Test func stopsWhereTheLossIsNotANumber() throws {
    let run = LineRun(scratch.file("run"))
    run.engine.badStep = 11
    let text = message { () throws(Diagnostic) in
      do { try run.run() } catch let error as Diagnostic { throw error } catch {}
    }
    #expect(text?.contains("the loss of step 11 is nan") == true)
    let last = try Safetensors.read(scratch.file("run/last.safetensors"))
    #expect(last.metadata["training"]?.contains("\"step\":\"8\"") == true)
    #expect(try last.floats("line").values.allSatisfy { $0.isFinite })
  }

  @Test func oneProcessForEachDirectory() throws {
    let directory = try RunDirectory(scratch.file("run"))
    let text = message { () throws(Diagnostic) in _ = try RunDirectory(scratch.file("run")) }
    #expect(text?.contains("another process") == true)
    _ = directory
  }

  @Test func aDirectoryIsFreeThoughAnotherProgramHasItsDescriptors() throws {
    var directory: RunDirectory? = try RunDirectory(scratch.file("run"))
    let copies = try DescriptorCopies(ofFilesIn: scratch.file("run"))
    #expect(directory != nil && !copies.descriptors.isEmpty)
    directory = nil
    directory = try RunDirectory(scratch.file("run"))
    withExtendedLifetime((directory, copies)) {}
  }

  @Test func aDirectoryThatIsInUseIsRefused() throws {
    let path = scratch.file("run")
    try RunDirectory.check(path, resumes: false)
    try RunDirectory.check(path, resumes: true)
    try LineRun(path).run()
    #expect(throws: Diagnostic.self) { try RunDirectory.check(path, resumes: false) }
    try RunDirectory.check(path, resumes: true)
    try AtomicFile.write("text", to: scratch.file("file"))
    for other in [scratch.path, scratch.file("file")] {
      for resumes in [false, true] {
        #expect(throws: Diagnostic.self) { try RunDirectory.check(other, resumes: resumes) }
      }
    }
  }

  @Test func leftoversOfAKilledProcessGo() throws {
    try LineRun(scratch.file("run"), steps: 3).run()
    let leftover = scratch.file("run/checkpoints/.rephase-1-1.tmp")
    try AtomicFile.write("half", to: leftover)
    try LineRun(scratch.file("run")).run()
    #expect(!FileManager.default.fileExists(atPath: leftover))
  }
}
