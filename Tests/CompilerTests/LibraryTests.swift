import CodeGen
import Diagnostics
import Foundation
import LoopIR
import Networks
import Tensors
import TestSupport
import Testing

@testable import Compiler

/// What a compiled library says of itself, and what is no library's name.
@Suite struct LibraryTests {
  private func compile(
    name: String, to folder: String, embedsWeights: Bool = true,
    weights: [String: Tensor<Float>]? = nil
  ) throws -> [String] {
    let compiler = LibraryCompiler(
      target: try v3(), precision: .standard, embedsWeights: embedsWeights)
    return try compiler.compile(
      try sampleModel(), name: name, source: sample, weights: try weights ?? sampleWeights(),
      to: folder)
  }

  @Test(arguments: ["", "9lives", "a-b", "a b", "ümlaut", "int", "rephase", "a/../b"])
  func namesThatAreNoIdentifiersAreRefused(_ name: String) throws {
    let scratch = try Scratch()
    #expect {
      _ = try compile(name: name, to: scratch.file("out"))
    } throws: { error in
      "\(error)".contains("the model name") && "\(error)".contains("\nhelp: ")
    }
    #expect(!FileManager.default.fileExists(atPath: scratch.file("out")))
  }

  /// Names of files of the runtime are names like others; what C has taken is told with the remedy.
  @Test func namesMayBeThoseOfTheRuntimesFiles() throws {
    let scratch = try Scratch()
    for name in ["model_data", "pool", "runtime", "kernels"] {
      _ = try compile(name: name, to: scratch.file("out"))
      let header = try String(contentsOfFile: scratch.file("out/\(name).h"), encoding: .utf8)
      #expect(header.contains("\(name)_run(") && header.contains("\(name)_create("))
    }
    #expect { _ = try compile(name: "NULL", to: scratch.file("other")) } throws: {
      "\($0)".contains("C may use 'NULL' for something else: choose another by --name")
    }
    #expect(!FileManager.default.fileExists(atPath: scratch.file("other")))
  }

  @Test func missingWeightsAreNamed() throws {
    let scratch = try Scratch()
    var weights = try sampleWeights()
    weights["b"] = nil
    #expect {
      _ = try compile(name: "small", to: scratch.file("out"), weights: weights)
    } throws: { error in
      "\(error)".contains("'b'") || "\(error)".contains("\"b\"")
    }
    #expect(!FileManager.default.fileExists(atPath: scratch.file("out")))
  }

  /// The compiler of libraries is told C11, where ??= and the like are other characters.
  @Test func stringsHaveTheSameBytesInC() throws {
    let scratch = try Scratch()
    let bytes =
      (0...255).flatMap { [UInt8($0), UInt8(ascii: "7")] } + "??=??/??'??(??)??!??<??>??-".utf8
    let program = """
      #include <stdio.h>
      static const char text[] = \(ModelData.literal(bytes));
      int main(void) { return fwrite(text, 1, sizeof text - 1, stdout) != sizeof text - 1; }
      """
    try program.write(toFile: scratch.file("text.c"), atomically: true, encoding: .utf8)
    let said = try Python.run(
      """
      import subprocess, sys
      folder = sys.argv[1]
      subprocess.run(["cc", "-std=c11", "-o", folder + "/text", folder + "/text.c"], check=True)
      print(*subprocess.run([folder + "/text"], check=True, capture_output=True).stdout)
      """, [scratch.path])
    #expect(
      said.split(separator: "\n").last?.split(separator: " ").compactMap { UInt8($0) } == bytes)
  }

  @Test func theSameModelGivesTheSameBytes() throws {
    let scratch = try Scratch()
    let (a, b) = (scratch.file("a"), scratch.file("b"))
    let files = try compile(name: "small", to: a)
    #expect(try compile(name: "small", to: b) == files)
    #expect(!files.isEmpty)
    for file in files {
      let name = URL(fileURLWithPath: file).lastPathComponent
      let first = try Data(contentsOf: URL(fileURLWithPath: "\(a)/\(name)"))
      #expect(first == (try Data(contentsOf: URL(fileURLWithPath: "\(b)/\(name)"))), "\(name)")
      #expect(!first.isEmpty)
    }
  }

  @Test func theManifestSaysWhatTheLibraryIs() throws {
    var module = try Pipeline(target: try v3()).scheduled(try sampleModel())
    module.origin = ModelDescription(network: "net", settings: ["b": "2", "a": "1"])
    let constants = [UInt8]("abc".utf8)
    let manifest = Manifest(
      name: "small", module: module, target: try v3(), source: "abc",
      constants: DigestedBytes(constants),
      embedsConstants: false, precision: .strict, promise: 16, workspaceBytes: 128)
    let json = try manifest.json()
    #expect(json == (try manifest.json()), "the same text each time")
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(
      object.keys.sorted() == [
        "inputs", "llvm", "name", "network", "outputs", "precision", "processor", "promise_ulps",
        "rephase", "settings", "source_sha256", "target", "weight_bytes", "weights",
        "weights_sha256", "workspace_alignment", "workspace_bytes",
      ])
    #expect(object["name"] as? String == "small")
    #expect(object["network"] as? String == "net")
    #expect(object["settings"] as? String == "a=1,b=2")
    #expect(object["target"] as? String == "x86-64-v3")
    #expect(object["llvm"] as? String == "19")
    #expect(object["precision"] as? String == "strict")
    #expect(object["promise_ulps"] as? Double == 16)
    #expect(object["weights"] as? String == "separate")
    #expect(object["weight_bytes"] as? Int == 3)
    #expect(object["workspace_bytes"] as? Int == 128)
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    #expect(object["source_sha256"] as? String == abc)
    #expect(object["weights_sha256"] as? String == abc)
    let inputs = try #require(object["inputs"] as? [[String: Any]])
    #expect(inputs.count == 1)
    #expect(inputs[0]["name"] as? String == "x")
    #expect(inputs[0]["shape"] as? [Int] == [1, 3, 4, 5])
    #expect(inputs[0]["type"] as? String == "f32")
    let outputs = try #require(object["outputs"] as? [[String: Any]])
    #expect(outputs.map { $0["shape"] as? [Int] } == [[1, 8, 4, 5]])
  }

  /// FIPS 180-4's examples.
  @Test func digestsAreThoseOfTheStandard() {
    let known = [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        String(repeating: "a", count: 1_000_000),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
      ),
    ]
    for (text, digest) in known {
      #expect(Digest.hexadecimal(Array(text.utf8)) == digest)
      #expect(Digest.bytes(Array(text.utf8)).count == 32)
    }
  }
}
