import Diagnostics
import Evaluation
import Foundation
import Tensors

/// A named file on the command line, NAME=PATH: the images of a technique, or what a figure shows.
struct TechniqueImages {
  let name: String
  let path: String

  static func parse(_ text: String) throws(Diagnostic) -> TechniqueImages {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw Diagnostic("'\(text)' is no technique", help: "write NAME=PATH")
    }
    return TechniqueImages(name: String(parts[0]), path: String(parts[1]))
  }

  /// The cases of all techniques, sorted by name; throws where a technique lacks one or shapes differ.
  static func cases(_ techniques: [TechniqueImages]) throws(Diagnostic) -> [ReadingSession.Case] {
    var images: [[String: ImageStack]] = []
    for technique in techniques { images.append(try technique.series()) }
    let names = Set(images.flatMap(\.keys)).sorted()
    var cases: [ReadingSession.Case] = []
    for name in names {
      var series: [ImageStack] = []
      for (technique, images) in zip(techniques, images) {
        guard let one = images[name] else {
          throw Diagnostic(
            "technique '\(technique.name)' has no case '\(name)'",
            at: SourceLocation(file: technique.path), help: "all techniques need the same cases")
        }
        series.append(one)
      }
      do { cases.append(try ReadingSession.Case(name: name, series: series)) } catch {
        throw error.located(at: SourceLocation(file: techniques[0].path))
      }
    }
    return cases
  }

  private func series() throws(Diagnostic) -> [String: ImageStack] {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory),
      isDirectory.boolValue
    {
      return try files()
    }
    let bytes = try FileBytes.read(path)
    guard NpzFile.isNpz(bytes) else {
      return ["case-1": try ImageStack(try ArrayFiles.read(path), at: SourceLocation(file: path))]
    }
    let file = try NpzFile(bytes, path: path)
    var result: [String: ImageStack] = [:]
    for name in file.names {
      let place = SourceLocation(file: "\(path)[\(name)]")
      result[name] = try ImageStack(try file.array(name), at: place)
    }
    return result
  }

  private func files() throws(Diagnostic) -> [String: ImageStack] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    var result: [String: ImageStack] = [:]
    for name in names where name.hasSuffix(".npy") {
      result[String(name.dropLast(4))] = try ArrayFiles.images(path + "/" + name)
    }
    guard !result.isEmpty else {
      throw Diagnostic(
        "the directory has no .npy files", at: SourceLocation(file: path),
        help: "put a CASE.npy there for each case")
    }
    return result
  }
}
