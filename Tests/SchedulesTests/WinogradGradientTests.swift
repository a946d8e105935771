import CodeGen
import LoopIR
import Operations
import Tensors
import Testing

@testable import Schedules

/// Gradients of 3x3 kernels by Winograd's algorithm against the plain loops and the float64 reference.
@Suite struct WinogradGradientTests {
  /// Sizes that tiles divide and sizes that they do not, paddings, batches, few and many channels.
  static let cases: [KernelCase] =
    [(8, 8), (9, 11), (3, 3), (12, 6)].map { .kernelGradient(8, 16, size: $0) }
    + [
      .kernelGradient(16, 8, size: (7, 9), padding: [0, 0, 0, 0]),
      .kernelGradient(4, 12, size: (6, 6), padding: [2, 1, 0, 2]),
      .kernelGradient(8, 8, size: (5, 10), batch: 3), .kernelGradient(24, 16, size: (4, 13)),
      .kernelGradient(4, 4, size: (44, 48), batch: 1),
    ]

  private enum Choice: CaseIterable { case smallest, best, mostTasks }

  private func scheduled(
    _ item: KernelCase, _ target: Target, _ transform: WinogradTransform, _ wanted: Choice
  ) throws -> LoopModule {
    let choice = WinogradGradientChoice(target: target, transforms: [transform])
    let plain = AssignLayouts.apply(to: try item.plain(), target: target)
    let result = SplitSums.apply(to: plain, target: target) { nest in
      let shapes = choice.shapes(for: nest)
      switch wanted {
      case .smallest: return shapes.first
      case .best: return shapes.min { choice.cycles(nest, $0) < choice.cycles(nest, $1) }
      case .mostTasks:
        return shapes.max {
          WinogradGradient.Division(nest, $0).tasks < WinogradGradient.Division(nest, $1).tasks
        }
      }
    }
    #expect(LoopPrinter.text(result).contains("_winograd\(transform.label)_parts("))
    return PlanMemory.apply(to: result)
  }

  /// Every case with F(4), and some with F(2).
  static let combinations: [(KernelCase, WinogradTransform)] =
    cases.map { ($0, WinogradTransform.all[1]) }
    + [cases[1], cases[5]].map { ($0, WinogradTransform.all[0]) }

  @Test(arguments: combinations)
  func valuesAreThoseOfThePlainLoops(_ item: KernelCase, transform: WinogradTransform) throws {
    let expected = try LoopInterpreter.run(
      try item.plain(), parameters: [:], inputs: try item.inputs)
    for (name, choice) in zip(targetNames, Choice.allCases) {
      let module = try scheduled(item, try Targets.resolve(name), transform, choice)
      try LoopVerifier.verify(module)
      let actual = try LoopInterpreter.run(module, parameters: [:], inputs: try item.inputs)
      #expect(largestError(actual, expected) <= 64, "\(name)")
      let text = LoopPrinter.text(module)
      #expect(try LoopParser.parseModule(text, file: "winograd.loops") == module)
    }
  }

  @Test(arguments: combinations)
  func machineCodeComputesTheReference(_ item: KernelCase, transform: WinogradTransform) throws {
    let target = try Targets.resolve("native")
    for choice in Choice.allCases {
      let module = try scheduled(item, target, transform, choice)
      #expect(try item.nativeError(of: module, for: target) <= 64)
    }
  }

  /// Large images are worth it; strict precision sums directly, as do other taps, strides and few channels.
  @Test func isChosenWhereItIsFaster() throws {
    let large = KernelCase.kernelGradient(32, 32, size: (48, 64))
    for name in targetNames {
      let target = try Targets.resolve(name)
      func text(_ item: KernelCase, _ precision: Precision = .standard) throws -> String {
        LoopPrinter.text(
          Scheduler.schedule(try item.plain(), for: target, precision: precision))
      }
      #expect(try text(large).contains("_winograd4x4_sum("))
      #expect(try !text(large, .strict).contains("winograd"))
      for other: KernelCase in [
        .kernelGradient(32, 32, kernel: 5, size: (24, 24)),
        .kernelGradient(1, 32, size: (48, 64)), .kernelGradient(32, 1, size: (48, 64)),
      ] {
        #expect(try !text(other).contains("winograd"), "\(other)")
      }
    }
  }
}
