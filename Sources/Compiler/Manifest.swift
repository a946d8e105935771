import CRephaseRuntime
import CodeGen
import Diagnostics
import Foundation
import LoopIR
import Networks
import Schedules

/// SHA-256 as lower-case hexadecimal digits, and as bytes.
public enum Digest {
  public static func bytes(_ data: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    data.withUnsafeBytes { source in rephase_sha256(source.baseAddress, source.count, &digest) }
    return digest
  }

  public static func hexadecimal(_ data: [UInt8]) -> String { hexadecimal(digest: bytes(data)) }

  static func hexadecimal(digest: [UInt8]) -> String {
    digest.map { String(format: "%02x", $0) }.joined()
  }
}

/// Bytes with their SHA-256: a second for each 250 MB, and asked for more than once.
struct DigestedBytes {
  let bytes: [UInt8]
  let digest: [UInt8]

  init(_ bytes: [UInt8]) { (self.bytes, digest) = (bytes, Digest.bytes(bytes)) }
}

/// What a compiled library says of itself (`N_manifest`, `N.json`); a stable order of keys.
struct Manifest {
  static let compilerVersion = "0.1.0"

  var name: String
  var module: LoopModule
  var target: Target
  var source: String
  var constants: DigestedBytes
  var embedsConstants: Bool
  var precision: Precision
  /// The largest error, in units of 2^-23.
  var promise: Double
  var workspaceBytes: Int
  /// Set where a GPU runs the kernels.
  var gpuCode: GPUCode?

  /// What a library for a GPU holds: PTX always, and machine code where an assembler was at hand.
  struct GPUCode: Encodable {
    var machineCode: String?
    var ptxas: String?
    var ptxSha256: String
    enum CodingKeys: String, CodingKey {
      case machineCode = "machine_code"
      case ptxas
      case ptxSha256 = "ptx_sha256"
    }

    init(_ device: DeviceData, _ assembler: DeviceAssembler?) {
      machineCode = device.cubin == nil ? nil : device.architecture
      ptxas = device.cubin == nil ? nil : assembler?.version
      ptxSha256 = Digest.hexadecimal(Array(device.ptx.utf8))
    }
  }

  func json() throws(Diagnostic) -> String {
    struct Entry: Encodable {
      var name: String
      var shape: [Int]
      var type: String
    }
    struct Content: Encodable {
      var rephase: String
      var llvm: String
      var name: String
      var network: String?
      var settings: String?
      var target: String
      var processor: String
      var precision: String
      var promiseUlps: Double
      var inputs: [Entry]
      var outputs: [Entry]
      var sourceSha256: String
      var weightsSha256: String
      var weights: String
      var weightBytes: Int
      var workspaceBytes: Int
      var workspaceAlignment: Int
      var gpuCode: GPUCode?
      enum CodingKeys: String, CodingKey {
        case rephase, llvm, name, network, settings, target, processor, precision, inputs, outputs,
          weights
        case promiseUlps = "promise_ulps"
        case sourceSha256 = "source_sha256"
        case weightsSha256 = "weights_sha256"
        case weightBytes = "weight_bytes"
        case workspaceBytes = "workspace_bytes"
        case workspaceAlignment = "workspace_alignment"
        case gpuCode = "gpu_code"
      }
    }
    func entry(_ buffer: Buffer, _ name: String) -> Entry {
      Entry(name: name, shape: buffer.extents, type: buffer.element.rawValue)
    }
    let content = Content(
      rephase: Self.compilerVersion, llvm: "19", name: name, network: module.origin?.network,
      settings: module.origin?.settingsText, target: target.name, processor: target.processor,
      precision: precision.rawValue, promiseUlps: promise,
      inputs: module.buffers.compactMap {
        if case .input(let name) = $0.role { return entry($0.buffer, name) } else { return nil }
      },
      outputs: module.buffers.compactMap {
        if case .output(let name) = $0.role { return entry($0.buffer, name) } else { return nil }
      },
      sourceSha256: Digest.hexadecimal(Array(source.utf8)),
      weightsSha256: Digest.hexadecimal(digest: constants.digest),
      weights: embedsConstants ? "embedded" : "separate", weightBytes: constants.bytes.count,
      workspaceBytes: workspaceBytes, workspaceAlignment: PlanMemory.alignment,
      gpuCode: gpuCode)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    do { return String(decoding: try encoder.encode(content), as: UTF8.self) + "\n" } catch {
      throw Diagnostic("the manifest cannot be written: \(error.localizedDescription)")
    }
  }
}
