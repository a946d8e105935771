import Diagnostics
import Foundation
import Tensors

/// What a host must know of a library's tensors, from its manifest:
/// `"inputs": [{"name": "x", "shape": [1, 1, 192, 128]}], "outputs": [...]`.
struct Manifest {
  var inputs: [HostTensor]
  var outputs: [HostTensor]
  /// The network and its settings, as in the metadata of weight files; empty for other models and older libraries.
  var metadata: [String: String]

  init(_ json: String) throws(Diagnostic) {
    let parsed = try? JSONSerialization.jsonObject(with: Data(json.utf8))
    guard let object = parsed as? [String: Any] else {
      throw Diagnostic("the library's manifest is not a JSON object")
    }
    inputs = try Self.tensors(object, "inputs")
    outputs = try Self.tensors(object, "outputs")
    metadata = object.filter { ["network", "settings"].contains($0.key) }
      .compactMapValues { $0 as? String }
  }

  private static func tensors(
    _ object: [String: Any], _ key: String
  ) throws(Diagnostic) -> [HostTensor] {
    guard let list = object[key] as? [[String: Any]], !list.isEmpty else {
      throw Diagnostic("the library's manifest has no list '\(key)'")
    }
    var tensors: [HostTensor] = []
    for item in list {
      guard let name = item["name"] as? String, let extents = item["shape"] as? [Int] else {
        throw Diagnostic("an entry of '\(key)' in the library's manifest has no name and shape")
      }
      tensors.append(HostTensor(name: name, shape: try Shape(extents)))
    }
    return tensors
  }
}
