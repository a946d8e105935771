import CodeGen
import Diagnostics
import GraphIR
import GraphPasses
import LoopIR
import Schedules

/// A pass as `rephase opt --list-passes` shows it.
public struct PassDescription: Sendable {
  public var stage: String
  public var name: String
  public var summary: String
}

public enum PassList {
  static let simplify = PassDescription(
    stage: "loops", name: "simplify", summary: "Folds index arithmetic and decided conditions.")
  static let layouts = PassDescription(
    stage: "loops", name: "layouts",
    summary: "Lays out temporaries and constants in the order in which kernels read them.")
  static let schedule = PassDescription(
    stage: "loops", name: "schedule",
    summary: "Layouts, register tiles, vectors, threads and the memory plan for the target.")
  static let planMemory = PassDescription(
    stage: "loops", name: "plan-memory", summary: "Gives temporaries their places in one arena.")
  static let optimize = PassDescription(
    stage: "llvm", name: "llvm-o3", summary: "LLVM's own passes for the target.")

  /// Graph passes first, then loop passes, then LLVM's.
  public static let all: [PassDescription] =
    GraphPasses.all.map {
      PassDescription(stage: "graph", name: $0.name, summary: $0.summary)
    } + [layouts, planMemory, schedule, simplify, optimize]
}

/// Runs passes by name on a dump of any stage.
public struct PassRunner {
  private let target: Target
  private let precision: Precision

  public init(target: Target, precision: Precision = .standard) {
    self.target = target
    self.precision = precision
  }

  /// The text of the result at the same stage; `changed` gets the text after each pass that changed something.
  ///
  /// Without names the standard passes of the stage run. The verifier runs after each pass.
  public func run(
    _ names: [String]?, on model: StagedModel,
    changed: (_ pass: String, _ text: String) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> String {
    switch model {
    case .graph(let function):
      var passes = Pipeline(target: target).graphPasses
      if let names {
        passes = []
        for name in names { passes.append(try GraphPasses.named(name)) }
      }
      let result = try GraphPasses.run(passes, on: function) {
        (pass, function) throws(Diagnostic) in
        try changed(pass, GraphPrinter.text(Module([function])))
      }
      return GraphPrinter.text(Module([result]))
    case .loops(var module):
      for name in names ?? [PassList.schedule.name] {
        let result = try apply(name, to: module)
        try LoopVerifier.verify(result)
        if result != module { try changed(name, LoopPrinter.text(result)) }
        module = result
      }
      return LoopPrinter.text(module)
    case .llvm(let text, _):
      for name in names ?? [PassList.optimize.name] where name != PassList.optimize.name {
        throw unknown(name, Self.llvmPasses)
      }
      let code = try GeneratedCode(parsing: text, target: target)
      try code.optimize()
      if code.text != text { try changed(PassList.optimize.name, code.text) }
      return code.text
    case .assembly, .ptx:
      throw Diagnostic(
        "assembly is the last stage; there are no passes on it",
        help: "run passes on an earlier dump, then 'rephase emit --stage asm' or 'ptx'")
    }
  }

  /// Throws, with the choices, where there is no such pass for the model's stage.
  public func check(_ names: [String], for model: StagedModel) throws(Diagnostic) {
    for name in names {
      switch model {
      case .graph: _ = try GraphPasses.named(name)
      case .loops:
        let known = PassList.all.contains { $0.stage == "loops" && $0.name == name }
        guard known else { throw unknown(name, Self.loopPasses) }
      case .llvm:
        guard name == PassList.optimize.name else { throw unknown(name, Self.llvmPasses) }
      case .assembly, .ptx: return
      }
    }
  }

  private static let loopPasses = "loop dumps take layouts, plan-memory, schedule and simplify"
  private static let llvmPasses = "LLVM IR dumps take llvm-o3"

  private func apply(_ name: String, to module: LoopModule) throws(Diagnostic) -> LoopModule {
    switch name {
    case PassList.simplify.name:
      var result = module
      for index in result.kernels.indices {
        result.kernels[index].body = result.kernels[index].body.simplified()
      }
      return result
    case PassList.layouts.name:
      return AssignLayouts.apply(to: module, target: target, precision: precision)
    case PassList.planMemory.name: return PlanMemory.apply(to: module)
    case PassList.schedule.name:
      return try Pipeline(target: target, precision: precision).scheduled(module)
    default: throw unknown(name, Self.loopPasses)
    }
  }

  private func unknown(_ name: String, _ help: String) -> Diagnostic {
    Diagnostic("there is no pass '\(name)' for this stage", help: help)
  }
}
