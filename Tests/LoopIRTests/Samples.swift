import Diagnostics
import Tensors

@testable import LoopIR

/// A well-formed module with every kind of buffer, statement and expression.
let sampleText = """
  rephase_loops 1

  module @sample scheduled for "native" {
    parameter %p0 "head.weight" : f32[4, 2]
    constant %c0 : f32[4, 2] strides [1, 4]
    input %x "x" : f32[2, 16]
    output %y "y" : f32[4, 16]
    temporary %t0 : f32[2, 16] align 128 at 256
    temporary %t1 : f64[2]
    scratch %s0 : f32[4, 2]

    kernel @copy_4x2(in %a: f32[4, 2], out %b: f32[4, 2]) {
      for %i in 0 ..< 4 {
        for %j in 0 ..< 2 {
          %b[%i, %j] = %a[%i, %j]
        }
      }
    }

    kernel @pack(in %a: f32[4, 2], out %b: f32[4, 2] strides [1, 4]) {
      for %i in 0 ..< 4 {
        unrolled for %j in 0 ..< 2 {
          %b[%i, %j] = %a[%i, %j]
        }
      }
    }

    kernel @scale(in %a: f32[2, 16], out %b: f32[2, 16] align 128, out %sums: f64[2]) {
      parallel for %i in 0 ..< 2 {
        %sums[%i] = f64 0.0
        for %j in 0 ..< 16 {
          let %v = max(%a[%i, %j], f32 -inf)
          %b[%i, %j] = %v * f32 2.0
          %sums[%i] = %sums[%i] + f64(%v)
        }
      }
    }

    kernel @product(in %w: f32[4, 2] strides [1, 4], in %a: f32[2, 16] align 128, out %b: f32[4, 16]) {
      block "rows" {
        parallel for %k in 0 ..< 4 {
          for %jo in 0 ..< 16 / 8 {
            allocate %acc : f32[8] register
            vectorized for %v in 0 ..< 8 {
              %acc[%v] = select(%k mod 2 == 0 || !(%v < 4), f32 0.5, f32(%v))
              for %i in 0 ..< 2 {
                %acc[%v] = fma(%w[%k, %i], %a[%i, %jo * 8 + %v], %acc[%v])
              }
              if 0 <= %jo && %jo < 2 {
                %b[%k, %jo * 8 + %v] = %acc[%v]
              } else {
                %b[%k, 0] = -sqrt(abs(%acc[%v]))
              }
            }
          }
        }
      }
    }

    prepare {
      call @copy_4x2(%p0, %s0)
      call @pack(%s0, %c0)
    }

    run {
      call @scale(%x, %t0, %t1)
      call @product(%c0, %t0, %y)
    }
  }

  """

/// The message of the diagnostic that the work throws, or nil where it throws none.
func message(of work: () throws(Diagnostic) -> Void) -> String? {
  do {
    try work()
    return nil
  } catch {
    return error.message
  }
}
