import Diagnostics
import HDF5
import Tensors

/// Scans in HDF5 files; which layout it is, is told by what the file holds.
enum HDF5Scans {
  static func read(
    _ path: String, start: [UInt8], options: ScanOptions
  ) throws(Diagnostic) -> Scan {
    let file = try HDF5File(reading: path)
    if start.starts(with: "MATLAB 7.3".utf8) {
      return try ScanReader.assemble(try matlab(file, options: options), path, .matlab73, options)
    }
    let groups = ISMRMRDFile.groups(of: file)
    if !groups.isEmpty {
      return try ISMRMRDFile.scan(of: file, groups: groups, options: options)
    }
    if let series = ISMRMRDImages.series(of: file, options: options) {
      var options = options
      options.content = .images
      return try ScanReader.assemble(
        try ISMRMRDImages.read(file, series), path, .ismrmrdImages, options)
    }
    let isFastMRI = file.contains("ismrmrd_header") && options.array == nil
    return try ScanReader.assemble(
      try array(file, options: options), path, isFastMRI ? .fastMRI : .hdf5, options)
  }

  /// MATLAB arrays count their first dimension fastest, and complex ones are records of `real` and `imag`.
  private static func matlab(
    _ file: HDF5File, options: ScanOptions
  ) throws(Diagnostic) -> FileArray {
    let names = numbers(file).filter { !$0.hasPrefix("#") }
    let name = try ScanReader.arrayName(of: names, options: options)
    guard file.attribute("MATLAB_class", of: name) != nil else {
      throw Diagnostic("the variable '\(name)' has no MATLAB class", help: "save it again")
    }
    return FileArray(tensor: try file.read(name), name: name, isFirstFastest: true)
  }

  /// The datasets of numbers at the top of the file, and what cannot be read but is there.
  private static func numbers(_ file: HDF5File) -> [String] {
    file.names(in: "/").filter { name in
      guard let found = try? file.description(of: name) else {
        return file.isUnreadable(name)
      }
      return found.kind != .string && found.kind != .other && found.extents.count >= 2
    }
  }

  /// fastMRI: `kspace` [slice, coil, row, column], or [slice, row, column] of one coil, rows along the readout; the
  /// header tells the matrix that images are cut to. Other files are arrays as in .npz.
  private static func array(
    _ file: HDF5File, options: ScanOptions
  ) throws(Diagnostic) -> FileArray {
    let name: String
    if let given = options.array {
      name = given
    } else {
      name = try ScanReader.arrayName(of: numbers(file), options: options)
    }
    var array = FileArray(tensor: try file.read(name), name: name)
    guard file.contains("ismrmrd_header"), name == "kspace" else { return array }
    switch array.tensor.shape.rank {
    case 3: array.axes = [.slice, .row, .column]
    case 4: array.axes = [.slice, .coil, .row, .column]
    default: break
    }
    let header = try ISMRMRDHeader(parsing: try file.string("ismrmrd_header"))
    array.facts.imageSize = header.imageSize
    array.facts.spacing = header.spacing
    for note in ["acquisition", "patient_id"] {
      if let text = file.attribute(note, of: "/") { array.facts.notes.append("\(note): \(text)") }
    }
    return array
  }
}
