import ComplexModule
import Diagnostics
import RealModule
import TestSupport
import Testing

@testable import Tensors

@Suite struct NpyTests {
  @Test(arguments: [UInt8(1), 2, 3])
  func readsLittleEndianOfEveryVersion(version: UInt8) throws {
    let bytes = npyBytes(
      "{'descr': '<i2', 'fortran_order': False, 'shape': (2, 2), }",
      [1, 0, 2, 0, 0xFF, 0xFF, 0, 1], version: version)
    let expected = AnyTensor.int16(try Tensor(try Shape([2, 2]), [1, 2, -1, 256]))
    #expect(try NpyFile.decode(bytes, at: here) == expected)
  }

  @Test func readsBigEndian() throws {
    let bytes = npyBytes(
      "{'descr': '>f4', 'fortran_order': False, 'shape': (2,)}",
      [0x3F, 0x80, 0, 0, 0xC0, 0, 0, 0])
    #expect(try NpyFile.decode(bytes, at: here) == .float32(try Tensor(try Shape([2]), [1, -2])))
  }

  @Test func swapsTheHalvesOfBigEndianComplexNumbersApart() throws {
    let bytes = npyBytes(
      "{'descr': '>c8', 'fortran_order': False, 'shape': (1,)}",
      [0x3F, 0x80, 0, 0, 0xC0, 0, 0, 0])
    let expected = AnyTensor.complex64(try Tensor(try Shape([1]), [Complex(1, -2)]))
    #expect(try NpyFile.decode(bytes, at: here) == expected)
  }

  @Test func turnsFortranOrderToRowMajor() throws {
    let bytes = npyBytes(
      "{\"shape\": (2, 3L), 'fortran_order': True, 'descr': '|u1'}", [1, 4, 2, 5, 3, 6])
    let expected = AnyTensor.uint8(try Tensor(try Shape([2, 3]), [1, 2, 3, 4, 5, 6]))
    #expect(try NpyFile.decode(bytes, at: here) == expected)
  }

  @Test func readsAScalar() throws {
    let bytes = npyBytes("{'descr': '|b1', 'fortran_order': False, 'shape': ()}", [1])
    #expect(try NpyFile.decode(bytes, at: here) == .bool(try Tensor(.scalar, [true])))
  }

