import ArgumentParser
import MRData

/// `HxW`.
struct SizeOption: ExpressibleByArgument {
  var size: ImageSize
  /// More than any image here; keeps products far from overflow.
  static let maximum = 16384

  init?(argument: String) {
    guard let size = try? ImageSize(parsing: argument), size.height <= Self.maximum,
      size.width <= Self.maximum
    else { return nil }
    self.size = size
  }

  init(_ size: ImageSize) { self.size = size }
  var defaultValueDescription: String { size.description }
}

/// `HxW`, or `DxHxW` of volumes.
struct ModelSizeOption: ExpressibleByArgument {
  var slices: Int?
  var size: ImageSize

  init?(argument: String) {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false)
    guard let plane = SizeOption(argument: parts.suffix(2).joined(separator: "x")) else {
      return nil
    }
    self.init(plane.size)
    guard parts.count > 2 else { return }
    guard parts.count == 3, let slices = Int(parts[0]), (1...SizeOption.maximum).contains(slices)
    else { return nil }
    self.slices = slices
  }

  init(_ size: ImageSize) { self.size = size }
}
