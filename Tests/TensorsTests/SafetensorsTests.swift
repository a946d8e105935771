import Diagnostics
import TestSupport
import Testing

@testable import Tensors

@Suite struct SafetensorsTests {
  @Test func comesBackAsItWasWritten() throws {
    let weight = try Tensor<Float>(try Shape([2, 1]), [1.5, -2])
    let count = try Tensor<Int64>(.scalar, [7])
    let bytes = try Safetensors.encode(
      [("z.weight", .float32(weight)), ("a.count", .int64(count))],
      metadata: ["network": "resnet4", "note": "a \"b\"\n\\ é\u{1}"])
    #expect(RawValues.integer(bytes, at: 0, size: 8).map { $0 % 8 } == 0)
    let file = try Safetensors(bytes, path: "t")
    #expect(file.names == ["a.count", "z.weight"])
    #expect(file.metadata == ["network": "resnet4", "note": "a \"b\"\n\\ é\u{1}"])
    #expect(try file.floats("z.weight") == weight)
    #expect(try file.tensor("a.count") == .int64(count))
    #expect(file.shape(of: "z.weight")?.extents == [2, 1])
    #expect(throws: Diagnostic.self) { try file.floats("a.count", converting: true) }
    #expect(throws: Diagnostic.self) { try file.floats("missing") }
  }

  @Test func readsHalvesAndDoublesOnlyWhenAsked() throws {
    let header = """
      {"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},\
      "b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]},\
      "d":{"dtype":"F64","shape":[1],"data_offsets":[6,14]}}
      """
    let data: [UInt8] = [0, 0x3C, 0, 0xC0, 0xC0, 0x3F, 0, 0, 0, 0, 0, 0, 0xE0, 0x3F]
    let file = try Safetensors(safetensorsBytes(header, data), path: "t")
    #expect(try file.floats("h", converting: true).values == [1, -2])
    #expect(try file.floats("b", converting: true).values == [1.5])
    #expect(try file.floats("d", converting: true).values == [0.5])
    let found = message { () throws(Diagnostic) in _ = try file.floats("h") }
    #expect(found == "the tensor 'h' is F16, not F32")
  }

