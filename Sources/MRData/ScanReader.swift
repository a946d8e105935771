import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// What of a file is read, where the file alone does not say.
public struct ScanOptions: Sendable {
  /// The name of the array in an .npz file; else `kspace`, then `images`, then the only array there is.
  public var array: String?
  /// The slice that is taken of a scan with several; else all slices, one after the other.
  public var slice: Int?
  /// What the dimensions are, outermost first; else the defaults of `ScanReader.defaultAxes`.
  public var axes: [Axis]?

  public init(array: String? = nil, slice: Int? = nil, axes: [Axis]? = nil) {
    self.array = array
    self.slice = slice
    self.axes = axes
  }

  /// Reads `coil,row,column` or the like.
  public static func axes(parsing text: String) throws(Diagnostic) -> [Axis] {
    var axes: [Axis] = []
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let axis = Axis(rawValue: String(name)) else {
        throw Diagnostic(
          "'\(name)' is not an axis",
          help: "write slice, frame, coil, row and column, such as coil,row,column")
      }
      axes.append(axis)
    }
    return axes
  }
}

/// Reads scans; the kind of file is told by its first bytes.
public enum ScanReader {
  /// Throws where the file is not a scan, or holds values that no scan has.
  public static func read(
    _ path: String, options: ScanOptions = ScanOptions()
  ) throws(Diagnostic) -> Scan {
    let place = SourceLocation(file: path)
    let bytes = try FileBytes.read(path)
    let (name, array) = try self.array(bytes, path: path, options: options)
    do {
      return try scan(array, name: name, path: path, options: options)
    } catch {
      throw error.located(at: place)
    }
  }

  /// Magnitudes: [row, column], [frame, row, column], [slice, frame, row, column]. K-space: the same up to three
  /// dimensions, then [frame, coil, row, column], [slice, frame, coil, row, column].
  public static func defaultAxes(rank: Int, isComplex: Bool) -> [Axis]? {
    switch (rank, isComplex) {
    case (2, _): return [.row, .column]
    case (3, _): return [.frame, .row, .column]
    case (4, false): return [.slice, .frame, .row, .column]
    case (4, true): return [.frame, .coil, .row, .column]
    case (5, true): return [.slice, .frame, .coil, .row, .column]
    default: return nil
    }
  }

  private static func array(
    _ bytes: [UInt8], path: String, options: ScanOptions
  ) throws(Diagnostic) -> (name: String?, AnyTensor) {
    if NpyFile.isNpy(bytes) {
      return (nil, try NpyFile.decode(bytes, at: SourceLocation(file: path)))
    }
    guard NpzFile.isNpz(bytes) else {
      throw Diagnostic(
        "the kind of this file is not known", at: SourceLocation(file: path),
        help: "give an .npy or .npz file of magnitude images or complex k-space")
    }
    let file = try NpzFile(bytes, path: path)
    let found = options.array ?? ["kspace", "images"].first { file.names.contains($0) }
    guard let name = found ?? (file.names.count == 1 ? file.names.first : nil) else {
      throw Diagnostic(
        "the file has no array 'kspace' or 'images'", at: SourceLocation(file: path),
        help: "name the array; there are: \(file.names.prefix(8).joined(separator: ", "))")
    }
    return (name, try file.array(name))
  }

