import ComplexModule
import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@testable import HDF5

@Suite struct HDF5Tests {
  /// A file that h5py wrote.
  private func written(_ script: String, at path: String) throws {
    try Python.run(
      "import sys, h5py, numpy as np\nf = h5py.File(sys.argv[1], 'w')\n" + script, [path])
  }

  @Test func readsWhatH5pyWrites() throws {
    let scratch = try Scratch()
    let path = scratch.file("a.h5")
    try written(
      """
      f['g/f4'] = np.arange(6, dtype='>f4').reshape(2, 3)
      f['g/u2'] = np.array([1, 65535], 'u2')
      f['c8'] = np.array([1 + 2j, 3 - 4j], 'c8')
      f['c16'] = np.array([[1 + 2j]], 'c16')
      f['packed'] = f.create_dataset('p', data=np.ones((64, 64), 'i4'), compression='gzip')
      f['text'] = 'Grüße'
      f['fixed'] = np.array([b'abc'])
      f['g'].attrs['layers'] = 'two'
      """, at: path)
    let file = try HDF5File(reading: path)
    #expect(file.names(in: "/") == ["c16", "c8", "fixed", "g", "p", "packed", "text"])
    #expect(file.names(in: "g") == ["f4", "u2"])
    #expect(file.contains("g/f4") && !file.contains("g/x") && !file.contains("x/y"))
    #expect(
      try file.read("g/f4") == .float32(try Tensor(try Shape([2, 3]), [0, 1, 2, 3, 4, 5])))
    #expect(
      try file.read("g/f4", rows: 1..<2) == .float32(try Tensor(try Shape([1, 3]), [3, 4, 5])))
    #expect(try file.read("g/u2") == .uint16(try Tensor(try Shape([2]), [1, 65_535])))
    #expect(
      try file.read("c8")
        == .complex64(try Tensor(try Shape([2]), [Complex(1, 2), Complex(3, -4)])))
    #expect(try file.read("c16") == .complex128(try Tensor(try Shape([1, 1]), [Complex(1, 2)])))
    #expect(try file.read("packed").floats().values.allSatisfy { $0 == 1 })
    #expect(try file.string("text") == "Grüße")
    #expect(try file.string("fixed") == "abc")
    #expect(file.attribute("layers", of: "g") == "two")
    #expect(file.attribute("none", of: "g") == nil)
  }

  @Test func readsMembersOfRecords() throws {
    let scratch = try Scratch()
    let path = scratch.file("a.h5")
    try written(
      """
      inner = np.dtype([('slice', 'u2'), ('phase', 'u2')])
      kind = np.dtype([('idx', inner), ('data', h5py.vlen_dtype(np.float32))])
      rows = np.zeros(3, kind)
      for i in range(3):
          rows[i]['idx']['phase'] = 7 * i
          rows[i]['data'] = np.arange(i + 1, dtype='f4')
      f['rows'] = rows
      """, at: path)
    let file = try HDF5File(reading: path)
    #expect(try file.integers("rows", member: ["idx", "phase"]) == [0, 7, 14])
    #expect(
      try file.sequences("rows", member: ["data"], rows: 1..<3, maximum: 9) == [
        [0, 1], [0, 1, 2],
      ])
    let missing = message { () throws(Diagnostic) in
      _ = try file.integers("rows", member: ["idx", "set"])
    }
    #expect(missing == "the records of 'rows' have no member 'idx.set'")
    let long = message { () throws(Diagnostic) in
      _ = try file.sequences("rows", member: ["data"], rows: 0..<3, maximum: 2)
    }
    #expect(long?.contains("damaged") == true)
  }

  @Test func writesInPieces() throws {
    let scratch = try Scratch()
    let path = scratch.file("a.h5")
    try HDF5Writer.write(to: path) { (writer) throws(Diagnostic) in
      try writer.group("train")
      try writer.dataset("train/input", [3, 2])
      try writer.write(Tensor(Shape([2, 2]), [3, 4, 5, 6]), to: "train/input", at: 1)
      try writer.write(Tensor(Shape([1, 2]), [1, 2]), to: "train/input", at: 0)
      try writer.write([7, 8], "numbers")
      try writer.write(texts: ["text", "Grüße"], "xml")
    }
    let file = try HDF5File(reading: path)
    #expect(
      try file.read("train/input") == .float32(try Tensor(try Shape([3, 2]), [1, 2, 3, 4, 5, 6])))
    #expect(try file.read("numbers") == .int32(try Tensor(try Shape([2]), [7, 8])))
    #expect(try file.string("xml") == "text")
  }

  @Test func aFileIsReadThoughAnotherProgramHasItsDescriptors() throws {
    let scratch = try Scratch()
    let path = scratch.file("a.h5")
    var copies: DescriptorCopies?
    try HDF5Writer.write(to: path) { (writer) throws(Diagnostic) in
      try writer.write([7, 8], "numbers")
      copies = try? DescriptorCopies(ofFilesIn: scratch.path)
    }
    #expect(copies?.descriptors.isEmpty == false)
    let numbers = try HDF5File(reading: path).read("numbers")
    #expect(numbers == .int32(try Tensor(try Shape([2]), [7, 8])))
    withExtendedLifetime(copies) {}
  }

  @Test func leavesNothingOfAFailedWrite() throws {
    let scratch = try Scratch()
    let failed = message { () throws(Diagnostic) in
      try HDF5Writer.write(to: scratch.file("a.h5")) { (writer) throws(Diagnostic) in
        try writer.write([1], "numbers")
        try writer.group("no/parent")
      }
    }
    #expect(failed == "the output cannot be written as HDF5")
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
  }

  @Test func refusesDamagedFiles() throws {
    let scratch = try Scratch()
    let path = scratch.file("a.h5")
    try HDF5Writer.write(to: path) { (writer) throws(Diagnostic) in
      try writer.write(Tensor(Shape([4096]), repeating: 1), "x")
    }
    let bytes = try FileBytes.read(path)
    for size in [0, 7, 100, bytes.count / 2, bytes.count - 1] {
      try AtomicFile.write(Array(bytes.prefix(size)), to: scratch.file("cut.h5"))
      let found = message { () throws(Diagnostic) in
        _ = try HDF5File(reading: scratch.file("cut.h5")).read("x")
      }
      #expect(found != nil, "\(size) bytes")
    }
    let none = message { () throws(Diagnostic) in _ = try HDF5File(reading: path).read("y") }
    #expect(none == "there is no dataset 'y'")
  }
}
