import Diagnostics
import Foundation
import HDF5
import Tensors

/// A data set for training: pairs of zero-filled and fully sampled images, in three parts without a common subject.
///
/// A folder with `manifest.json` and `images.h5`. Each part is a group of the latter with `input` and `target`, float32
/// [image, channel, row, column] as a network sees them; `scale`, `offset`, `target_scale`, `target_offset`, float32 [image]
/// (scanner units = value x scale + offset); `subject`, `scan`, `frame`, int32 [image] (numbers of the manifest's lists).
public final class PreparedSet: Sendable {
  public enum Part: String, Sendable, Hashable, CaseIterable, Codable {
    case train, validation, test
  }

  public let manifest: PreparedManifest
  public let directory: String
  private let file: HDF5File

  public static func isPreparedSet(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path + "/" + manifestName)
  }

  static let manifestName = "manifest.json"
  static let imagesName = "images.h5"

  /// Throws where the folder holds no complete set or, with `verifying`, its images are not those of the manifest.
  public init(_ directory: String, verifying: Bool = true) throws(Diagnostic) {
    self.directory = directory
    manifest = try PreparedManifest.read(directory + "/" + Self.manifestName)
    let path = directory + "/" + Self.imagesName
    if verifying {
      guard try FileDigest.sha256(path) == manifest.imagesSHA256 else {
        throw Diagnostic(
          "the images are not those that the manifest was written for",
          at: SourceLocation(file: path),
          help: "copy or prepare the set again")
      }
    }
    file = try HDF5File(reading: path)
    for part in Part.allCases where count(part) > 0 {
      for name in ["input", "target"] {
        let images = [count(part)] + (name == "input" ? shape : targetShape)
        guard try file.shape("\(part.rawValue)/\(name)").extents == images else {
          throw Diagnostic(
            "'\(part.rawValue)/\(name)' has not the size that the manifest says",
            at: SourceLocation(file: path), help: "copy or prepare the set again")
        }
      }
    }
  }

  public func count(_ part: Part) -> Int { manifest.parts[part.rawValue]?.images ?? 0 }

  /// Of one input: [channels, rows, columns].
  public var shape: [Int] { manifest.shape }

  /// Of one target.
  public var targetShape: [Int] { [manifest.targetChannels ?? shape[0]] + shape[1...] }

  /// Zero-filled and fully sampled images [indices.count, channel, row, column], scaled; read from the file now.
  ///
  /// Throws where an index is out of range or the file is damaged.
  public func images(
    _ part: Part, _ indices: [Int]
  ) throws(Diagnostic) -> (input: Tensor<Float>, target: Tensor<Float>) {
    (
      try rows("\(part.rawValue)/input", indices, shape),
      try rows("\(part.rawValue)/target", indices, targetShape)
    )
  }

  /// The way back to scanner units, of each input of a part.
  public func scalings(_ part: Part) throws(Diagnostic) -> [Scaling] {
    guard count(part) > 0 else { return [] }
    let scales = try values(part, "scale").floats().values
    let offsets = try values(part, "offset").floats().values
    return zip(scales, offsets).map { Scaling(scale: $0, offset: $1) }
  }

  /// The name of each image's subject.
  public func subjects(_ part: Part) throws(Diagnostic) -> [String] {
    guard count(part) > 0 else { return [] }
    return try numbers(part, "subject").map { (number) throws(Diagnostic) in
      guard manifest.subjects.indices.contains(number) else {
        throw Diagnostic(
          "an image is of subject \(number), which the manifest does not name",
          at: SourceLocation(file: directory), help: "prepare the set again")
      }
      return manifest.subjects[number].name
    }
  }

  /// The images of a part that are the frames of one cine, in their order: of those that are there with all frames, the
  /// middle one. Nil where there is none.
  public func cine(_ part: Part) throws(Diagnostic) -> [Int]? {
    guard count(part) > 0 else { return nil }
    let columns = try ["subject", "scan", "frame"].map { (name) throws(Diagnostic) in
      try numbers(part, name)
    }
    var groups: [[Int]: [Int]] = [:]
    for index in 0..<count(part) {
      let (subject, scan, frame) = (columns[0][index], columns[1][index], columns[2][index])
      guard manifest.subjects.indices.contains(subject),
        manifest.subjects[subject].scans.indices.contains(scan),
        let length = manifest.subjects[subject].scans[scan].cineFrames, length > 1
      else { continue }
      groups[[subject, scan, frame / length, length], default: []].append(index)
    }
    let whole = groups.filter { $0.key[3] == $0.value.count }.keys.sorted {
      $0.lexicographicallyPrecedes($1)
    }
    return whole.isEmpty ? nil : groups[whole[whole.count / 2]]
  }

  /// A value for each image of a part.
  private func values(_ part: Part, _ name: String) throws(Diagnostic) -> AnyTensor {
    let values = try file.read("\(part.rawValue)/\(name)")
    guard values.shape.elementCount == count(part) else { throw damaged(part, name) }
    return values
  }

  private func numbers(_ part: Part, _ name: String) throws(Diagnostic) -> [Int] {
    let values = try values(part, name).doubles().values
    let numbers = values.compactMap { Int(exactly: $0) }
    guard numbers.count == values.count else { throw damaged(part, name) }
    return numbers
  }

  private func damaged(_ part: Part, _ name: String) -> Diagnostic {
    Diagnostic(
      "'\(part.rawValue)/\(name)' does not say something of each image",
      at: SourceLocation(file: directory + "/" + Self.imagesName), help: "prepare the set again")
  }

  /// Neighbouring rows are read at once.
  private func rows(
    _ name: String, _ indices: [Int], _ shape: [Int]
  ) throws(Diagnostic) -> Tensor<Float> {
    var values: [Float] = []
    var next = 0
    while next < indices.count {
      var end = next + 1
      while end < indices.count, indices[end] == indices[end - 1] + 1 { end += 1 }
      values += try file.read(name, rows: indices[next]..<indices[next] + end - next).floats()
        .values
      next = end
    }
    return try Tensor(try Shape([indices.count] + shape), values)
  }
}