  static let one: [UInt8] = [0]
  static let malformed: [(header: String, says: String)] = [
    ("{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", "asks for 2 bytes"),
    ("{'descr': '|u1', 'fortran_order': False, 'shape': (0,)}", "not positive"),
    ("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}", "not negative"),
    ("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}", "too large"),
    ("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "2^36"),
    ("{'descr': '|u1', 'fortran_order': False, 'shape': (1)}", "not a tuple"),
    ("{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "dimensions"),
    ("{'descr': '|u1', 'fortran_order': No, 'shape': (1,)}", "True or False"),
    ("{'descr': '|u1', 'fortran_order': False}", "'shape' is missing"),
    ("{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (1,)}", "stands twice"),
    ("{'descr': '|u1', 'extra': False}", "not known"),
    ("{'descr': '|u1", "holds a byte that it may not"),
    ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "named fields"),
    ("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "is not read"),
    ("{'descr': '<f2', 'fortran_order': False, 'shape': (1,)}", "is not read"),
    ("{'descr': '', 'fortran_order': False, 'shape': (1,)}", "is not read"),
    ("{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} 1", "after the dictionary"),
    ("", "'{' must stand here"),
  ]

  @Test(arguments: malformed)
  func saysWhatIsWrongWithAHeader(header: String, says: String) {
    let found = message { () throws(Diagnostic) in
      _ = try NpyFile.decode(npyBytes(header, Self.one), at: here)
    }
    #expect(found?.contains(says) == true, "\(found ?? "no diagnostic")")
  }

  @Test func refusesEveryPrefixOfAFile() throws {
    let whole = NpyFile.encode(.float32(try Tensor(try Shape([3]), [1, 2, 3])))
    for count in 0..<whole.count {
      #expect(throws: Diagnostic.self) { try NpyFile.decode(Array(whole[..<count]), at: here) }
    }
    #expect(throws: Diagnostic.self) { try NpyFile.decode(whole + [0], at: here) }
  }

  @Test func refusesUnknownVersionsAndHugeHeaders() {
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}"
    let version = message { () throws(Diagnostic) in
      _ = try NpyFile.decode(npyBytes(header, [0], version: 4), at: here)
    }
    #expect(version?.contains("version 4.0") == true)
    let padded = header + String(repeating: " ", count: 70_000)
    let long = message { () throws(Diagnostic) in
      _ = try NpyFile.decode(npyBytes(padded, [0], version: 2), at: here)
    }
    #expect(long?.contains("70") == true)
    let beyond = message { () throws(Diagnostic) in
      _ = try NpyFile.decode(NpyFile.magic + [2, 0, 0xFF, 0xFF, 0xFF, 0xFF], at: here)
    }
    #expect(beyond?.contains("past the end") == true)
  }

  @Test func alignsDataTo64Bytes() throws {
    for count in [1, 10, 1000] {
      let bytes = NpyFile.encode(.uint8(Tensor(try Shape([count]), repeating: 7)))
      #expect((bytes.count - count) % 64 == 0)
      #expect(bytes[bytes.count - count - 1] == 10)
    }
  }

  static func samples() throws -> [AnyTensor] {
    let shape = try Shape([2, 3])
    return [
      .bool(try Tensor(shape, [true, false, true, true, false, false])),
      .uint8(try Tensor(shape, [0, 1, 2, 3, 254, 255])),
      .int16(try Tensor(shape, [0, 1, -2, 3, .min, .max])),
      .uint16(try Tensor(shape, [0, 1, 2, 3, 4, .max])),
      .int32(try Tensor(shape, [0, 1, -2, 3, .min, .max])),
      .int64(try Tensor(shape, [0, 1, -2, 3, .min, .max])),
      .float32(try Tensor(shape, [0, 1.5, -2, .infinity, .leastNonzeroMagnitude, 3e38])),
      .float64(try Tensor(shape, [0, 1.5, -2, .infinity, .leastNonzeroMagnitude, 1e308])),
      .complex64(try Tensor(shape, (0..<6).map { Complex(Float($0), -0.5) })),
      .complex128(try Tensor(shape, (0..<6).map { Complex(Double($0), -0.5) })),
      .float32(try Tensor(.scalar, [3])),
      .int32(try Tensor(try Shape([1]), [3])),
    ]
  }

  @Test func comesBackAsItWasWritten() throws {
    for tensor in try Self.samples() {
      #expect(try NpyFile.decode(NpyFile.encode(tensor), at: here) == tensor)
    }
  }

  @Test(.enabled(if: Python.hasNumPy))
  func numPyReadsOursAndWeReadNumPys() throws {
    let scratch = try Scratch()
    for (index, tensor) in try Self.samples().enumerated() {
      try NpyFile.write(tensor, to: scratch.file("\(index).npy"))
    }
    let script = """
      import numpy as np, sys
      d = sys.argv[1]
      for i in range(int(sys.argv[2])):
          a = np.load(f'{d}/{i}.npy')
          print(a.dtype, list(a.shape))
          np.save(f'{d}/{i}c.npy', a)
          np.save(f'{d}/{i}f.npy', np.array(a, order='F'))
          np.save(f'{d}/{i}b.npy', a.astype(a.dtype.newbyteorder('>')))
          with open(f'{d}/{i}v.npy', 'wb') as f: np.lib.format.write_array(f, a, version=(3, 0))
      """
    let samples = try Self.samples()
    let printed = try Python.run(script, [scratch.path, "\(samples.count)"])
    let expected = samples.map { "\($0.typeName) \($0.shape)" }.joined(separator: "\n") + "\n"
    #expect(printed == expected)
    for (index, tensor) in samples.enumerated() {
      for kind in ["c", "f", "b", "v"] {
        #expect(try NpyFile.read(scratch.file("\(index)\(kind).npy")) == tensor)
      }
    }
  }
}
