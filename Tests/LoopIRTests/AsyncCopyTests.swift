import Diagnostics
import Tensors
import Testing

@testable import LoopIR

/// What is left out of the kernel, or put elsewhere, and what the interpreter says then.
private let mistakes: [(String, String, String)] = [
  ("wait_group 0", "", "%tile[0, 63] is read while a copy to it is under way"),
  ("wait_group 0", "wait_group 1", "is read while a copy to it is under way"),
  ("commit_group // first", "", "is read while a copy to it is under way"),
  ("barrier", "", "race for %tile["),
  ("wait_group 0 barrier", "barrier wait_group 0", "race for %tile["),
  // The next chunk overwrites what others may still read.
  ("%tile[(%c + 1) mod 2", "%tile[0 * %c", "under way"),
  ("%u * 4 + %m] =", "%u / 2 * 4 + %m] =", "is written while a copy to it is under way"),
]

/// Copies that are under way until their thread has waited.
@Suite struct AsyncCopyTests {
  /// Copies rows to two buffers in turns, while the row before is written out backwards; 60 elements of each.
  static let kernel = """
    kernel @reversed(in %a: f32[4, 64], out %b: f32[4, 64]) {
      gpu_block for %block in 0 ..< 1 {
        allocate %tile : f32[2, 64] shared
        gpu_thread for %t in 0 ..< 16 {
          vectorized for %l in 0 ..< 4 {
            copy_async %tile[0, %t * 4 + %l] = %a[0, %t * 4 + %l] where %t < 15
          }
        }
        commit_group // first
        for %c in 0 ..< 4 {
          wait_group 0 barrier
          if %c < 3 {
            gpu_thread for %u in 0 ..< 16 {
              vectorized for %m in 0 ..< 4 {
                copy_async %tile[(%c + 1) mod 2, %u * 4 + %m] = %a[%c + 1, %u * 4 + %m] where %u < 15
              }
            }
          }
          commit_group
          gpu_thread for %v in 0 ..< 64 { %b[%c, %v] = %tile[%c mod 2, 63 - %v] }
        }
      }
    }
    """

  private func run(_ text: String) throws -> [Double] {
    let values = try Tensor(try Shape([4, 64]), (0..<256).map(Double.init))
    return try LoopInterpreter.runKernel(try LoopParser.parseKernel(text), arguments: [values])[0]
      .values
  }

  @Test func copiesArriveWhereTheyAreWaitedFor() throws {
    let expected = (0..<256).map { place in
      let source = 63 - place % 64
      return source < 60 ? Double(place / 64 * 64 + source) : 0
    }
    #expect(try run(Self.kernel) == expected)
  }

  @Test(arguments: mistakes)
  func mistakesAreFound(_ part: String, _ replacement: String, _ message: String) throws {
    let text = Self.kernel.replacing(part, with: replacement)
    #expect(text != Self.kernel)
    #expect {
      _ = try run(text)
    } throws: {
      "\($0)".contains(message)
    }
  }

  /// A thread may work on what it has copied itself before the barrier; another one may not.
  @Test func ownCopiesNeedNoBarrier() throws {
    let own = "wait_group 0 gpu_thread for %w in 0 ..< 16 { %tile[%c mod 2, %w * 4] = f32 7.0 }"
    let kernel = Self.kernel.replacing("wait_group 0", with: own)
    #expect(try run(kernel)[3] == 7)
    #expect {
      _ = try run(kernel.replacing("%w * 4]", with: "60 - %w * 4]"))
    } throws: {
      "\($0)".contains("race for %tile[0,")
    }
  }

  /// A copy reads nothing where its condition does not hold.
  @Test func indicesMayBeOutsideWhereNothingIsRead() throws {
    let kernel = Self.kernel.replacing("%a[0, %t * 4 + %l]", with: "%a[%t / 15 * 4, %t * 4 + %l]")
    #expect(try run(kernel) == (try run(Self.kernel)))
    #expect {
      _ = try run(kernel.replacing("%t < 15", with: "%t < 16"))
    } throws: {
      "\($0)".contains("%a[4, 60]: index 4 of dimension 0 is outside")
    }
  }

  @Test func conditionsThatHoldAreLeftOut() throws {
    let text = "copy_async %s[%i + 0] = %x[%i + 1 - 1] where 0 < 1"
    let kernel = try LoopParser.parseKernel("kernel @k() { for %i in 0 ..< 4 { \(text) } }")
    #expect(LoopPrinter.text(kernel.body.simplified()).contains("copy_async %s[%i] = %x[%i]\n"))
  }
}
