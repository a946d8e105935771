import Diagnostics
import Foundation

/// What the codes of a blinded reading stand for; kept from the readers.
public struct ReadingKey: Sendable, Equatable, Codable {
  public struct Case: Sendable, Equatable, Codable {
    /// Of the page; unique among all readers' cases.
    public var code: String
    public var name: String
    /// Techniques in the order of the page's letters.
    public var order: [String]
  }

  public struct Reader: Sendable, Equatable, Codable {
    public var name: String
    public var cases: [Case]
  }

  public var version = 1
  public var seed: UInt64
  public var techniques: [String]
  public var readers: [Reader]

  enum CodingKeys: String, CodingKey {
    case version = "rephase_reading_key"
    case seed, techniques, readers
  }

  public init(seed: UInt64, techniques: [String], readers: [Reader]) {
    (self.seed, self.techniques, self.readers) = (seed, techniques, readers)
  }

  /// Throws where the bytes are no key of a reading.
  public init(_ bytes: [UInt8], at path: String) throws(Diagnostic) {
    do { self = try JSONDecoder().decode(ReadingKey.self, from: Data(bytes)) } catch {
      throw Diagnostic(
        "this is no key of a reading", at: SourceLocation(file: path),
        help: "give the key file that 'rank make' wrote")
    }
    let codes = readers.flatMap { $0.cases.map(\.code) }
    let isWhole = readers.allSatisfy { reader in
      reader.cases.allSatisfy { $0.order.sorted() == techniques.sorted() }
    }
    guard version == 1, Set(codes).count == codes.count, isWhole else {
      throw Diagnostic("the key contradicts itself", at: SourceLocation(file: path))
    }
  }

  public func json() throws(Diagnostic) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do { return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n" } catch {
      throw Diagnostic("the key cannot be written as JSON: \(error.localizedDescription)")
    }
  }

  /// The letter of a technique's place on the page.
  static func letter(_ place: Int) -> String {
    String(UnicodeScalar(UInt8(ascii: "A") + UInt8(place)))
  }

  /// A line of a page's CSV with its true case and technique.
  func unblinded(_ entry: Readings.Entry) throws(Diagnostic) -> Readings.Entry {
    for reader in readers {
      guard let found = reader.cases.first(where: { $0.code == entry.caseName }) else { continue }
      let places = found.order.indices.filter { Self.letter($0) == entry.technique }
      guard let place = places.first else {
        throw Diagnostic(
          "case '\(entry.caseName)' has no image '\(entry.technique)'", at: entry.place)
      }
      var copy = entry
      (copy.reader, copy.caseName, copy.technique) = (reader.name, found.name, found.order[place])
      return copy
    }
    throw Diagnostic(
      "the key has no case '\(entry.caseName)'", at: entry.place,
      help: "give the key of this reading, or none if the file has plain names")
  }
}
