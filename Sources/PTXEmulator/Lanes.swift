/// Instructions as loops over lanes.
enum Lanes {
  /// Visits the lanes of a mask.
  @inline(__always) static func forEach(
    _ mask: UInt32, _ body: (Int) -> Void
  ) {
    if mask == UInt32.max {
      for lane in 0..<Warp.lanes { body(lane) }
    } else {
      for lane in 0..<Warp.lanes where mask & 1 << UInt32(lane) != 0 { body(lane) }
    }
  }

  @inline(__always) static func unary<A: Scalar, R: Scalar>(
    _ d: Int, _ a: Int, _ function: @escaping (A) -> R
  ) -> Work {
    { warp, mask in
      let r = warp.registers
      forEach(mask) { r[d + $0] = function(A(bits: r[a + $0])).bits }
    }
  }

  @inline(__always) static func binary<A: Scalar, R: Scalar>(
    _ d: Int, _ a: Int, _ b: Int, _ function: @escaping (A, A) -> R
  ) -> Work {
    { warp, mask in
      let r = warp.registers
      forEach(mask) { r[d + $0] = function(A(bits: r[a + $0]), A(bits: r[b + $0])).bits }
    }
  }

  @inline(__always) static func ternary<A: Scalar, C: Scalar, R: Scalar>(
    _ d: Int, _ a: Int, _ b: Int, _ c: Int, _ function: @escaping (A, A, C) -> R
  ) -> Work {
    { warp, mask in
      let r = warp.registers
      forEach(mask) {
        r[d + $0] = function(A(bits: r[a + $0]), A(bits: r[b + $0]), C(bits: r[c + $0])).bits
      }
    }
  }
}
