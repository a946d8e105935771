import CPNG
import Diagnostics

/// Red, green, blue, 8 bits each.
public struct Colour: Sendable, Equatable {
  public var red: UInt8
  public var green: UInt8
  public var blue: UInt8

  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  public static let white = Colour(255, 255, 255)

  public static func grey(_ level: Float) -> Colour {
    let byte = Colour.byte(level)
    return Colour(byte, byte, byte)
  }

  /// 0...1 over nine points of matplotlib's `inferno` map (CC0), linear between them.
  public static func heat(_ level: Float) -> Colour {
    let place = Self.clamped(level) * Float(inferno.count - 1)
    let index = min(Int(place), inferno.count - 2)
    let (low, high, part) = (inferno[index], inferno[index + 1], place - Float(index))
    func mix(_ from: UInt8, _ to: UInt8) -> UInt8 {
      UInt8((Float(from) + (Float(to) - Float(from)) * part).rounded())
    }
    return Colour(
      mix(low.red, high.red), mix(low.green, high.green), mix(low.blue, high.blue))
  }

  private static let inferno = [
    Colour(0, 0, 4), Colour(31, 12, 72), Colour(85, 15, 109), Colour(136, 34, 106),
    Colour(186, 54, 85), Colour(227, 89, 51), Colour(249, 140, 10), Colour(249, 201, 50),
    Colour(252, 255, 164),
  ]

  /// 0...1; not-a-number is 0.
  private static func clamped(_ level: Float) -> Float { level > 0 ? min(level, 1) : 0 }
  private static func byte(_ level: Float) -> UInt8 { UInt8((clamped(level) * 255).rounded()) }
}

/// An RGB picture that is drawn on and written as PNG by libpng.
public struct Canvas: Sendable {
  public let width: Int
  public let height: Int
  private var bytes: [UInt8]

  public init(width: Int, height: Int, _ colour: Colour) {
    self.width = width
    self.height = height
    bytes = (0..<width * height).flatMap { _ in [colour.red, colour.green, colour.blue] }
  }

  /// Draws a square of `size` pixels; what lies outside the picture is left out.
  public mutating func fill(x: Int, y: Int, size: Int = 1, _ colour: Colour) {
    for row in max(0, y)..<max(max(0, y), min(height, y + size)) {
      for column in max(0, x)..<max(max(0, x), min(width, x + size)) {
        let start = 3 * (row * width + column)
        bytes[start] = colour.red
        bytes[start + 1] = colour.green
        bytes[start + 2] = colour.blue
      }
    }
  }

  /// Draws a straight line between two pixels with a square pen of `size` pixels.
  public mutating func line(
    from start: (x: Int, y: Int), to end: (x: Int, y: Int), size: Int = 1, _ colour: Colour
  ) {
    let steps = max(abs(end.x - start.x), abs(end.y - start.y), 1)
    for step in 0...steps {
      let part = Double(step) / Double(steps)
      let x = Double(start.x) + part * Double(end.x - start.x)
      let y = Double(start.y) + part * Double(end.y - start.y)
      fill(x: Int(x.rounded()) - size / 2, y: Int(y.rounded()) - size / 2, size: size, colour)
    }
  }

  /// Draws text with its upper left corner at (x, y), each font pixel a square of `size`, cut off at `maximumX`.
  public mutating func text(
    _ text: String, x: Int, y: Int, size: Int, maximumX: Int = .max, _ colour: Colour = .white
  ) {
    var left = x
    for character in text where left + PixelFont.width * size <= maximumX {
      for (row, bits) in PixelFont.rows(of: character).enumerated() {
        for column in 0..<PixelFont.width where bits >> UInt8(4 - column) & 1 == 1 {
          fill(x: left + column * size, y: y + row * size, size: size, colour)
        }
      }
      left += PixelFont.advance * size
    }
  }

  /// The PNG file's bytes, by libpng's simplified interface, which returns errors where the other one jumps.
  public func png() throws(Diagnostic) -> [UInt8] {
    var image = png_image()
    image.version = png_uint_32(PNG_IMAGE_VERSION)
    image.width = png_uint_32(width)
    image.height = png_uint_32(height)
    image.format = png_uint_32(PNG_FORMAT_FLAG_COLOR)
    var size: png_alloc_size_t = 0
    guard png_image_write_to_memory(&image, nil, &size, 0, bytes, 0, nil) != 0 else {
      throw Diagnostic("the picture of \(width) x \(height) cannot be made into a PNG file")
    }
    var file = [UInt8](repeating: 0, count: size)
    guard png_image_write_to_memory(&image, &file, &size, 0, bytes, 0, nil) != 0 else {
      throw Diagnostic("the picture of \(width) x \(height) cannot be made into a PNG file")
    }
    return Array(file.prefix(size))
  }
}
