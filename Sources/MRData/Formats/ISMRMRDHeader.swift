import Diagnostics
import Foundation
import Tensors

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// What Rephase uses of an ISMRMRD XML header: the first encoding.
///
/// Format: ISMRMRD's schema/ismrmrd.xsd, https://www.ismrm.org/ISMRMRD.
struct ISMRMRDHeader: Sendable {
  /// Matrix and field of view (mm, zero where the header does not say) along readout, first and second phase encoding.
  struct Space: Sendable, Hashable {
    var matrix: [Int]
    var fieldOfView: [Double]
  }

  var encoded: Space
  var reconstructed: Space
  /// The index that holds zero frequency along the first and second phase encoding; nil where the header does not say.
  var centres: [Int?]
  var accelerations: [Int]
  /// `embedded`, `interleaved`, `separate`, `external` or `other`; nil where the header does not say.
  var calibrationMode: String?
  var trajectory: String
  /// System, field strength and the like, a line each.
  var notes: [String]

  /// Throws where the text is no XML or lacks a matrix.
  init(parsing text: String) throws(Diagnostic) {
    let collector = XMLValues()
    let parser = XMLParser(data: Data(text.utf8))
    parser.shouldResolveExternalEntities = false
    parser.delegate = collector
    guard text.utf8.count <= 16 << 20, parser.parse(), collector.values["ismrmrdHeader"] != nil
    else {
      throw Diagnostic("the ISMRMRD header is no well-formed XML", help: "write the file again")
    }
    let values = collector.values
    let encoding = "ismrmrdHeader/encoding/"
    guard let encoded = try Self.space(values, encoding + "encodedSpace/") else {
      throw Diagnostic("the ISMRMRD header has no encoded matrix", help: "write the file again")
    }
    self.encoded = encoded
    reconstructed = try Self.space(values, encoding + "reconSpace/") ?? encoded
    centres = [1, 2].map { values[encoding + "encodingLimits/kspace_encoding_step_\($0)/center"] }
      .map { $0.flatMap { Int($0) } }
    accelerations = [1, 2].map {
      values[encoding + "parallelImaging/accelerationFactor/kspace_encoding_step_\($0)"]
    }.map { $0.flatMap { Int($0) } ?? 1 }
    calibrationMode = values[encoding + "parallelImaging/calibrationMode"]
    trajectory = values[encoding + "trajectory"]?.lowercased() ?? "cartesian"
    notes = Self.notes(values)
  }

  private static func space(
    _ values: [String: String], _ path: String
  ) throws(Diagnostic) -> Space? {
    let axes = ["x", "y", "z"]
    guard values[path + "matrixSize/x"] != nil else { return nil }
    let matrix = axes.map { values[path + "matrixSize/" + $0].flatMap { Int($0) } ?? 0 }
    guard matrix.allSatisfy({ (1...65_535).contains($0) }) else {
      throw Diagnostic(
        "the ISMRMRD header has a matrix of \(matrix)", help: "extents lie between 1 and 65535")
    }
    let fields = axes.map { values[path + "fieldOfView_mm/" + $0].flatMap { Double($0) } ?? 0 }
    return Space(matrix: matrix, fieldOfView: fields.map { $0.isFinite && $0 > 0 ? $0 : 0 })
  }

  private static func notes(_ values: [String: String]) -> [String] {
    let system = "ismrmrdHeader/acquisitionSystemInformation/"
    let known = [
      ("vendor", system + "systemVendor"), ("model", system + "systemModel"),
      ("field strength (T)", system + "systemFieldStrength_T"),
      ("institution", system + "institutionName"),
      ("protocol", "ismrmrdHeader/measurementInformation/protocolName"),
      ("TR (ms)", "ismrmrdHeader/sequenceParameters/TR"),
      ("TE (ms)", "ismrmrdHeader/sequenceParameters/TE"),
      ("flip angle (deg)", "ismrmrdHeader/sequenceParameters/flipAngle_deg"),
    ]
    return known.compactMap { name, path in values[path].map { "\(name): \($0)" } }
  }
}

extension ISMRMRDHeader {
  /// The points along a dimension of the encoded matrix that lie in the field of view reconstructed; without fields of
  /// view, the smaller matrix.
  func extentInView(_ dimension: Int) -> Int {
    let (from, to) = (encoded.fieldOfView[dimension], reconstructed.fieldOfView[dimension])
    let (matrix, wanted) = (encoded.matrix[dimension], reconstructed.matrix[dimension])
    guard from > 0, to > 0 else { return min(matrix, wanted) }
    return max(1, Int(min(Double(matrix), (Double(matrix) * to / from).rounded())))
  }

  /// Rows along the readout, columns along the first phase encoding.
  var imageSize: ImageSize { ImageSize(height: extentInView(0), width: extentInView(1)) }

  /// Millimetres between rows, columns and slices; nil where the header does not say.
  var spacing: [Double]? {
    guard encoded.fieldOfView.allSatisfy({ $0 > 0 }) else { return nil }
    return zip(encoded.fieldOfView, encoded.matrix).map { $0 / Double($1) }
  }
}

/// The text of each element by its path; the first where there are several, and of encodings the first alone.
private final class XMLValues: NSObject, XMLParserDelegate {
  var values: [String: String] = [:]
  private var path: [String] = []
  private var texts: [String] = []
  private var isFirstEncoding = true
  private static let encoding = "ismrmrdHeader/encoding"
  /// Deeper than the schema goes.
  private static let maximumDepth = 64

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    path.append(name.split(separator: ":").last.map(String.init) ?? name)
    texts.append("")
    if path.count > Self.maximumDepth { parser.abortParsing() }
  }

  func parser(_ parser: XMLParser, foundCharacters text: String) {
    if !texts.isEmpty { texts[texts.count - 1] += text }
  }

  func parser(_ parser: XMLParser, foundCDATA block: Data) {
    self.parser(parser, foundCharacters: String(decoding: block, as: UTF8.self))
  }

  func parser(
    _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
  ) {
    let key = path.joined(separator: "/")
    defer { if key == Self.encoding { isFirstEncoding = false } }
    let text = texts.popLast()?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
    path.removeLast()
    guard isFirstEncoding || !key.hasPrefix(Self.encoding) else { return }
    if values[key] == nil { values[key] = text }
  }
}