/// What a prepared set says of itself.
public struct PreparedManifest: Codable, Sendable, Equatable {
  /// A part's images, and of how many they were chosen.
  public struct Part: Codable, Sendable, Equatable {
    public var images: Int
    public var available: Int
  }

  public struct Subject: Codable, Sendable, Equatable {
    public var name: String
    public var part: PreparedSet.Part
    public var scans: [ScanFile]
  }

  public struct ScanFile: Codable, Sendable, Equatable {
    public var file: String
    public var sha256: String
    public var format: String
    public var frames: Int
    /// Frames that were left out because they are all one value.
    public var emptyFrames: Int
    /// Frames that follow each other in time, of which `frames` is a multiple; absent where there is no such dimension,
    /// and in sets of earlier versions.
    public var cineFrames: Int?
  }

  public var format = Self.currentFormat
  /// [channels, rows, columns] of an input.
  public var shape: [Int]
  /// Of a target; absent where it has as many as its input.
  public var targetChannels: Int?
  public var mask: String
  public var axis: String
  /// `before` or `after` under-sampling; absent in sets of earlier versions, where it was after.
  public var crop: String?
  public var nominalAcceleration: Double?
  /// The mean over all images.
  public var trueAcceleration: Double
  public var scale: String
  public var combination: String
  public var seed: UInt64
  /// How training images were chosen.
  public var selection: String
  public var imagesSHA256: String
  public var parts: [String: Part]
  public var subjects: [Subject]

  static let currentFormat = "rephase prepared set 1"

  /// Throws where the file is no manifest of this version.
  static func read(_ path: String) throws(Diagnostic) -> PreparedManifest {
    let place = SourceLocation(file: path)
    let bytes = try FileBytes.read(path, limit: 64 << 20)
    guard let manifest = try? JSONDecoder().decode(PreparedManifest.self, from: Data(bytes)),
      manifest.format == currentFormat, manifest.shape.count == 3,
      (manifest.shape + [manifest.targetChannels ?? 1]).allSatisfy({ (1...65_536).contains($0) }),
      manifest.parts.values.allSatisfy({ (0...1 << 24).contains($0.images) })
    else {
      throw Diagnostic(
        "this is no manifest of a prepared set", at: place,
        help: "make the set with 'rephase prepare'")
    }
    return manifest
  }

  func json() throws(Diagnostic) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    do { return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n" } catch {
      throw Diagnostic("the manifest cannot be written: \(error.localizedDescription)")
    }
  }
}
