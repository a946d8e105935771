import CodeGen
import Diagnostics
import GraphIR
import LoopIR
import Schedules

/// Carries a model forward to a stage and writes it there.
public struct StageWriter {
  private let pipeline: Pipeline

  init(_ pipeline: Pipeline) { self.pipeline = pipeline }

  public init(
    target: Target, precision: Precision = .standard, choices: ScheduleChoices? = nil
  ) {
    pipeline = Pipeline(target: target, precision: precision, choices: choices)
  }

  /// Throws where the model is past the stage already.
  public func text(of model: StagedModel, at stage: Stage) throws(Diagnostic) -> String {
    switch stage {
    case .graph:
      guard case .graph(let function) = model else { throw Pipeline.past(stage) }
      return GraphPrinter.text(Module([function]))
    case .optimized:
      guard case .graph(let function) = model else { throw Pipeline.past(stage) }
      return GraphPrinter.text(Module([try pipeline.optimized(function)]))
    case .loops: return LoopPrinter.text(try pipeline.plain(model))
    case .scheduled:
      if case .graph = model { return LoopPrinter.text(try pipeline.scheduled(model)) }
      if case .loops = model { return LoopPrinter.text(try pipeline.scheduled(model)) }
      throw Pipeline.past(stage)
    case .llvm: return try llvm(model)
    case .asm: return try assembly(model)
    case .ptx: return try ptx(model)
    }
  }

  private func llvm(_ model: StagedModel) throws(Diagnostic) -> String {
    switch model {
    case .graph, .loops:
      return try pipeline.code(try pipeline.scheduled(model), hidden: true).text
    case .llvm(let text, _): return text
    case .assembly, .ptx: throw Pipeline.past(.llvm)
    }
  }

  private func ptx(_ model: StagedModel) throws(Diagnostic) -> String {
    guard pipeline.target.gpu != nil else {
      throw Diagnostic(
        "the target \(pipeline.target.name) has no stage 'ptx'", help: "give --target sm_90")
    }
    let module = try pipeline.scheduled(model)
    switch model {
    case .graph, .loops:
      return try PTXDump.text(try pipeline.code(module, hidden: true), module, pipeline)
    case .llvm(let text, _):
      return try PTXDump.text(
        try GeneratedCode(parsing: text, target: pipeline.target), module, pipeline)
    case .ptx(let text, _): return text
    case .assembly: throw Pipeline.past(.ptx)
    }
  }

  private func assembly(_ model: StagedModel) throws(Diagnostic) -> String {
    guard pipeline.target.gpu == nil else {
      throw Diagnostic(
        "the target \(pipeline.target.name) has no stage 'asm'", help: "choose the stage ptx")
    }
    let module = try pipeline.scheduled(model)
    switch model {
    case .graph, .loops:
      return try Assembly.dump(try pipeline.code(module, hidden: true), module, pipeline)
    case .llvm(let text, _):
      return try Assembly.dump(
        try GeneratedCode(parsing: text, target: pipeline.target), module, pipeline)
    case .assembly(let text, _): return text
    case .ptx: throw Pipeline.past(.asm)
    }
  }
}
