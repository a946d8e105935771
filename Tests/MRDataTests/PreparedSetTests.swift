import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@testable import MRData

@Suite struct PreparedSetTests {
  /// Three subjects of 3 to 5 frames, prepared.
  private func prepared(
    in scratch: Scratch, _ change: (inout Preparation) -> Void = { _ in }
  ) throws -> PreparedSet {
    var paths: [String] = []
    for (number, name) in ["a", "b", "c"].enumerated() {
      let shape = try Shape([3 + number, 16, 12])
      let values = ramp(shape.elementCount).map { Float($0 + 1) * Float(number + 1) }
      paths.append(scratch.file("\(name).npy"))
      try NpyFile.write(.float32(try Tensor(shape, values)), to: paths[number])
    }
    var preparation = Preparation()
    preparation.recipe.size = ImageSize(height: 8, width: 10)
    preparation.recipe.pattern = .regular(every: 2, centre: 2, offset: 0)
    preparation.split = .given(validation: ["b"], test: ["c"])
    change(&preparation)
    let directory = scratch.file("set")
    _ = try preparation.write(try Subject.find(paths), to: directory)
    return try PreparedSet(directory)
  }

  @Test func readsImagesInAnyOrder() throws {
    let scratch = try Scratch()
    defer { withExtendedLifetime(scratch) {} }
    let set = try prepared(in: scratch)
    #expect(PreparedSet.Part.allCases.map(set.count) == [3, 4, 5])
    #expect(set.shape == [1, 8, 10])
    #expect(PreparedSet.isPreparedSet(set.directory))
    let all = try set.images(.test, [0, 1, 2, 3, 4])
    let some = try set.images(.test, [4, 1, 2, 1])
    #expect(some.input.shape.extents == [4, 1, 8, 10])
    for (place, index) in [4, 1, 2, 1].enumerated() {
      let (here, there) = (place * 80..<(place + 1) * 80, index * 80..<(index + 1) * 80)
      #expect(some.input.values[here] == all.input.values[there])
      #expect(some.target.values[here] == all.target.values[there])
    }
    #expect(try set.subjects(.validation) == ["b", "b", "b", "b"])
  }

  @Test func scalesBackToUnits() throws {
    let scratch = try Scratch()
    let set = try prepared(in: scratch)
    let (input, target) = try set.images(.validation, [2])
    let scaling = try set.scalings(.validation)[2]
    let scan = try ScanReader.read(scratch.file("b.npy"))
    let size = ImageSize(height: 8, width: 10)
    let truth = try Preparation.reference(
      scan, frame: 2, size: size, recipe: Reconstruction())
    #expect(maximumError(target.values.map(scaling.invert), truth.values) < 1e-6)
    #expect(input.values.min() == 0 && input.values.max() == 1)
  }

  @Test func choosesImagesBySeed() throws {
    func chosen(_ seed: UInt64) throws -> [Float] {
      let scratch = try Scratch()
      defer { withExtendedLifetime(scratch) {} }
      let set = try prepared(in: scratch) {
        $0.trainImages = 2
        $0.seed = seed
      }
      #expect(set.count(.train) == 2)
      #expect(set.manifest.parts["train"]?.available == 3)
      return try set.images(.train, [0, 1]).input.values
    }
    #expect(try chosen(1) == chosen(1))
  }

  @Test func refusesOtherImages() throws {
    let scratch = try Scratch()
    defer { withExtendedLifetime(scratch) {} }
    let set = try prepared(in: scratch)
    let path = set.directory + "/images.h5"
    var bytes = try FileBytes.read(path)
    bytes[bytes.count - 1] ^= 1
    try AtomicFile.write(bytes, to: path)
    let found = message { () throws(Diagnostic) in _ = try PreparedSet(set.directory) }
    #expect(found?.contains("not those that the manifest") == true)
    try AtomicFile.write("{}", to: set.directory + "/manifest.json")
    let none = message { () throws(Diagnostic) in _ = try PreparedSet(set.directory) }
    #expect(none == "this is no manifest of a prepared set")
  }

  @Test func splitsBySubject() throws {
    let subjects = (0..<53).map { Subject(name: "\($0)", scans: []) }
    let parts = try SubjectSplit.seed(4).parts(of: subjects)
    #expect(PreparedSet.Part.allCases.map { part in parts.count { $0 == part } } == [27, 7, 19])
    #expect(try SubjectSplit.seed(4).parts(of: subjects) == parts)
    #expect(try SubjectSplit.seed(5).parts(of: subjects) != parts)
    #expect(try SubjectSplit.seed(1).parts(of: [subjects[0]]) == [.train])
  }
}
