import CodeGen
import Diagnostics
import Foundation
import GraphIR
import LoopIR
import Testing

@testable import Compiler

/// Dumps of every stage: recognized by their content, read back, and continued from.
@Suite struct DumpTests {
  private func kind(_ model: StagedModel) -> String {
    switch model {
    case .graph: return "graph"
    case .loops(let module): return module.scheduledFor == nil ? "loops" : "scheduled"
    case .llvm: return "llvm"
    case .assembly: return "asm"
    case .ptx: return "ptx"
    }
  }

  @Test(arguments: textStages)
  func everyStageIsRecognized(_ stage: Stage) throws {
    let model = try DumpReader.read(try dump(try sampleModel(), stage), file: "dump")
    #expect(kind(model) == (stage == .optimized ? "graph" : stage.rawValue))
    #expect(model.name == "small")
  }

  @Test(arguments: textStages, textStages)
  func laterStagesFollowFromEarlierOnes(_ from: Stage, _ to: Stage) throws {
    let order = textStages.firstIndex(of: from) ?? 0
    let model = try DumpReader.read(try dump(try sampleModel(), from), file: "dump")
    // An optimized graph cannot be told from a graph as written, and its standard passes change nothing more.
    let isPast =
      (textStages.firstIndex(of: to) ?? 0) < order && !(from == .optimized && to == .graph)
    if isPast {
      #expect {
        _ = try dump(model, to)
      } throws: { error in
        "\(error)".contains("the dump is past the stage '\(to.rawValue)'")
          && "\(error)".contains("help: choose a later stage")
      }
    } else if from != .optimized || to != .graph {
      #expect(try dump(model, to) == (try dump(try sampleModel(), to)))
    }
  }

  @Test func processorsHaveNoPTX() throws {
    #expect(throws: Diagnostic.self) { _ = try dump(try sampleModel(), .ptx) }
  }

  @Test(arguments: [Stage.graph, .optimized, .loops, .scheduled, .llvm, .ptx])
  func everyStageOfAGPUContinuesToTheSamePTX(_ stage: Stage) throws {
    let writer = StageWriter(target: try Targets.resolve("sm_90"), precision: .strict)
    let text = try writer.text(of: try sampleModel(), at: stage)
    let model = try DumpReader.read(text, file: "dump")
    #expect(try writer.text(of: model, at: .ptx) == writer.text(of: try sampleModel(), at: .ptx))
  }

  @Test func aPTXDumpHasItsLaunches() throws {
    let writer = StageWriter(target: try Targets.resolve("sm_90"), precision: .strict)
    let text = try writer.text(of: try sampleModel(), at: .ptx)
    guard case .ptx(_, let interface) = try DumpReader.read(text, file: "dump") else {
      Issue.record("no PTX")
      return
    }
    let scheduled = try Pipeline(target: try Targets.resolve("sm_90"), precision: .strict)
      .scheduled(try sampleModel())
    let launches = try DeviceProgram(interface).launches
    #expect(launches.map(\.grid) == (try DeviceProgram(scheduled).launches.map(\.grid)))
    #expect(launches.map(\.arguments) == [["x", "w.1", "b.1", "y"]])
    #expect(launches.allSatisfy { text.contains(".entry \($0.entry)(") })
    #expect(throws: Diagnostic.self) { try DumpReader.read(String(text.dropLast(5)), file: "dump") }
  }

  @Test(arguments: [Stage.graph, .loops, .scheduled])
  func commentsMayStandFirst(_ stage: Stage) throws {
    let text = "// my notes\n\n  // and more\n" + (try dump(try sampleModel(), stage))
    #expect(kind(try DumpReader.read(text, file: "dump")) == stage.rawValue)
  }

  @Test(arguments: [Stage.llvm, .asm])
  func codeCarriesItsInterface(_ stage: Stage) throws {
    let scheduled = try Pipeline(target: try v3()).scheduled(try sampleModel())
    let expected = try Pipeline(target: try v3()).interface(of: scheduled)
    let model = try DumpReader.read(try dump(try sampleModel(), stage), file: "dump")
    switch model {
    case .llvm(_, let interface), .assembly(_, let interface): #expect(interface == expected)
    default: Issue.record("no code")
    }
    #expect(expected.buffers == scheduled.buffers)
    #expect(expected.prepare == scheduled.prepare)
    #expect(expected.run.isEmpty)
    #expect(expected.scheduledFor == "x86-64-v3")
  }

  @Test func aDamagedInterfaceIsSaidToBe() throws {
    let text = try dump(try sampleModel(), .asm).replacingOccurrences(
      of: "#|   input %x", with: "#|   in put %x")
    #expect {
      _ = try DumpReader.read(text, file: "small.s")
    } throws: { error in
      "\(error)".contains("the interface in the dump is damaged")
        && "\(error)".contains("(small.s") && "\(error)".contains("help: write the dump again")
    }
  }

  @Test(arguments: ["", "hello", "{}", "\u{0}\u{1}", "define void @f() { ret void }"])
  func otherTextsAreNoDumps(_ text: String) {
    #expect(throws: Diagnostic.self) { _ = try DumpReader.read(text, file: "text") }
  }

  @Test func loopsThatDoNotVerifyNameTheirFile() {
    let text = """
      rephase_loops 1
      module @m { kernel @k(out %y: f32[2]) { %y[%i] = f32 0.0 } }
      """
    #expect {
      _ = try DumpReader.read(text, file: "wrong.loops")
    } throws: { error in
      "\(error)".contains("[L4]") && "\(error)".contains("(wrong.loops")
    }
  }
}
