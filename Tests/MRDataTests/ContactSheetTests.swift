import Diagnostics
import RealModule
import Tensors
import TestSupport
import Testing

@testable import MRData

@Suite struct ContactSheetTests {
  private func result(frames: Int = 5) throws -> Reconstruction.Result {
    let shape = try Shape([frames, 24, 16])
    let reference = try Tensor(shape, ramp(shape.elementCount).map { Float($0 + 1) })
    return Reconstruction.Result(
      zeroFilled: reference.map { $0 * 0.8 }, output: reference.map { $0 * 0.95 },
      reference: reference,
      mask: try SamplingPattern.none.mask(rows: 24, columns: 16, axis: .columns),
      trueAcceleration: 1, scalings: [])
  }

  @Test(.enabled(if: Python.hasNumPy)) func isAWellFormedPNG() throws {
    let scratch = try Scratch()
    try ContactSheet(try result(), title: "resnet4").write(to: scratch.file("s.png"))
    let script = """
      import sys, struct, zlib
      b = open(sys.argv[1], 'rb').read(); assert b[:8] == b'\\x89PNG\\r\\n\\x1a\\n'
      p, data = 8, b''
      while p < len(b):
          n, t = struct.unpack('>I4s', b[p:p+8]); d = b[p+8:p+8+n]
          assert struct.unpack('>I', b[p+8+n:p+12+n])[0] == zlib.crc32(t + d)
          if t == b'IHDR': w, h, depth, kind = struct.unpack('>IIBB', d[:10])
          if t == b'IDAT': data += d
          p += 12 + n
      assert (depth, kind) == (8, 2) and len(zlib.decompress(data)) == h * (1 + 3 * w)
      print(w, h)
      """
    let printed = try Python.run(script, [scratch.file("s.png")])
    // Four columns of 16 pixels, enlarged four times, between margins of 12.
    #expect(printed.hasPrefix("\(12 + 4 * (64 + 12)) "))
  }

  @Test func isTheSameEveryTime() throws {
    #expect(try ContactSheet(try result()).png() == ContactSheet(try result()).png())
  }

  @Test func doesWithoutNetworkAndReference() throws {
    var bare = try result(frames: 1)
    (bare.output, bare.reference) = (nil, nil)
    #expect(try ContactSheet(bare).png().starts(with: [0x89, 0x50]))
    bare.reference = try result(frames: 2).reference
    #expect(throws: Diagnostic.self) { try ContactSheet(bare) }
  }

  @Test func coloursRunFromBlackToYellow() {
    #expect(Colour.heat(0) == Colour(0, 0, 4))
    #expect(Colour.heat(1) == Colour(252, 255, 164))
    #expect(Colour.heat(7) == Colour.heat(1))
    #expect(Colour.heat(.nan) == Colour.heat(0))
    #expect(Colour.grey(0.5) == Colour(128, 128, 128))
  }

  @Test func measuresImages() {
    #expect(ImageQuality.nmse([1, 1], reference: [2, 0]) == 0.5)
    #expect(abs(ImageQuality.psnr([1, 1], reference: [2, 0]) - 6.0206) < 1e-4)
    #expect(ImageQuality.psnr([2, 0], reference: [2, 0]) == .infinity)
    #expect(ImageQuality.nmse([0], reference: [0]) == 0)
  }
}
