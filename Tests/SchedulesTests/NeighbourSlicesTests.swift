import CodeGen
import LoopIR
import Testing

@testable import Schedules

/// Convolutions of volumes, whose slices are transformed once for all results that look at them.
@Suite struct NeighbourSlicesTests {
  /// A convolution over `taps` slices of a volume with zero slices around it; of two images side by side where `joined`.
  static func volume(
    _ channels: Int, slices: Int, taps: Int, border: (before: Int, after: Int), stride: Int = 1,
    distance: Int = 1, joined: Bool = false
  ) -> KernelCase {
    let padded = slices + border.before + border.after
    let count = (padded - (taps - 1) * distance - 1) / stride + 1
    let own = joined ? 2 * channels : channels
    func type(_ slices: Int, _ channels: Int) -> String { "tensor<\(slices)x\(channels)x7x9xf32>" }
    var lines =
      joined
      ? [
        "%n = negate %x : \(type(slices, channels))",
        "%v = concatenate %x, %n {dimension = 1} : \(type(slices, own))",
      ] : []
    lines.append(
      "%p = pad %\(joined ? "v" : "x") {low = [\(border.before), 0, 0, 0], high = [\(border.after), 0, 0, 0], interior = [0, 0, 0, 0]} : \(type(padded, own))"
    )
    for tap in 0..<taps {
      let (start, limit) = (tap * distance, tap * distance + (count - 1) * stride + 1)
      lines.append(
        "%s\(tap) = slice %p {start = [\(start), 0, 0, 0], limit = [\(limit), \(own), 7, 9], strides = [\(stride), 1, 1, 1]} : \(type(count, own))"
      )
    }
    let all = (0..<taps).map { "%s\($0)" }.joined(separator: ", ")
    lines.append("%k = concatenate \(all) {dimension = 1} : \(type(count, taps * own))")
    lines.append(
      "%y = convolution %k, %w {padding = [1, 1, 1, 1], strides = [1, 1]} : \(type(count, 8))")
    return KernelCase(
      testDescription:
        "\(taps) of \(slices) slices of \(own) channels, \(border) around, every \(stride), \(distance) apart",
      body: lines.joined(separator: "\n"), input: [slices, channels, 7, 9],
      parameters: [("w", [8, taps * own, 3, 3])])
  }

  /// Borders at both ends, at one, and wider ones; one slice alone; numbers of slices with and without divisors.
  static let volumes: [KernelCase] = [
    volume(8, slices: 6, taps: 3, border: (1, 1)), volume(8, slices: 5, taps: 2, border: (1, 0)),
    volume(16, slices: 4, taps: 3, border: (0, 2)), volume(8, slices: 7, taps: 5, border: (4, 4)),
    volume(8, slices: 6, taps: 3, border: (1, 1), joined: true),
    volume(8, slices: 10, taps: 3, border: (0, 0)), volume(8, slices: 1, taps: 3, border: (3, 3)),
  ]

  /// Whose windows lie apart: slices are shared by some results alone, or by none.
  static let others: [KernelCase] = [
    volume(8, slices: 8, taps: 3, border: (1, 1), stride: 2),
    volume(8, slices: 8, taps: 3, border: (2, 2), distance: 2),
    volume(8, slices: 1, taps: 3, border: (1, 1)),
  ]

  private func nest(_ item: KernelCase) throws -> WinogradNest {
    try #require(try item.plain().kernels.lazy.compactMap { WinogradNest($0) }.first)
  }

  @Test(arguments: volumes)
  func theyAreFound(_ item: KernelCase) throws {
    let nest = try nest(item)
    let found = try #require(nest.neighbours)
    #expect(item.testDescription.hasPrefix("\(found.taps) of"))
    #expect(found.channels * found.taps == nest.input.extent)
  }

  @Test(arguments: others + [WinogradTests.upsampledSkip(16), .convolution(8, 8, batch: 4)])
  func otherImagesAreNone(_ item: KernelCase) throws {
    #expect(try nest(item).neighbours == nil)
  }

  /// As many tiles of inputs as there are slices, and not three times as many.
  @Test func slicesAreTransformedOnce() throws {
    let choice = WinogradChoice(
      target: try Targets.resolve("x86-64-v3"), transforms: [WinogradTransform.all[1]])
    let shapes = choice.shapes(for: try nest(Self.volumes[0]))
    #expect(shapes.allSatisfy { $0.depth == 3 })
    let twelve = try #require(shapes.first { $0.tiles == 12 })
    #expect((twelve.slices, twelve.places, twelve.inputTiles) == (6, 2, 16))
    let five = try #require(shapes.first { $0.tiles == 5 })
    #expect((five.slices, five.places, five.inputTiles) == (1, 5, 15))
  }
}
