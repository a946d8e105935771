import Testing

@testable import PTXEmulator

/// A product of f64 matrices, 3 and 5 in one place each: where these are, and where their product is.
private struct DoubleProduct: Sendable {
  typealias Place = (lane: Int, register: Int)
  var shape: String
  var a: Place
  var b: Place
  var sum: Place?

  init(_ shape: String, a: Place, b: Place, sum: Place?) {
    (self.shape, self.a, self.b, self.sum) = (shape, a, b, sum)
  }

  var counts: (a: Int, b: Int, sum: Int) { shape == "m8n8k4" ? (1, 1, 2) : (4, 2, 4) }

  /// Leaves the sums in %fd20, %fd21 and so on.
  var text: String {
    func list(_ first: Int, _ count: Int) -> String {
      "{" + (first..<first + count).map { "%fd\($0)" }.joined(separator: ", ") + "}"
    }
    var lines = (0..<10).map { "mov.f64 %fd\($0), 0d0000000000000000;" }
    lines += (20..<24).map { "mov.f64 %fd\($0), 0d3FF0000000000000;" }
    let elements = [
      (a.lane, a.register, "0d4008000000000000"), (b.lane, 4 + b.register, "0d4014000000000000"),
    ]
    for (lane, register, value) in elements {
      lines.append("setp.eq.s32 %p1, %r90, \(lane);")
      lines.append("@%p1 mov.f64 %fd\(register), \(value);")
    }
    let sums = list(20, counts.sum)
    lines.append(
      "mma.sync.aligned.\(shape).row.col.f64.f64.f64.f64 \(sums), \(list(0, counts.a)), "
        + "\(list(4, counts.b)), \(sums);")
    return lines.joined(separator: "\n")
  }
}

extension EmulatorTests {
  /// Threads and registers are those of the PTX ISA's tables; all other factors are zero, and the sum starts from 1.
  @Test(arguments: [
    // m8n8k4: A[2, 3], B[3, 7].
    DoubleProduct("m8n8k4", a: (11, 0), b: (31, 0), sum: (11, 1)),
    // m16n8k8: A[13, 6], B[6, 4].
    DoubleProduct("m16n8k8", a: (22, 3), b: (18, 1), sum: (22, 2)),
    DoubleProduct("m16n8k8", a: (22, 2), b: (18, 1), sum: (22, 0)),
    // A[0, 2] and B[3, 7] do not meet.
    DoubleProduct("m8n8k4", a: (2, 0), b: (31, 0), sum: nil),
  ])
  private func doublesAreMultiplied(_ product: DoubleProduct) throws {
    for register in 0..<product.counts.sum {
      let words = try run(
        product.text + "\ncvt.rn.f32.f64 %r1, %fd2\(register);\nst.global.u32 [%rd2], %r1;")
      for (lane, word) in words.enumerated() {
        let isMet = product.sum.map { $0 == (lane, register) } ?? false
        #expect(word == Float(isMet ? 16 : 1).bitPattern, "thread \(lane), \(register)")
      }
    }
  }
}
