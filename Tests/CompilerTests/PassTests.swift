import CodeGen
import Compiler
import Diagnostics
import GraphIR
import LoopIR
import Testing

/// Passes by name on dumps of each stage.
@Suite struct PassTests {
  private func run(
    _ names: [String]?, on model: StagedModel
  ) throws -> (text: String, changes: [String]) {
    var changes: [String] = []
    let text = try PassRunner(target: try v3()).run(names, on: model) { name, _ in
      changes.append(name)
    }
    return (text, changes)
  }

  @Test func standardPassesLeadToTheNextStage() throws {
    let model = try sampleModel()
    #expect(try run(nil, on: model).text == (try dump(model, .optimized)))
    let loops = try DumpReader.read(try dump(model, .loops), file: "small.loops")
    #expect(try run(nil, on: loops).text == (try dump(model, .scheduled)))
  }

  @Test func onlyPassesThatChangedSomethingAreReported() throws {
    #expect(try run(["cse", "dce", "fuse", "dce"], on: try sampleModel()).changes == ["fuse"])
    let loops = try DumpReader.read(try dump(try sampleModel(), .loops), file: "small.loops")
    let result = try run(["plan-memory", "schedule", "schedule"], on: loops)
    #expect(result.changes == ["schedule"], "there is no temporary to plan")
  }

  @Test func noPassesGiveTheSameText() throws {
    for stage in [Stage.graph, .optimized, .loops, .scheduled] {
      let text = try dump(try sampleModel(), stage)
      #expect(try run([], on: try DumpReader.read(text, file: "dump")).text == text)
    }
  }

  @Test(arguments: zip([Stage.graph, .loops, .llvm], ["schedule", "fuse", "cse"]))
  func passesOfOtherStagesAreUnknown(_ stage: Stage, _ pass: String) throws {
    let model = try DumpReader.read(try dump(try sampleModel(), stage), file: "dump")
    #expect {
      _ = try run([pass], on: model)
    } throws: { error in
      "\(error)".contains("'\(pass)'") && "\(error)".contains("\nhelp: ")
    }
  }

  @Test func assemblyTakesNone() throws {
    let model = try DumpReader.read(try dump(try sampleModel(), .asm), file: "small.s")
    #expect {
      _ = try run(nil, on: model)
    } throws: { error in
      "\(error)".contains("assembly is the last stage")
    }
  }

  @Test func everyListedPassRuns() throws {
    // Differentiation takes functions of another kind; GraphPassesTests run it.
    for pass in PassList.all where pass.name != "differentiate" {
      let stage: Stage = pass.stage == "graph" ? .graph : pass.stage == "loops" ? .loops : .llvm
      let model = try DumpReader.read(try dump(try sampleModel(), stage), file: "dump")
      let result = try run([pass.name], on: model).text
      #expect(try DumpReader.read(result, file: "result").name == "small", "\(pass.name)")
    }
  }
}
