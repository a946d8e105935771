import Diagnostics
import RealModule
import Testing

@testable import Tensors

/// Files with random damage: every one is read or gives a Diagnostic; none stops the program.
@Suite struct MutationTests {
  private struct Mutator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 29
    }

    mutating func damaged(_ bytes: [UInt8]) -> [UInt8] {
      var copy = bytes
      for _ in 0...Int.random(in: 0..<4, using: &self) where !copy.isEmpty {
        let place = Int.random(in: 0..<copy.count, using: &self)
        switch Int.random(in: 0..<6, using: &self) {
        case 0: copy[place] ^= 1 << UInt8.random(in: 0..<8, using: &self)
        case 1: copy[place] = UInt8.random(in: 0...255, using: &self)
        case 2: copy.removeSubrange(place...)
        case 3: copy.insert(copy[place], at: place)
        case 4: copy.remove(at: place)
        default:
          let end = min(copy.count, place + 8)
          for index in place..<end { copy[index] = 0xFF }
        }
      }
      return copy
    }
  }

  private func read(
    _ bytes: [UInt8], seed: UInt64, _ reader: ([UInt8]) throws(Diagnostic) -> Void
  ) -> Int {
    var mutator = Mutator(state: seed)
    var refused = 0
    for _ in 0..<1200 {
      let damaged = mutator.damaged(bytes)
      do throws(Diagnostic) { try reader(damaged) } catch { refused += 1 }
    }
    return refused
  }

  @Test func npy() throws {
    let tensor = AnyTensor.float32(try Tensor(try Shape([2, 3]), [1, 2, 3, 4, 5, 6]))
    let refused = read(NpyFile.encode(tensor), seed: 1) { (bytes) throws(Diagnostic) in
      _ = try NpyFile.decode(bytes, at: here)
    }
    #expect(refused > 400)
  }

  @Test(arguments: [false, true]) func npz(deflating: Bool) throws {
    let bytes = try NpzFile.encode(try NpzTests.arrays(), deflating: deflating)
    // The directory is damaged as often as the data.
    let directory = NpzTests.directory(bytes)
    let refused = read(Array(bytes[directory...]), seed: 2) { (damaged) throws(Diagnostic) in
      let file = try NpzFile(Array(bytes[..<directory]) + damaged, path: "t")
      for name in file.names { _ = try file.array(name) }
    }
    #expect(refused > 400)
    let inData = read(bytes, seed: 3) { (damaged) throws(Diagnostic) in
      let file = try NpzFile(damaged, path: "t")
      for name in file.names { _ = try file.array(name) }
    }
    #expect(inData > 400)
  }

  @Test func safetensors() throws {
    let tensor = AnyTensor.float32(try Tensor(try Shape([2, 3]), [1, 2, 3, 4, 5, 6]))
    let bytes = try Safetensors.encode(
      [("a.weight", tensor), ("b.weight", tensor)], metadata: ["k": "v"])
    let refused = read(bytes, seed: 4) { (damaged) throws(Diagnostic) in
      let file = try Safetensors(damaged, path: "t")
      for name in file.names { _ = try file.floats(name, converting: true) }
    }
    #expect(refused > 400)
  }
}
