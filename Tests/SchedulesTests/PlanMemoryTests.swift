import CodeGen
import LoopIR
import Testing

@testable import Schedules

/// Places in the arena: whatever the calls, no two buffers that are alive together share a byte.
@Suite struct PlanMemoryTests {
  /// A module of calls that read and write temporaries of the given sizes; kernels do not matter here.
  private func module(_ bytes: [Int], calls: [[Int]]) -> LoopModule {
    LoopModule(
      name: "plan",
      buffers: bytes.enumerated().map { number, count in
        ModuleBuffer(Buffer("t\(number)", .f32, extents: [count / 4]), .temporary(offset: nil))
      },
      run: calls.map { .call("k", $0.map { "t\($0)" }) })
  }

  private func rounded(_ bytes: Int) -> Int { (bytes + 63) / 64 * 64 }

  private func offsets(_ module: LoopModule) throws -> [Int] {
    try module.buffers.map { item in
      guard case .temporary(let offset) = item.role else { return 0 }
      return try #require(offset)
    }
  }

  /// A few buffers, each used in one to three calls; linear congruential numbers by seed.
  private func random(seed: UInt64) -> (bytes: [Int], calls: [[Int]]) {
    var state = seed
    func next(_ range: Range<Int>) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return range.lowerBound + Int(state >> 33) % range.count
    }
    let bytes = (0..<next(1..<12)).map { _ in 4 * next(1..<200) }
    var calls = [[Int]](repeating: [], count: next(2..<14))
    for buffer in bytes.indices {
      for _ in 0..<next(1..<4) { calls[next(0..<calls.count)].append(buffer) }
    }
    return (bytes, calls)
  }

  @Test(arguments: Array(UInt64(1)...300))
  func liveBuffersDoNotOverlap(seed: UInt64) throws {
    let (bytes, calls) = random(seed: seed)
    let planned = PlanMemory.apply(to: module(bytes, calls: calls))
    let offsets = try offsets(planned)
    let lives = bytes.indices.map { buffer in
      let uses = calls.indices.filter { calls[$0].contains(buffer) }
      return (uses.first ?? 0)...(uses.last ?? 0)
    }
    for a in bytes.indices {
      #expect(offsets[a] >= 0 && offsets[a] % PlanMemory.alignment == 0)
      for b in bytes.indices where b < a && lives[a].overlaps(lives[b]) {
        let apart =
          offsets[a] + bytes[a] <= offsets[b] || offsets[b] + bytes[b] <= offsets[a]
        #expect(apart, "buffers \(b) and \(a)")
      }
    }
    let sum = bytes.map(rounded).reduce(0, +)
    let arena = try planned.workspaceByteCount()
    #expect(arena <= sum)
    #expect(arena >= (bytes.map(rounded).max() ?? 0))
    #expect(planned == PlanMemory.apply(to: planned), "planning again changes nothing")
  }

  @Test(arguments: [2, 3, 4, 9, 30])
  func aChainNeedsTwoPlaces(length: Int) throws {
    let bytes = [Int](repeating: 400, count: length)
    let calls = [[0]] + (1..<length).map { [$0 - 1, $0] } + [[length - 1]]
    let planned = PlanMemory.apply(to: module(bytes, calls: calls))
    #expect(try planned.workspaceByteCount() == 2 * rounded(400))
  }

  @Test func aModuleWithoutTemporariesNeedsNothing() throws {
    #expect(try PlanMemory.apply(to: LoopModule(name: "empty")).workspaceByteCount() == 0)
  }

  @Test(arguments: targetNames)
  func theInterpreterSeesNoSharedByteReadAfterAnotherWrite(target: String) throws {
    // Temporaries that share bytes become undefined when another one is written; a wrong plan throws here.
    let item = KernelCase.poolings
    let module = Scheduler.schedule(try item.plain(), for: try Targets.resolve(target))
    let offsets = try offsets(
      LoopModule(
        name: "temporaries",
        buffers: module.buffers.filter {
          if case .temporary = $0.role { return true } else { return false }
        }))
    #expect(Set(offsets).count < offsets.count, "some memory is shared")
    _ = try LoopInterpreter.run(module, parameters: try item.weights, inputs: try item.inputs)
  }
}
