import Diagnostics
import Evaluation
import MRData
import Tensors

/// Arrays that commands of the evaluation take as files.
enum ArrayFiles {
  /// The array of an .npy file, or of an .npz file: `images`, or the only one there is.
  static func read(_ path: String) throws(Diagnostic) -> AnyTensor {
    let place = SourceLocation(file: path)
    let bytes = try FileBytes.read(path)
    if NpyFile.isNpy(bytes) { return try NpyFile.decode(bytes, at: place) }
    guard NpzFile.isNpz(bytes) else {
      throw Diagnostic("this is neither an .npy nor an .npz file", at: place)
    }
    let file = try NpzFile(bytes, path: path)
    let only = file.names.count == 1 ? file.names.first : nil
    guard let name = file.names.contains("images") ? "images" : only else {
      throw Diagnostic(
        "the file has no array 'images'", at: place,
        help: "save the array that is meant as an .npy file")
    }
    return try file.array(name)
  }

  /// Images of an array file as they are; those of a scan as `recon` makes them, whole and unscaled.
  static func images(_ path: String) throws(Diagnostic) -> ImageStack {
    let place = SourceLocation(file: path)
    guard try isScan(path) else { return try ImageStack(try read(path), at: place) }
    var recipe = Reconstruction()
    (recipe.pattern, recipe.size) = (.none, nil)
    let images = try recipe.run(try ScanReader.read(path)).zeroFilled
    return try ImageStack(.float32(images), at: place)
  }

  /// Whether the file is of no array format, or has k-space by name.
  private static func isScan(_ path: String) throws(Diagnostic) -> Bool {
    let start = try FileBytes.prefix(path, 16)
    if NpzFile.isNpz(start) { return try NpzFile.read(path).names.contains("kspace") }
    return !NpyFile.isNpy(start)
  }

  /// All values of an array of any shape; throws where one is not finite.
  static func sample(_ path: String) throws(Diagnostic) -> [Double] {
    try values(path).values
  }

  static func values(_ path: String) throws(Diagnostic) -> Tensor<Double> {
    let place = SourceLocation(file: path)
    let tensor: Tensor<Double>
    do { tensor = try read(path).doubles() } catch { throw error.located(at: place) }
    if let bad = tensor.values.firstIndex(where: { !$0.isFinite }) {
      throw Diagnostic(
        "value number \(bad) (from 0) is \(tensor.values[bad])", at: place,
        help: "statistics need finite values")
    }
    return tensor
  }
}
