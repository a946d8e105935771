import Diagnostics
import Tensors
import Testing

@testable import LoopIR

/// What is left out of the kernel or put elsewhere, and what the interpreter says then.
private let mistakes: [(String, String, String)] = [
  ("proxy_fence", "", "is not visible to products since it was written: proxy_fence"),
  (
    "barrier // first", "",
    "is read while thread 0, which writes it, may not have come here: barrier"
  ),
  ("wgmma_fence", "", "%sum has been accessed by threads since the last wgmma_fence"),
  ("wgmma_commit", "", "is written while a product that reads it is under way"),
  ("wgmma_wait 0", "", "is written while a product that reads it is under way"),
  ("wgmma_wait 0", "wgmma_wait 1", "is written while a product that reads it is under way"),
  ("barrier // second", "", "is written while other warps may still multiply it"),
  (
    "wgmma_wait 0", "gpu_thread for %z in 0 ..< 256 { %sum[%z, 0, 0] = f32 0.0 } wgmma_wait 0",
    "%sum[0, 0, 0] is written while a product that changes it is under way"
  ),
  ("= bf16(%x[", "= (%x[", "which has more bits than tf32: tf32(x)"),
  ("%u in 0 ..< 32", "%u in 0 ..< 31", "is read before it is written"),
  ("%pixels[0, %k / 2,", "%pixels[%k, %k / 2,", "lies outside of the buffer"),
]

/// Products of matrices by warp groups, which nobody may disturb before they are done.
@Suite struct WarpGroupTests {
  /// y[16, 8, 16] = 0.5 + Σ x[row, column + k, depth] · w[k, channel, depth] by two warp groups, of which each has 8 rows; the
  /// pixels of the second product are those of the first, moved by one.
  static func kernel(_ element: String) -> String {
    let (lanes, rounding) = element == "bf16" ? (8, "bf16") : (4, "tf32")
    return """
      kernel @shifted(in %x: f32[16, 9, \(2 * lanes)], in %w: f32[2, 16, \(2 * lanes)], out %y: f32[16, 8, 16]) {
        gpu_block for %b in 0 ..< 1 {
          allocate %pixels : \(element)[2, 16, 9, \(lanes)] shared
          allocate %weights : \(element)[2, 2, 16, \(lanes)] shared
          allocate %sum : f32[256, 2, 4] register
          gpu_thread for %t in 0 ..< 144 {
            for %c in 0 ..< 2 {
              vectorized for %l in 0 ..< \(lanes) {
                %pixels[%c, %t / 9, %t mod 9, %l] = \(rounding)(%x[%t / 9, %t mod 9, %c * \(lanes) + %l])
              }
            }
          }
          gpu_thread for %u in 0 ..< 32 {
            for %d in 0 ..< 2 {
              vectorized for %m in 0 ..< \(lanes) {
                %weights[%u / 16, %d, %u mod 16, %m] = \(rounding)(%w[%u / 16, %u mod 16, %d * \(lanes) + %m])
              }
            }
          }
          gpu_thread for %v in 0 ..< 256 {
            unrolled for %p in 0 ..< 2 { unrolled for %e in 0 ..< 4 { %sum[%v, %p, %e] = f32 0.5 } }
          }
          proxy_fence
          barrier // first
          wgmma_fence
          unrolled for %k in 0 ..< 2 {
            wgmma %sum[] += %pixels[0, %k / 2, %k, 0] by [\(72 * lanes), \(9 * lanes), \(144 * lanes)]
              * %weights[%k, 0, 0, 0] by [0, \(8 * lanes), \(16 * lanes)]
          }
          wgmma_commit
          wgmma_wait 0 barrier // second
          gpu_thread for %o in 0 ..< 16 {
            vectorized for %n in 0 ..< \(lanes) { %weights[0, 0, %o, %n] = \(rounding)(f32 7.0) }
          }
          gpu_thread for %s in 0 ..< 256 {
            unrolled for %q in 0 ..< 2 {
              unrolled for %f in 0 ..< 4 {
                %y[%s / 32 * 2 + %f / 2, %s mod 32 / 4, %q * 8 + %s mod 4 * 2 + %f mod 2] = %sum[%s, %q, %f]
              }
            }
          }
        }
      }
      """
  }

  private func run(_ text: String, depth: Int, pixel: (Int) -> Double) throws -> (
    [Double], [Double]
  ) {
    let x = (0..<144 * depth).map(pixel)
    let w = (0..<32 * depth).map { Double($0 * 23 % 41 - 20) }
    let arguments = [
      try Tensor(try Shape([16, 9, depth]), x), try Tensor(try Shape([2, 16, depth]), w),
    ]
    let kernel = try LoopParser.parseKernel(text)
    #expect(try LoopParser.parseKernel(LoopPrinter.text(kernel)) == kernel)
    let product = try LoopInterpreter.runKernel(kernel, arguments: arguments)[0].values
    let expected = (0..<2048).map { place in
      let (channel, column, row) = (place % 16, place / 16 % 8, place / 128)
      return (0..<2 * depth).reduce(0.5) { sum, step in
        let (k, d) = (step / depth, step % depth)
        return sum + x[(row * 9 + column + k) * depth + d] * w[(k * 16 + channel) * depth + d]
      }
    }
    return (product, expected)
  }

  @Test(arguments: [("f32", 8), ("bf16", 16)])
  func shiftedPixelsAreAnotherMatrix(_ element: String, _ depth: Int) throws {
    let (product, expected) = try run(Self.kernel(element), depth: depth) {
      Double($0 * 37 % 61 - 30)
    }
    #expect(product == expected)
  }

  @Test(arguments: mistakes)
  func mistakesAreFound(_ part: String, _ replacement: String, _ message: String) throws {
    let kernel = Self.kernel("f32").replacing("= tf32(%x[", with: "= bf16(%x[")
    let text = kernel.replacing(part, with: replacement).replacing("= bf16(%x[", with: "= tf32(%x[")
    #expect(text != Self.kernel("f32"))
    #expect {
      _ = try run(text, depth: 8) { $0 == 100 ? 0.1 : 1 }
    } throws: {
      "\($0)".contains(message)
    }
  }
}
