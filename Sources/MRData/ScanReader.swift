import Diagnostics
import HDF5
import Tensors

/// What of a file is read, where the file alone does not say.
public struct ScanOptions: Sendable {
  /// What complex values are.
  public enum Content: String, Sendable, Hashable, CaseIterable {
    case kSpace = "kspace"
    case images
  }

  /// The name of the array in a file with several; else `kspace`, then `images`, then the only array there is.
  public var array: String?
  /// The slice that is taken of a scan with several; else all slices, one after the other.
  public var slice: Int?
  /// What the dimensions are, in the order in which the format counts them; else what the format says, or
  /// `Axis.defaults`.
  public var axes: [Axis]?
  /// What complex values are; else k-space.
  public var content: Content?
  /// Whether coils become virtual coils with equal, uncorrelated noise, by the scan's own noise lines (ISMRMRD).
  public var prewhitens: Bool

  public init(
    array: String? = nil, slice: Int? = nil, axes: [Axis]? = nil, content: Content? = nil,
    prewhitens: Bool = false
  ) {
    self.array = array
    self.slice = slice
    self.axes = axes
    self.content = content
    self.prewhitens = prewhitens
  }
}

/// Reads scans; the kind of file is told by its content. A folder is a DICOM series.
public enum ScanReader {
  /// More than any format needs to be known by: DICOM's preamble, HDF5 behind MATLAB's 512 bytes.
  private static let prefixLength = 4096

  /// Throws where the file is not a scan, or holds values that no scan has.
  public static func read(
    _ path: String, options: ScanOptions = ScanOptions()
  ) throws(Diagnostic) -> Scan {
    do { return try scan(path, options: options) } catch {
      throw error.located(at: SourceLocation(file: path))
    }
  }

  private static func scan(_ path: String, options: ScanOptions) throws(Diagnostic) -> Scan {
    if let header = BARTFile.header(of: path) {
      return try assemble(try BARTFile.read(header), path, .bart, options)
    }
    if DICOMFolder.isFolder(path) {
      return try assemble(try DICOMFolder.read(path), path, .dicom, options)
    }
    let start = try FileBytes.prefix(path, prefixLength)
    if NpyFile.isNpy(start) {
      return try assemble(FileArray(tensor: try NpyFile.read(path)), path, .npy, options)
    }
    if NpzFile.isNpz(start) {
      return try assemble(try npzArray(path, options: options), path, .npz, options)
    }
    if HDF5File.isHDF5(start) { return try HDF5Scans.read(path, start: start, options: options) }
    if DICOMFile.isDICOM(start) {
      return try assemble(try DICOMFile(path).array(), path, .dicom, options)
    }
    if MATFile.isMAT(start) {
      return try assemble(try MATFile.read(path, options: options), path, .matlab5, options)
    }
    if NIfTIFile.isNIfTI(path) {
      let (array, format) = try NIfTIFile.read(path)
      return try assemble(array, path, format, options)
    }
    throw Diagnostic(
      "the kind of this file is not known",
      help: path.lowercased().hasSuffix(".img")
        ? "of a NIfTI pair give the .hdr"
        : "give ISMRMRD or fastMRI .h5, BART .cfl, MATLAB .mat, DICOM, NIfTI, .npy or .npz")
  }

  static func assemble(
    _ array: FileArray, _ path: String, _ format: ScanFormat, _ options: ScanOptions
  ) throws(Diagnostic) -> Scan {
    guard !options.prewhitens else {
      throw Diagnostic(
        "a scan in this format has no noise lines",
        help: "read it without --prewhiten, which is for ISMRMRD raw data")
    }
    guard options.array == nil || array.name != nil else {
      throw Diagnostic(
        "a scan in this format has no arrays to choose from", help: "leave the array out")
    }
    return try ScanAssembly(array, options: options).scan(path: path, format: format)
  }

  private static func npzArray(
    _ path: String, options: ScanOptions
  ) throws(Diagnostic) -> FileArray {
    let file = try NpzFile.read(path)
    let name = try arrayName(of: file.names, options: options)
    return FileArray(tensor: try file.array(name), name: name)
  }

  /// The array to read of a file with several; throws where none is meant above the others.
  static func arrayName(
    of names: [String], options: ScanOptions
  ) throws(Diagnostic) -> String {
    if let name = options.array {
      guard names.contains(name) else {
        let shown = names.prefix(8).joined(separator: ", ")
        throw Diagnostic(
          "there is no array '\(name)'",
          help: names.isEmpty ? "the file holds no arrays" : "there are: \(shown)")
      }
      return name
    }
    let found = ["kspace", "images"].first { names.contains($0) }
    guard let name = found ?? (names.count == 1 ? names.first : nil) else {
      throw Diagnostic(
        "the file has no array 'kspace' or 'images'",
        help: names.isEmpty
          ? "it has none of numbers either"
          : "name the array; there are: \(names.prefix(8).joined(separator: ", "))")
    }
    return name
  }
}
