import ComplexModule
import Diagnostics
import Foundation
import RealModule
import TestSupport
import Testing

@testable import Tensors

@Suite struct FileTests {
  @Test func readsWhatWasWritten() throws {
    let scratch = try Scratch()
    let path = scratch.file("a.bin")
    try AtomicFile.write([1, 2, 3], to: path)
    try AtomicFile.write([4, 5], to: path)
    #expect(try FileBytes.read(path) == [4, 5])
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["a.bin"])
    let limit = message { () throws(Diagnostic) in _ = try FileBytes.read(path, limit: 1) }
    #expect(limit?.contains("has 2 bytes, more than the 1") == true)
  }

  @Test func keepsALinkAndWritesItsTarget() throws {
    let scratch = try Scratch()
    try AtomicFile.write([1], to: scratch.file("real"))
    try FileManager.default.createSymbolicLink(
      atPath: scratch.file("link"), withDestinationPath: scratch.file("real"))
    try AtomicFile.write([2], to: scratch.file("link"))
    #expect(try FileBytes.read(scratch.file("real")) == [2])
  }

  @Test func saysWhyAFileCannotBeRead() throws {
    let scratch = try Scratch()
    func reading(_ path: String) -> String? {
      message { () throws(Diagnostic) in _ = try FileBytes.read(path) }
    }
    #expect(reading(scratch.file("none")) == "there is no such file")
    #expect(reading(scratch.path)?.contains("directory") == true)
    #expect(reading("/dev/null") == "this is not a regular file")
    #expect(reading("") != nil)
    #expect(reading("a\0b") != nil)
    #expect(reading(String(repeating: "x", count: 10_000)) != nil)
  }

  @Test func leavesNothingWhereAWriteFails() throws {
    let scratch = try Scratch()
    func writing(_ path: String) -> String? {
      message { () throws(Diagnostic) in try AtomicFile.write([1], to: path) }
    }
    #expect(writing(scratch.path)?.contains("directory") == true)
    #expect(writing(scratch.file("none/a"))?.contains("does not exist") == true)
    #expect(writing(scratch.file("a/")) != nil)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == [])
    #expect(writing("/dev/null") == nil)
    #expect(writing("/dev/full")?.contains("cannot be written") == true)
  }

  @Test func convertsWhereItMeansSomething() throws {
    let shape = try Shape([2])
    #expect(try AnyTensor.int16(try Tensor(shape, [-1, 2])).floats().values == [-1, 2])
    #expect(try AnyTensor.bool(try Tensor(shape, [true, false])).doubles().values == [1, 0])
    #expect(throws: Diagnostic.self) {
      try AnyTensor.int16(Tensor(shape, repeating: 1)).complexFloats()
    }
    #expect(throws: Diagnostic.self) {
      try AnyTensor.complex64(Tensor(shape, repeating: .zero)).floats()
    }
  }
}