  private static func scan(
    _ array: AnyTensor, name: String?, path: String, options: ScanOptions
  ) throws(Diagnostic) -> Scan {
    let axes = try self.axes(of: array, options: options)
    let part = try selected(array.shape, axes, slice: options.slice)
    let content: Scan.Content
    if array.isComplex {
      guard name != "images" else {
        throw Diagnostic(
          "the array 'images' is complex", help: "store k-space under the name 'kspace'")
      }
      let values = Array(try array.complexFloats().values[part])
      try check(values, { $0.isFinite }, { $0 != .zero }, array.shape, from: part.lowerBound)
      content = .kSpace(try KSpace(try Tensor(try shape(array, axes, part, coils: true), values)))
    } else {
      let values = Array(try array.floats().values[part])
      try check(values, { $0.isFinite }, { $0 != 0 }, array.shape, from: part.lowerBound)
      if let index = values.firstIndex(where: { $0 < 0 }) {
        throw Diagnostic(
          "the magnitude at \(indexText(index + part.lowerBound, array.shape)) is negative: "
            + "\(values[index])",
          help: "give magnitude images, or complex k-space")
      }
      content = .images(try Tensor(try shape(array, axes, part, coils: false), values))
    }
    return Scan(
      content: content, path: path, arrayName: name, axes: axes, fileShape: array.shape)
  }

  private static func axes(
    of array: AnyTensor, options: ScanOptions
  ) throws(Diagnostic) -> [Axis] {
    let given = options.axes
    guard let axes = given ?? defaultAxes(rank: array.shape.rank, isComplex: array.isComplex) else {
      throw Diagnostic(
        "an array \(array.shape) of \(array.typeName) is no scan",
        help: "give 2 to 4 dimensions of magnitudes or 2 to 5 of complex k-space")
    }
    // The axes that are there stand in one order.
    let ordered = Axis.allCases.filter { axes.contains($0) }
    guard axes == ordered, axes.suffix(2) == [.row, .column], axes.count == array.shape.rank else {
      let names = axes.map(\.rawValue).joined(separator: ",")
      throw Diagnostic(
        "the axes \(names) do not fit an array \(array.shape)",
        help: "name each dimension once, in the order slice,frame,coil,row,column")
    }
    guard array.isComplex || !axes.contains(.coil) else {
      throw Diagnostic("magnitude images have no coil axis", help: "give complex k-space")
    }
    return axes
  }

  /// The range of values that the chosen slice takes.
  private static func selected(
    _ shape: Shape, _ axes: [Axis], slice: Int?
  ) throws(Diagnostic) -> Range<Int> {
    guard let slice else { return 0..<shape.elementCount }
    guard axes.first == .slice else {
      throw Diagnostic("the scan has no slices to choose from", help: "leave the slice out")
    }
    guard (0..<shape[0]).contains(slice) else {
      throw Diagnostic(
        "there is no slice \(slice)", help: "choose one of 0 to \(shape[0] - 1)")
    }
    let size = shape.elementCount / shape[0]
    return slice * size..<(slice + 1) * size
  }

  /// Slices and frames in one dimension, then coils where asked for, rows, columns.
  private static func shape(
    _ array: AnyTensor, _ axes: [Axis], _ part: Range<Int>, coils: Bool
  ) throws(Diagnostic) -> Shape {
    let extents = array.shape.extents
    let coilCount = axes.firstIndex(of: .coil).map { extents[$0] } ?? 1
    let plane = Array(extents.suffix(2))
    let frames = part.count / (plane[0] * plane[1] * coilCount)
    return try Shape([frames] + (coils ? [coilCount] : []) + plane)
  }

  private static func check<Value>(
    _ values: [Value], _ isFinite: (Value) -> Bool, _ isSomething: (Value) -> Bool,
    _ shape: Shape, from start: Int
  ) throws(Diagnostic) {
    if let index = values.firstIndex(where: { !isFinite($0) }) {
      throw Diagnostic(
        "the value at \(indexText(index + start, shape)) is not finite in float32",
        help: "the scan must hold neither NaN nor infinities")
    }
    guard values.contains(where: isSomething) else {
      throw Diagnostic("all values of the scan are zero", help: "check how it was exported")
    }
  }

  private static func indexText(_ index: Int, _ shape: Shape) -> String {
    var rest = index
    let indices = shape.rowMajorStrides.map { stride in
      defer { rest %= stride }
      return String(rest / stride)
    }
    return "[" + indices.joined(separator: ", ") + "]"
  }
}
