import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite struct CheckpointTests {
  private static func state(_ step: Int = 7) throws -> TrainingState {
    let shape = try Shape([2])
    var state = TrainingState(
      step: step, weights: ["a.weight": try Tensor(shape, [1, -0.0])],
      optimizer: ["a.weight/ms": try Tensor(shape, [1e-38, 3])],
      settings: ["loss": "l1", "odd \"name\"": "x\n"])
    state.history.losses = (0..<step).map { 1 / Float($0 + 1) }
    state.history.epochs = [.init(step: 4, training: 0.5, validation: .nan)]
    return state
  }

  @Test func comesBackBitForBit() throws {
    for state in [
      try Self.state(), TrainingState(step: 0, weights: [:], optimizer: [:], settings: [:]),
    ] {
      let bytes = try Checkpoint.encode(state)
      #expect(try Checkpoint.decode(bytes, path: "c") == state)
      #expect(try Checkpoint.encode(state) == bytes)
    }
  }

  @Test func everyBitAndEveryLengthCounts() throws {
    let bytes = try Checkpoint.encode(try Self.state())
    for place in bytes.indices {
      var flipped = bytes
      flipped[place] ^= 1 << UInt8(place % 8)
      #expect(throws: Diagnostic.self) { try Checkpoint.decode(flipped, path: "c") }
      #expect(throws: Diagnostic.self) { try Checkpoint.decode(Array(bytes[..<place]), path: "c") }
    }
    #expect(throws: Diagnostic.self) { try Checkpoint.decode(bytes + [0], path: "c") }
  }

  @Test func theLastGoodOneIsTaken() throws {
    let scratch = try Scratch()
    let store = CheckpointStore(directory: scratch.path, keep: 3)
    for step in [1, 2, 3, 4] { try store.save(try Self.state(step)) }
    #expect(!FileManager.default.fileExists(atPath: store.path(1)))
    try Array(try FileBytes.read(store.path(4)).dropLast(5)).write(store.path(4))
    var third = try FileBytes.read(store.path(3))
    third[third.count / 2] ^= 4
    try third.write(store.path(3))
    var messages: [String] = []
    let state = try store.latest { messages.append($0.description) }
    #expect(try state == Self.state(2))
    #expect(messages.count == 2 && messages.allSatisfy { $0.contains("checksum") })
    // What lies after the one that training goes on from is given up.
    try store.save(try Self.state(3))
    #expect(!FileManager.default.fileExists(atPath: store.path(4)))
    #expect(try store.latest { _ in Issue.record("3 is good") }?.step == 3)
  }

  @Test func noneAtAllDiffersFromNoGoodOne() throws {
    let scratch = try Scratch()
    let store = CheckpointStore(directory: scratch.path, keep: 3)
    #expect(try store.latest { _ in } == nil)
    try store.save(try Self.state(1))
    try [UInt8]().write(store.path(1))
    #expect(
      message { () throws(Diagnostic) in _ = try store.latest { _ in } }?.contains("none") == true)
    // A good file under another step's name would lead back in time.
    try Checkpoint.encode(try Self.state(5)).write(store.path(1))
    #expect(
      message { () throws(Diagnostic) in _ = try store.latest { _ in } }?.contains("none") == true)
  }
}

extension [UInt8] {
  /// Straight to the file, as damage is done.
  func write(_ path: String) throws { try Data(self).write(to: URL(fileURLWithPath: path)) }
}
