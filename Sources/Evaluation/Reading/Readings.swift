import Diagnostics
import Foundation

/// The ranks that readers gave to techniques, one block a reader and case.
public struct Readings: Sendable {
  public struct Block: Sendable {
    public let reader: String
    public let caseName: String
    /// In the order of `techniques`; 1 is best.
    public let ranks: [Double]
  }

  /// Sorted by name.
  public let techniques: [String]
  public let blocks: [Block]

  /// Reads CSV files with the columns `case,technique,rank`, a file a reader; `key` tells what a blinded reading means.
  ///
  /// Throws where a column is missing, a rank is no number from 1 to the number of techniques, a technique is ranked
  /// twice or not at all in a case, cases or techniques are not those of the key, or a reader's file is given twice.
  public init(
    _ files: [(path: String, bytes: [UInt8])], key: ReadingKey? = nil
  ) throws(Diagnostic) {
    var all: [[Entry]] = []
    for file in files {
      var entries: [Entry] = []
      for entry in try Self.entries(file.bytes, path: file.path) {
        entries.append(try key?.unblinded(entry) ?? entry.named(reader: file.path))
      }
      all.append(entries)
    }
    let names = Set(all.joined().map(\.technique))
    guard names.count >= 2 else {
      throw Diagnostic(
        "the readings rank \(names.count) techniques; two at least can be compared",
        at: files.first.map { SourceLocation(file: $0.path) })
    }
    techniques = names.sorted()
    var blocks: [Block] = []
    for entries in all { blocks += try Self.blocks(entries, techniques) }
    try Self.checkRepeats(blocks, files.map(\.path))
    self.blocks = blocks
  }

  /// A line of a file.
  struct Entry {
    var reader = ""
    var caseName: String
    var technique: String
    var rank: Double
    var place: SourceLocation

    func named(reader: String) -> Entry {
      var copy = self
      copy.reader = reader
      return copy
    }
  }

  private static func entries(_ bytes: [UInt8], path: String) throws(Diagnostic) -> [Entry] {
    let table = try CSVTable(bytes, at: path)
    var columns: [Int] = []
    for name in ["case", "technique", "rank"] {
      let found = table.header.indices.filter { table.header[$0].lowercased() == name }
      guard found.count == 1 else {
        throw Diagnostic(
          "the header has \(found.isEmpty ? "no column" : "more than one column") '\(name)'",
          at: SourceLocation(file: path, line: 1), help: "the columns are case,technique,rank")
      }
      columns += found
    }
    var entries: [Entry] = []
    for row in table.rows {
      let place = SourceLocation(file: path, line: row.line)
      let (name, technique) = (row.fields[columns[0]], row.fields[columns[1]])
      guard !name.isEmpty, !technique.isEmpty else {
        throw Diagnostic("the row has no case or no technique", at: place)
      }
      let text = row.fields[columns[2]]
      guard let rank = Double(text), rank.isFinite else {
        throw Diagnostic(
          text.isEmpty ? "the row has no rank" : "the rank '\(text)' is not a number", at: place)
      }
      entries.append(Entry(caseName: name, technique: technique, rank: rank, place: place))
    }
    guard !entries.isEmpty else {
      throw Diagnostic("the file has no readings", at: SourceLocation(file: path))
    }
    return entries
  }

  /// The cases of one file in its order.
  private static func blocks(
    _ entries: [Entry], _ techniques: [String]
  ) throws(Diagnostic) -> [Block] {
    var order: [String] = []
    var cases: [String: [String: Entry]] = [:]
    for entry in entries {
      guard (1...Double(techniques.count)).contains(entry.rank) else {
        throw Diagnostic(
          "the rank \(entry.rank) does not lie between 1 and \(techniques.count), the number of "
            + "techniques", at: entry.place)
      }
      if cases[entry.caseName] == nil { order.append(entry.caseName) }
      let earlier = cases[entry.caseName, default: [:]].updateValue(entry, forKey: entry.technique)
      if let earlier {
        throw Diagnostic(
          "'\(entry.technique)' is ranked twice in case '\(entry.caseName)', on line "
            + "\(earlier.place.line) too", at: entry.place)
      }
    }
    var blocks: [Block] = []
    for name in order {
      let ranked = cases[name] ?? [:]
      if let missing = techniques.first(where: { ranked[$0] == nil }), let some = ranked.first {
        throw Diagnostic(
          "case '\(name)' has no rank of '\(missing)'",
          at: SourceLocation(file: some.value.place.file),
          help: "every reader ranks all techniques in each case")
      }
      let reader = ranked.first?.value.reader ?? ""
      blocks.append(
        Block(reader: reader, caseName: name, ranks: techniques.map { ranked[$0]?.rank ?? 0 }))
    }
    return blocks
  }

  private static func checkRepeats(_ blocks: [Block], _ paths: [String]) throws(Diagnostic) {
    var seen: Set<[String]> = []
    for block in blocks where !seen.insert([block.reader, block.caseName]).inserted {
      throw Diagnostic(
        "case '\(block.caseName)' of reader '\(block.reader)' is there twice",
        at: paths.last.map { SourceLocation(file: $0) },
        help: "give each reader's file once")
    }
  }
}
