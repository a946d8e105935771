import Diagnostics
import Evaluation
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

  static func images(_ path: String) throws(Diagnostic) -> ImageStack {
    try ImageStack(try read(path), at: SourceLocation(file: path))
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
