import Diagnostics
import Tensors

/// Height and width of an image in pixels.
public struct ImageSize: Sendable, Hashable, CustomStringConvertible {
  public var height: Int
  public var width: Int

  public init(height: Int, width: Int) {
    self.height = height
    self.width = width
  }

  /// Reads `192x128`; throws where it is not two positive numbers of at most 65,536.
  public init(parsing text: String) throws(Diagnostic) {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let height = parts[0], let width = parts[1],
      (1...65_536).contains(height), (1...65_536).contains(width)
    else {
      throw Diagnostic(
        "'\(text)' is not an image size", help: "write HEIGHTxWIDTH, such as 192x128")
    }
    self.init(height: height, width: width)
  }

  public var description: String { "\(height)x\(width)" }
}

/// Cutting and padding about the centre: index n/2 of the source comes to index m/2 of the result.
public enum Cropping {
  /// [row, column] to the given size; what lies outside the source is `padding`.
  public static func centre<Scalar: Sendable>(
    _ image: Tensor<Scalar>, to size: ImageSize, padding: Scalar
  ) throws(Diagnostic) -> Tensor<Scalar> {
    guard image.shape.rank == 2 else {
      throw Diagnostic("an image has rows and columns, not \(image.shape)")
    }
    let (rows, columns) = (image.shape[0], image.shape[1])
    var result = Tensor(try Shape([size.height, size.width]), repeating: padding)
    let (rowShift, columnShift) = (rows / 2 - size.height / 2, columns / 2 - size.width / 2)
    let valid =
      max(0, -columnShift)..<max(max(0, -columnShift), min(size.width, columns - columnShift))
    for row in 0..<size.height where (0..<rows).contains(row + rowShift) {
      for column in valid {
        result.values[row * size.width + column] =
          image.values[(row + rowShift) * columns + column + columnShift]
      }
    }
    return result
  }

  /// Puts `patch` back into `image` where `centre` had cut it.
  public static func insert<Scalar: Sendable>(
    _ patch: Tensor<Scalar>, into image: inout Tensor<Scalar>
  ) throws(Diagnostic) {
    guard image.shape.rank == 2, patch.shape.rank == 2 else {
      throw Diagnostic("images have rows and columns, not \(image.shape) and \(patch.shape)")
    }
    let (rows, columns) = (image.shape[0], image.shape[1])
    let (height, width) = (patch.shape[0], patch.shape[1])
    for row in 0..<height {
      let target = row + rows / 2 - height / 2
      guard (0..<rows).contains(target) else { continue }
      for column in 0..<width {
        let place = column + columns / 2 - width / 2
        guard (0..<columns).contains(place) else { continue }
        image.values[target * columns + place] = patch.values[row * width + column]
      }
    }
  }
}
