import Diagnostics
import Foundation
import GraphIR
import Operations
import Tensors
import TestSupport
import Testing

@testable import ONNX

/// Files: weights, sizes, places, and what is wrong with them.
@Suite struct FileTests {
  private func convolution(_ x: [Int] = [0, 1, 0, 0]) -> Onnx_ModelProto {
    var model = Onnx_ModelProto(
      [.init("Conv", ["x", "net.weight"]), .init("Relu", ["/c/out"])], x: x,
      [.init("net.weight", [1, 1, 1, 1], floats: [2])])
    model.graph.node[0].output = ["/c/out"]
    model.graph.node[0].name = "/c"
    return model
  }

  @Test func dumpsNameWeightsTensorsAndNodes() throws {
    let model = try convolution().imported(.init(batch: 2, height: 3, width: 4))
    #expect(
      GraphPrinter.text(Module([model.function])) == """
        rephase_ir 1

        func @net_1(%x: tensor<2x1x3x4xf32>) -> tensor<2x1x3x4xf32> {
          %net.weight = parameter "net.weight" : tensor<1x1x1x1xf32> loc("net-1.onnx":1)
          %c_out = convolution %x, %net.weight {padding = [0, 0, 0, 0], strides = [1, 1]} : tensor<2x1x3x4xf32> loc("net-1.onnx":1)
          %y = relu %c_out : tensor<2x1x3x4xf32> loc("net-1.onnx":2)
          return %y
        }

        """)
    #expect(model.weights.mapValues(\.values) == ["net.weight": [2]])
  }

  @Test func dynamicSizesHaveStandardValues() throws {
    let function = try convolution().imported().function
    #expect(function.type(of: function.arguments[0]).shape.extents == [1, 1, 192, 128])
  }

  /// What is open in the file is as in the images, of any rank and of each input on its own, unless it is chosen.
  @Test func openSizesAreThoseOfImages() throws {
    let images = try Shape([3, 1, 5, 6])
    let open = try convolution().imported(.init(height: 7, inputs: [images])).function
    #expect(open.type(of: open.arguments[0]).shape.extents == [3, 1, 7, 6])
    let fixed = try convolution([1, 1, 8, 9]).imported(.init(inputs: [images])).function
    #expect(fixed.type(of: fixed.arguments[0]).shape.extents == [1, 1, 8, 9])
  }

  @Test func fixedSizesContradictOthers() throws {
    let model = convolution([1, 1, 8, 9])
    for (extents, message) in [
      (.init(batch: 2), "the network was exported for 1 images, not 2"),
      (.init(height: 7), "the network was exported for 8 rows, not 7"),
      (.init(width: 7), "the network was exported for 9 columns, not 7"),
    ] as [(ONNXModel.ImageExtents, String)] {
      #expect(throws: Diagnostic.self) { try model.imported(extents) }
      do { _ = try model.imported(extents) } catch {
        #expect((error as? Diagnostic)?.message == message)
      }
    }
    _ = try model.imported(.init(batch: 1, height: 8, width: 9))
  }

  // MARK: Weights

  private func weights(_ tensor: Onnx_TensorProto) throws -> [Float]? {
    var model = convolution()
    model.graph.initializer = [tensor]
    return try model.imported().weights["net.weight"]?.values
  }

  @Test func weightsOfOtherTypesAreConverted() throws {
    var tensor = Onnx_TensorProto("net.weight", [1, 1, 1, 1], floats: [])
    tensor.rawData = withUnsafeBytes(of: Float(1.5)) { Data($0) }
    #expect(try weights(tensor) == [1.5])
    tensor.dataType = Int32(Onnx_TensorProto.DataType.double.rawValue)
    tensor.rawData = withUnsafeBytes(of: 0.1) { Data($0) }
    #expect(try weights(tensor) == [0.1])
    tensor.dataType = Int32(Onnx_TensorProto.DataType.float16.rawValue)
    tensor.rawData = withUnsafeBytes(of: Float16(0.5)) { Data($0) }
    #expect(try weights(tensor) == [0.5])
    tensor.rawData = Data()
    tensor.int32Data = [0x3C00]
    #expect(try weights(tensor) == [1])
    tensor.dataType = Int32(Onnx_TensorProto.DataType.bfloat16.rawValue)
    tensor.int32Data = [0xBF80]
    #expect(try weights(tensor) == [-1])
  }

  @Test func weightsBesideTheFile() throws {
    let scratch = try Scratch()
    try Data([9, 9, 9, 9, 0, 0, 0, 0x40, 9]).write(to: URL(fileURLWithPath: scratch.file("w.bin")))
    func imported(_ entries: [(String, String)]) throws -> [Float]? {
      var model = convolution()
      var tensor = Onnx_TensorProto("net.weight", [1, 1, 1, 1], floats: [])
      tensor.dataLocation = .external
      tensor.externalData = entries.map { key, value in
        var entry = Onnx_StringStringEntryProto()
        (entry.key, entry.value) = (key, value)
        return entry
      }
      model.graph.initializer = [tensor]
      let bytes: [UInt8] = try model.serializedBytes()
      return try ONNXModel(bytes, path: scratch.file("m.onnx")).imported()
        .weights["net.weight"]?.values
    }
    #expect(
      try imported([("location", "w.bin"), ("offset", "4"), ("length", "4")]) == [2])
    try FileManager.default.createSymbolicLink(
      atPath: scratch.file("link.bin"), withDestinationPath: "/etc/passwd")
    for wrong in [
      [("location", "w.bin"), ("offset", "8"), ("length", "4")],
      [("location", "w.bin"), ("offset", "10")], [("location", "w.bin"), ("offset", "-4")],
      [("location", "w.bin"), ("offset", "9223372036854775807"), ("length", "4")],
      [("location", "w.bin")], [("location", "../w.bin")], [("location", "/etc/passwd")],
      [("location", "link.bin")], [("location", "no.bin")], [],
    ] {
      #expect(throws: Diagnostic.self, "\(wrong)") { try imported(wrong) }
    }
  }

  // MARK: What is wrong

  @Test func allUnsupportedOperatorsAreNamedAtOnce() throws {
    var model = convolution()
    model.graph.node += [
      .init("TopK", ["y"], ["a"]), .init("LSTM", ["a"], ["b"]), .init("TopK", ["b"], ["c"]),
    ]
    model.graph.node[2].name = "attention"
    let error = try #require(failure(model))
    #expect(
      error.message == "the network uses operators that are not supported: LSTM, TopK")
    #expect(error.notes == ["LSTM: node 4", "TopK: node 3 'attention' and 1 more"])
    #expect(error.location?.file == "folder/net-1.onnx" && error.help != nil)
  }

  @Test func whatANodeCannotDoIsSaidOfTheNode() throws {
    var model = convolution()
    model.graph.node[0].attribute = [.init("group", 3)]
    let error = try #require(failure(model))
    #expect(error.message == "Conv '/c': 3 groups do not divide 1 channels")
    #expect(error.location?.description == "folder/net-1.onnx:1")
  }

  /// A change of the model, and words of the message that it leads to.
  private static let mistakes:
    [(words: String, change: @Sendable (inout Onnx_ModelProto) -> Void)] = [
      ("holds no network", { $0.graph.node = [] }),
      ("version 8 of the ONNX operators", { $0.opsetImport[0].version = 8 }),
      ("names no version", { $0.opsetImport[0].domain = "com.example" }),
      ("nothing in the file is its input 'z'", { $0.graph.node[0].input[0] = "z" }),
      ("computed by this node or a later one", { $0.graph.node[0].input[0] = "y" }),
      (
        "two tensors have the name 'y'",
        {
          $0.graph.node[0].output = ["y"]
          $0.graph.node[1].input = ["y"]
        }
      ),
      ("two tensors have the name 'x'", { $0.graph.node[1].output = ["x"] }),
      (
        "two tensors have the name 'net.weight'",
        { $0.graph.initializer.append($0.graph.initializer[0]) }
      ),
      ("nothing in the file is the output 'q'", { $0.graph.output[0].name = "q" }),
      ("has no output", { $0.graph.output = [] }),
      ("1 elements where its shape says 4", { $0.graph.initializer[0].dims = [1, 1, 2, 2] }),
      ("negative", { $0.graph.initializer[0].dims = [1, -1, 1, 1] }),
      ("2^36", { $0.graph.initializer[0].dims = [1 << 40, 1 << 40, 1, 1] }),
      ("3 bytes", { $0.graph.initializer[0].rawData = Data([1, 2, 3]) }),
      ("of the type string", { $0.graph.initializer[0].dataType = 8 }),
      ("is left out", { $0.graph.initializer[0].dims = [0] }),
      ("not of float32", { $0.graph.input[0].type.tensorType.elemType = 10 }),
      ("what shape", { $0.graph.input[0].type.value = nil }),
      ("left open", { $0.graph.input[0] = Onnx_ModelProto.value("x", [1, 0, 8, 8]) }),
      ("another type", { $0.graph.node[0].attribute = [.init("strides", 2)] }),
      ("2 integers from 1 to 1024", { $0.graph.node[0].attribute = [.init("strides", [0, 1])] }),
      ("auto_pad", { $0.graph.node[0].attribute = [.init("auto_pad", word: "NONE")] }),
      ("input 2 is missing", { $0.graph.node[0].input = ["x"] }),
    ]

  @Test(arguments: mistakes.indices) func mistakesAreNamed(_ index: Int) throws {
    let (words, change) = Self.mistakes[index]
    var model = convolution()
    change(&model)
    let error = try #require(failure(model), "\(words)")
    #expect(error.message.contains(words), "\(error.message)")
    #expect(error.location != nil)
  }

  @Test func filesThatAreCutOrChangedNeverCrash() throws {
    let bytes: [UInt8] = try convolution().serializedBytes()
    for length in bytes.indices {
      _ = try? ONNXModel(Array(bytes[..<length]), path: "m.onnx").imported()
    }
    for place in bytes.indices {
      for flip: UInt8 in [0x01, 0x10, 0x80, 0xFF] {
        var changed = bytes
        changed[place] ^= flip
        _ = try? ONNXModel(changed, path: "m.onnx").imported()
      }
    }
  }
}
