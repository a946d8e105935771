import Diagnostics
import Foundation
import Tensors

/// The scans of one subject.
public struct Subject: Sendable, Hashable {
  public let name: String
  public let scans: [String]

  /// The subjects of files and folders: a file's name without its extension; in a folder, each file is one and each
  /// folder inside is one with all its files. Throws where a path is missing, or two subjects have one name.
  public static func find(_ paths: [String]) throws(Diagnostic) -> [Subject] {
    var subjects: [Subject] = []
    for path in paths {
      guard DICOMFolder.isFolder(path) else {
        subjects.append(Subject(name: name(of: path), scans: [path]))
        continue
      }
      for entry in try entries(path) {
        let isNested = DICOMFolder.isFolder(entry)
        let scans = isNested ? try entries(entry).filter { !DICOMFolder.isFolder($0) } : [entry]
        if !scans.isEmpty {
          let shown = URL(fileURLWithPath: entry).lastPathComponent
          subjects.append(Subject(name: isNested ? shown : name(of: entry), scans: scans))
        }
      }
    }
    for (index, subject) in subjects.enumerated()
    where subjects[..<index].contains(where: { $0.name == subject.name }) {
      throw Diagnostic(
        "two subjects have the name '\(subject.name)'", at: SourceLocation(file: subject.scans[0]),
        help: "put the scans of one subject into a folder of its name")
    }
    return subjects.sorted { $0.name < $1.name }
  }

  /// Sorted; without hidden files and the values of BART arrays, which their headers stand for.
  private static func entries(_ folder: String) throws(Diagnostic) -> [String] {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
      throw Diagnostic(
        "the folder cannot be read", at: SourceLocation(file: folder), help: "check its permissions"
      )
    }
    return names.sorted().filter { name in
      let isValues = name.hasSuffix(".cfl") && names.contains(name.dropLast(4) + ".hdr")
      return !name.hasPrefix(".") && !isValues
    }.map { folder + "/" + $0 }
  }

  private static func name(of path: String) -> String {
    var name = URL(fileURLWithPath: path).lastPathComponent
    if name.hasSuffix(".gz") { name.removeLast(3) }
    return URL(fileURLWithPath: name).deletingPathExtension().lastPathComponent
  }
}

/// Which subjects are for training, validation and test.
public enum SubjectSplit: Sendable {
  /// Drawn in the paper's proportions of 27 : 7 : 19, at least one for each part where there are three subjects.
  case seed(UInt64)
  /// The subjects of validation and test by name; all others are for training.
  case given(validation: [String], test: [String])

  /// The part of each subject; throws where a name is unknown or stands twice.
  public func parts(of subjects: [Subject]) throws(Diagnostic) -> [PreparedSet.Part] {
    switch self {
    case .seed(let seed): return Self.drawn(subjects.count, seed: seed)
    case .given(let validation, let test):
      for name in validation + test where !subjects.contains(where: { $0.name == name }) {
        let known = subjects.prefix(8).map(\.name).joined(separator: ", ")
        throw Diagnostic("there is no subject '\(name)'", help: "there are: \(known)")
      }
      if let both = validation.first(where: test.contains) {
        throw Diagnostic(
          "subject '\(both)' is for validation and for test", help: "name it for one of them")
      }
      return subjects.map { subject in
        if validation.contains(subject.name) { return .validation }
        return test.contains(subject.name) ? .test : .train
      }
    }
  }

  private static func drawn(_ count: Int, seed: UInt64) -> [PreparedSet.Part] {
    func share(_ part: Double, from least: Int) -> Int {
      count < least ? 0 : max(1, Int((Double(count) * part / 53).rounded()))
    }
    let (validation, test) = (share(7, from: 2), share(19, from: 3))
    var generator = SplitMix64(seed: seed)
    var parts = [PreparedSet.Part](repeating: .train, count: count)
    for (place, subject) in (0..<count).shuffled(using: &generator).enumerated() {
      if place < validation {
        parts[subject] = .validation
      } else if place < validation + test {
        parts[subject] = .test
      }
    }
    return parts
  }
}