  @Test func refusesComplexNumbersAndTakenNames() throws {
    let one = Tensor<Float>(.scalar, repeating: 1)
    #expect(throws: Diagnostic.self) {
      try Safetensors.encode([("a", .complex64(Tensor(.scalar, repeating: .zero)))])
    }
    #expect(throws: Diagnostic.self) {
      try Safetensors.encode([("a", .float32(one)), ("a", .float32(one))])
    }
    #expect(throws: Diagnostic.self) {
      try Safetensors.encode([("__metadata__", .float32(one))])
    }
  }

  static let f32 = "\"dtype\":\"F32\",\"shape\":[1]"
  static let malformed: [(header: String, data: Int, says: String)] = [
    ("", 0, "does not start with '{'"),
    (" {}", 0, "does not start with '{'"),
    ("{", 0, "not the JSON object"),
    ("[]", 0, "does not start with '{'"),
    ("{} 1", 0, "not the JSON object"),
    ("{\"a\":1}", 0, "wrong type"),
    ("{\"a\":{\(f32)}}", 0, "'data_offsets' is missing in 'a'"),
    ("{\"a\":{\(f32),\"data_offsets\":[0,4]}}", 3, "lie outside"),
    ("{\"a\":{\(f32),\"data_offsets\":[0,4]}}", 5, "belong to no tensor"),
    ("{\"a\":{\(f32),\"data_offsets\":[4,0]}}", 4, "lie outside"),
    ("{\"a\":{\(f32),\"data_offsets\":[-4,0]}}", 4, "lie outside"),
    ("{\"a\":{\(f32),\"data_offsets\":[0]}}", 4, "lie outside"),
    ("{\"a\":{\(f32),\"data_offsets\":[0,1e30]}}", 4, "not the JSON object"),
    ("{\"a\":{\(f32),\"data_offsets\":[0,3]}}", 3, "needs 4 bytes"),
    (
      "{\"a\":{\(f32),\"data_offsets\":[0,4]},\"b\":{\(f32),\"data_offsets\":[2,6]}}", 6,
      "'b' overlaps another"
    ),
    (
      "{\"a\":{\(f32),\"data_offsets\":[0,4]},\"b\":{\(f32),\"data_offsets\":[5,9]}}", 9,
      "'b' leaves a gap"
    ),
    (
      "{\"a\":{\(f32),\"data_offsets\":[0,4]},\"a\":{\(f32),\"data_offsets\":[4,8]}}", 8,
      "the key 'a' twice"
    ),
    (
      "{\"a\":{\(f32),\"data_offsets\":[0,4]},\"\\u0061\":{\(f32),\"data_offsets\":[4,8]}}", 8,
      "the key 'a' twice"
    ),
    ("{\"a\":{\(f32),\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "the key 'shape' twice"),
    ("{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "'F31'"),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "not positive"),
    (
      "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}", 4,
      "2^36"
    ),
    ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "JSON object"),
    ("{\"__metadata__\":{\"a\":1}}", 0, "wrong type in '__metadata__/a'"),
    ("{\"a\":[[[[0]]]]}", 0, "nests deeper"),
    (String(repeating: "{\"a\":", count: 100_000), 0, "nests deeper"),
    ("{\"a\":" + String(repeating: "[", count: 100_000), 0, "nests deeper"),
  ]

  @Test(arguments: malformed)
  func saysWhatIsWrongWithAFile(header: String, data: Int, says: String) {
    let bytes = safetensorsBytes(header, [UInt8](repeating: 0, count: data))
    let found = message { () throws(Diagnostic) in _ = try Safetensors(bytes, path: "t") }
    #expect(found?.contains(says) == true, "\(found ?? "no diagnostic")")
  }

  @Test func refusesFalseLengthsPrefixesAndOtherEncodings() throws {
    let good = try Safetensors.encode([("a", .float32(Tensor(try Shape([3]), repeating: 1)))])
    for count in 0..<good.count {
      #expect(throws: Diagnostic.self) { try Safetensors(Array(good[..<count]), path: "t") }
    }
    var huge = good
    huge.replaceSubrange(0..<8, with: [UInt8](repeating: 0xFF, count: 8))
    let tooLong = message { () throws(Diagnostic) in _ = try Safetensors(huge, path: "t") }
    #expect(tooLong?.contains("more than the format's") == true)
    var binary = good
    binary[10] = 0xFF
    let notText = message { () throws(Diagnostic) in _ = try Safetensors(binary, path: "t") }
    #expect(notText?.contains("not UTF-8") == true)
  }

  @Test(.enabled(if: Python.hasNumPy)) func isWhatTheFormatSays() throws {
    let scratch = try Scratch()
    try Safetensors.write(
      [("w", .float32(try Tensor(try Shape([2, 2]), [1, 2, 3, 4])))],
      metadata: ["k": "\u{e9}\"\\\t"], to: scratch.file("w"))
    let script = """
      import sys, json, struct, numpy as np
      b = open(sys.argv[1], 'rb').read(); n, = struct.unpack('<Q', b[:8])
      h = json.loads(b[8:8+n]); assert n % 8 == 0
      assert h['__metadata__'] == {'k': '\\u00e9"\\\\\\t'}, h
      assert h['w'] == {'dtype': 'F32', 'shape': [2, 2], 'data_offsets': [0, 16]}
      assert np.frombuffer(b[8+n:], '<f4').tolist() == [1, 2, 3, 4]
      """
    try Python.run(script, [scratch.file("w")])
  }

  @Test(.enabled(if: (try? Python.run("import torch, safetensors.torch")) != nil))
  func theOriginalReadsOurs() throws {
    let scratch = try Scratch()
    try Safetensors.write(
      [("w", .float32(try Tensor(try Shape([2, 2]), [1, 2, 3, 4])))], metadata: ["k": "v"],
      to: scratch.file("w.safetensors"))
    let script = """
      import sys, safetensors.torch as s
      assert s.load_file(sys.argv[1])['w'].tolist() == [[1, 2], [3, 4]]
      """
    try Python.run(script, [scratch.file("w.safetensors")])
  }
}
