import Diagnostics
import Tensors

/// A model's inputs from `.npy` files of float numbers.
struct ModelInputs {
  let tensors: [Tensor<Float>]
  private let paths: [String]

  init(reading paths: [String]) throws(Diagnostic) {
    self.paths = paths
    var tensors: [Tensor<Float>] = []
    for path in paths {
      do { tensors.append(try NpyFile.read(path).floats()) } catch {
        throw error.located(at: SourceLocation(file: path))
      }
    }
    self.tensors = tensors
  }

  var shapes: [Shape] { tensors.map(\.shape) }

  /// Batch and size of a network's images are those of the first input, where the user says no others.
  func completing(_ options: ModelOptions) -> ModelOptions {
    guard let extents = tensors.first?.shape.extents, extents.count == 4, !options.isDump,
      !options.isONNX
    else { return options }
    var options = options
    options.batch = options.batch ?? extents[0]
    options.size =
      options.size ?? ModelSizeOption(.init(height: extents[2], width: extents[3]))
    return options
  }

  /// Runs the model; what it has against its inputs, if it does not say more, is said of the first one's file.
  func locating<Result>(_ work: () throws -> Result) throws -> Result {
    do { return try work() } catch let diagnostic as Diagnostic {
      throw diagnostic.located(at: paths.first.map { SourceLocation(file: $0) })
    }
  }
}
