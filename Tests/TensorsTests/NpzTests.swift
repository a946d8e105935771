import Diagnostics
import TestSupport
import Testing

@testable import Tensors

@Suite struct NpzTests {
  static func arrays() throws -> [(name: String, tensor: AnyTensor)] {
    let ramp = (0..<5000).map { Int16($0 % 7) }
    return [
      ("images", .int16(try Tensor(try Shape([50, 100]), ramp))),
      ("b/c", .float32(try Tensor(try Shape([2]), [1, 2]))),
    ]
  }

  @Test(arguments: [false, true])
  func comesBackAsItWasWritten(deflating: Bool) throws {
    let bytes = try NpzFile.encode(try Self.arrays(), deflating: deflating)
    #expect(bytes == (try NpzFile.encode(try Self.arrays(), deflating: deflating)))
    let file = try NpzFile(bytes, path: "t.npz")
    #expect(file.names == ["images", "b/c"])
    for (name, tensor) in try Self.arrays() { #expect(try file.array(name) == tensor) }
    #expect(deflating == (bytes.count < 2000))
  }

  @Test func namesTheArraysThatThereAre() throws {
    let file = try NpzFile(try NpzFile.encode(try Self.arrays()), path: "t.npz")
    let found = #expect(throws: Diagnostic.self) { try file.array("kspace") }
    #expect(found?.help?.contains("'images', 'b/c'") == true)
  }

  /// Offsets of the central directory's first entry and the end record, in a file without comment.
  static func directory(_ bytes: [UInt8]) -> Int {
    Int(RawValues.integer(bytes, at: bytes.count - 6, size: 4) ?? 0)
  }

  private func firstArray(_ bytes: [UInt8]) -> String? {
    message { () throws(Diagnostic) in _ = try NpzFile(bytes, path: "t.npz").array("images") }
  }

  @Test(arguments: [false, true])
  func noticesDamage(deflating: Bool) throws {
    let good = try NpzFile.encode(try Self.arrays(), deflating: deflating)
    #expect(firstArray(good) == nil)
    let entry = Self.directory(good)
    func changed(_ offset: Int, _ bytes: [UInt8]) -> [UInt8] {
      var copy = good
      copy.replaceSubrange(offset..<offset + bytes.count, with: bytes)
      return copy
    }
    #expect(firstArray(changed(60, [good[60] ^ 1]))?.contains("damaged") == true)
    #expect(firstArray(changed(entry + 16, [1, 2, 3, 4]))?.contains("checksum") == true)
    let declaredMore = firstArray(changed(entry + 24, [0xFF, 0xFF, 0xFF, 0x7F]))
    #expect(declaredMore?.contains(deflating ? "declares more" : "sizes differ") == true)
    #expect(firstArray(changed(entry + 24, [1, 0, 0, 0]))?.contains("damaged") == true)
    #expect(firstArray(changed(entry + 20, [0xFF, 0xFF, 0xFF, 0x7F])) != nil)
    #expect(firstArray(changed(entry + 42, [0xFF, 0xFF, 0xFF, 0x7F]))?.contains("local") == true)
    #expect(firstArray(changed(entry + 10, [99, 0]))?.contains("method 99") == true)
    #expect(firstArray(changed(entry + 8, [1, 0]))?.contains("encrypted") == true)
    #expect(firstArray(changed(entry, [0]))?.contains("not where it should be") == true)
    #expect(firstArray(changed(good.count - 12, [0xFF, 0xFF]))?.contains("directory") == true)
  }

  @Test func refusesEveryPrefix() throws {
    let small: [(name: String, tensor: AnyTensor)] = [
      ("a", .uint8(try Tensor(try Shape([3]), [1, 2, 3])))
    ]
    let good = try NpzFile.encode(small)
    for count in 0..<good.count {
      #expect(throws: Diagnostic.self) { try NpzFile(Array(good[..<count]), path: "t") }
    }
  }

  @Test func refusesTheSameNameTwice() throws {
    let one = try Self.arrays()[1]
    let found = message { () throws(Diagnostic) in
      _ = try NpzFile(try NpzFile.encode([one, one]), path: "t")
    }
    #expect(found?.contains("stands twice") == true)
  }

  @Test func doesNotUnpackMoreThanTheLimit() throws {
    let zeros = AnyTensor.uint8(Tensor(try Shape([4 << 20]), repeating: 0))
    let file = try NpzFile(try NpzFile.encode([("z", zeros)], deflating: true), path: "t")
    #expect(try file.array("z") == zeros)
    let found = message { () throws(Diagnostic) in _ = try file.array("z", limit: 1 << 20) }
    #expect(found?.contains("more than the 1048576") == true)
  }

  @Test(.enabled(if: Python.hasNumPy))
  func numPyReadsOursAndWeReadNumPys() throws {
    let scratch = try Scratch()
    let arrays = try Self.arrays()
    try NpzFile.write(arrays, to: scratch.file("s.npz"))
    try NpzFile.write(arrays, to: scratch.file("d.npz"), deflating: true)
    let script = """
      import numpy as np, sys, zipfile
      d = sys.argv[1]
      for n in 'sd':
          assert zipfile.ZipFile(f'{d}/{n}.npz').testzip() is None
          a = np.load(f'{d}/{n}.npz')
          assert a.files == ['images', 'b/c'], a.files
          assert a['images'].dtype == np.int16 and a['images'].shape == (50, 100)
          assert (a['images'].ravel() == np.arange(5000) % 7).all()
          assert list(a['b/c']) == [1, 2]
          (np.savez if n == 's' else np.savez_compressed)(f'{d}/{n}2.npz', **a)
      """
    try Python.run(script, [scratch.path])
    for name in ["s2.npz", "d2.npz"] {
      let file = try NpzFile.read(scratch.file(name))
      for (name, tensor) in arrays { #expect(try file.array(name) == tensor) }
    }
  }

  @Test(.enabled(if: Python.hasNumPy))
  func readsZip64SizesInTheDirectory() throws {
    let scratch = try Scratch()
    // A central directory whose sizes and offset stand in the zip64 extra field.
    let script = """
      import struct, sys, zlib, io, numpy as np
      b = io.BytesIO(); np.save(b, np.arange(6, dtype='<i4')); b = b.getvalue()
      name = b'a.npy'; crc = zlib.crc32(b); m = 0xFFFFFFFF
      x = struct.pack('<HHQQQ', 1, 24, len(b), len(b), 0)
      loc = struct.pack('<IHHHHHIIIHH', 0x04034b50, 45, 0, 0, 0, 33, crc, m, m, 5, 20)
      loc += name + struct.pack('<HHQQ', 1, 16, len(b), len(b)) + b
      cen = struct.pack('<IHHHHHHIIIHHHHHII', 0x02014b50, 45, 45, 0, 0, 0, 33, crc, m, m, 5, len(x), 0, 0, 0, 0, m)
      cen += name + x
      end64 = struct.pack('<IQHHIIQQQQ', 0x06064b50, 44, 45, 45, 0, 0, 1, 1, len(cen), len(loc))
      lo = struct.pack('<IIQI', 0x07064b50, 0, len(loc) + len(cen), 1)
      end = struct.pack('<IHHHHIIH', 0x06054b50, 0, 0, 0xFFFF, 0xFFFF, m, m, 0)
      open(sys.argv[1], 'wb').write(loc + cen + end64 + lo + end)
      assert list(np.load(sys.argv[1])['a']) == [0, 1, 2, 3, 4, 5]
      """
    try Python.run(script, [scratch.file("wide.npz")])
    let array = try NpzFile.read(scratch.file("wide.npz")).array("a")
    #expect(array == .int32(try Tensor(try Shape([6]), [0, 1, 2, 3, 4, 5])))
  }
}
