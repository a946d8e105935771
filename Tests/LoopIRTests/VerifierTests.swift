import Diagnostics
import Foundation
import Tensors
import Testing

@testable import LoopIR

/// A kernel over a few buffers that breaks one constraint, with what the message must say.
private struct Broken: CustomTestStringConvertible, Sendable {
  let constraint: String
  let body: String
  let fragment: String

  init(_ constraint: String, _ body: String, _ fragment: String) {
    (self.constraint, self.body, self.fragment) = (constraint, body, fragment)
  }

  var testDescription: String { "\(constraint): \(body)" }

  var text: String {
    "kernel @k(in %x: f32[8, 4], in %d: f64[4], out %y: f32[8, 4]) { \(body) }"
  }
}

private let brokenKernels = [
  Broken("L3", "for %i in 0 ..< 2 { } for %i in 0 ..< 2 { }", "%i is defined twice"),
  Broken("L3", "let %x = 1", "%x is defined twice"),
  Broken("L4", "let %a = %b", "%b is not defined here"),
  Broken("L4", "for %i in 0 ..< %i { }", "%i is not defined here"),
  Broken("L4", "if 0 == 0 { let %a = 1 } let %b = %a", "%a is not defined here"),
  Broken("L4", "let %a = %x", "%x is a buffer"),
  Broken("L4", "let %a = 1 %a[] = f32 0.0", "%a is a variable"),
  Broken("L4", "%z[0] = f32 0.0", "%z is not defined here"),
  Broken("L5", "allocate %a : i32[4] stack", "elements cannot be i32"),
  Broken("L5", "allocate %a : f32[4] strides [-1] stack", "stride -1 is negative"),
  Broken("L5", "allocate %a : f32[4] strides [9223372036854775807] stack", "span more than 2^36"),
  Broken("L5", "allocate %a : f32[4] align 48 stack", "alignment 48"),
  Broken("L5", "allocate %a : f32[4] align 2 stack", "alignment 2"),
  Broken("L6", "allocate %a : f32[4]", "is in heap memory"),
  Broken("L6", "allocate %a : f32[4] shared", "shared buffer %a cannot be allocated here"),
  Broken("L7", "allocate %a : f32[262145] stack", "more than 1048576 bytes"),
  Broken("L7", "allocate %a : f32[131073] stack allocate %b : f32[131072] stack", "more than"),
  Broken("L8", "allocate %a : f32[4, 4] strides [3, 1] stack", "two elements at one place"),
  Broken("L8", "allocate %a : f32[4] strides [0] stack", "two elements at one place"),
  Broken("L9", "let %a = 1 + f32 1.0", "operands of '1 + f32 1.0' do not fit: an index, f32"),
  Broken("L9", "let %a = %x[0, 0] * %d[0]", "do not fit: f32, f64"),
  Broken("L9", "let %a = f32 1.0 mod f32 2.0", "do not fit"),
  Broken("L9", "let %a = 1 && 0 == 0", "do not fit: an index, a boolean"),
  Broken("L9", "let %a = sqrt(1)", "do not fit: an index"),
  Broken("L9", "let %a = !1", "do not fit: an index"),
  Broken("L9", "let %a = -(0 == 0)", "do not fit: a boolean"),
  Broken("L9", "let %a = fma(1, 2, 3)", "do not fit"),
  Broken("L9", "let %a = select(1, 2, 3)", "do not fit"),
  Broken("L9", "let %a = select(0 == 0, 2, f32 3.0)", "do not fit"),
  Broken("L9", "let %a = f32(0 == 0)", "do not fit"),
  Broken("L9", "let %a = i32(1)", "is not a floating-point type"),
  Broken("L9", "%y[0, 0] = %d[0]", "what is stored to %y, '%d[0]', is f64, not f32"),
  Broken("L9", "if 1 { }", "the condition, '1', is an index, not a boolean"),
  Broken("L9", "for %i in 0 ..< %x[0, 0] { }", "the upper bound of %i"),
  Broken("L10", "%y[0] = f32 0.0", "%y has 2 dimensions, not 1"),
  Broken("L10", "%y[0, 0] = %x[f32 1.0, 0]", "is f32, not an index"),
  Broken("L11", "%x[0, 0] = f32 0.0", "%x is an 'in' parameter"),
  Broken("L12", "%y[8, 0] = f32 0.0", "index '8' of %y is always outside 0 ..< 8"),
  Broken("L12", "%y[0, 0] = %x[0, -1]", "index '-1' of %x"),
  Broken("L12", "for %i in 0 ..< 4 { %y[%i * 2 + 8 - %i, 0] = f32 0.0 }", "is always outside"),
  Broken("L12", "for %i in 0 ..< 4 { let %j = %i + 4 %y[0, %j] = f32 0.0 }", "is always outside"),
  Broken("L13", "let %n = 4 vectorized for %v in 0 ..< %n { }", "are not constants"),
  Broken("L13", "unrolled for %v in 0 ..< 4097 { }", "4097 iterations, more than 4096"),
  Broken("L13", "vectorized for %v in 0 ..< 257 { }", "257 iterations, more than 256"),
  Broken(
    "L13", "unrolled for %v in -9223372036854775807 ..< 9223372036854775807 { }", "not constants"),
  Broken("L14", "for %i in 0 ..< 2 { parallel for %j in 0 ..< 2 { } }", "parallel loops are outer"),
  Broken("L14", "gpu_thread for %i in 0 ..< 2 { }", "is not inside a gpu_block loop"),
  Broken("L14", "for %i in 0 ..< 2 { gpu_block for %j in 0 ..< 2 { } }", "that is not gpu_block"),
  Broken(
    "L15", "vectorized for %v in 0 ..< 4 { vectorized for %w in 0 ..< 4 { } }",
    "vectorized loop %w is inside a vectorized loop"),
  Broken(
    "L15", "vectorized for %v in 0 ..< 4 { let %n = %v + 1 for %w in 0 ..< %n { } }",
    "differ between lanes"),
  Broken("L15", "vectorized for %v in 0 ..< 4 { allocate %a : f32[2] stack }", "stack buffer %a"),
  Broken("L13", "gpu_block for %i in 0 ..< 2 { gpu_thread for %t in 0 ..< 1025 { } }", "1025 iter"),
  Broken(
    "L14",
    "gpu_block for %i in 0 ..< 2 { gpu_thread for %t in 0 ..< 2 { gpu_thread for %u in 0 ..< 2 { } } }",
    "inside another gpu_thread loop"),
  Broken("L16", "barrier", "a barrier stands inside gpu_block loops"),
  Broken("L16", "commit_group", "a commit_group stands inside gpu_block loops"),
  Broken(
    "L16", "gpu_block for %b in 0 ..< 2 { gpu_thread for %t in 0 ..< 2 { wait_group 0 } }",
    "a wait_group stands inside gpu_block loops, between gpu_thread loops"),
  Broken(
    "L28", "gpu_block for %b in 0 ..< 2 { wait_group -1 }", "0 to 64 groups under way, not -1"),
  Broken(
    "L28",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[4] shared copy_async %s[0] = %x[0, 0] }",
    "stands in gpu_thread loops"),
  Broken(
    "L28",
    "gpu_block for %b in 0 ..< 2 { gpu_thread for %t in 0 ..< 4 { copy_async %y[%t, 0] = %x[0, 0] } }",
    "%y is in heap memory; a copy_async writes shared"),
  Broken(
    "L28",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[4] shared gpu_thread for %t in 0 ..< 4 { copy_async %s[%t] = %x[0, 0] + f32 1.0 } }",
    "'%x[0, 0] + f32 1.0' is no element of a buffer"),
  Broken(
    "L28",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[4] shared gpu_thread for %t in 0 ..< 4 { copy_async %s[%t] = %y[0, 0] } }",
    "%y is no 'in' parameter"),
  Broken(
    "L28",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[4] shared gpu_thread for %t in 0 ..< 1 { vectorized for %l in 0 ..< 4 { copy_async %s[%l] = %x[0, 0] where %l < 2 } } }",
    "differs between lanes"),
  Broken(
    "L9",
    "gpu_block for %b in 0 ..< 2 { allocate %s : bf16[4] shared gpu_thread for %t in 0 ..< 4 { copy_async %s[%t] = %x[0, 0] } }",
    "what is copied to %s, '%x[0, 0]', is f32, not bf16"),
  Broken(
    "L12",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[4] shared gpu_thread for %t in 0 ..< 4 { copy_async %s[%t] = %x[0, 100] where %t < 4 } }",
    "always outside"),
  Broken(
    "L26", "gpu_block for %b in 0 ..< 2 { allocate %r : f32[4] register %r[0] = f32 0.0 }",
    "this is no thread's part"),
  Broken(
    "L26",
    "gpu_block for %b in 0 ..< 2 { allocate %r : f32[4] register gpu_thread for %t in 0 ..< 4 { %r[3 - %t] = f32 0.0 } }",
    "this is no thread's part"),
  Broken(
    "L27",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f32[32, 4] register allocate %r : f32[32, 2] register allocate %s : f32[32, 4] register gpu_thread for %t in 0 ..< 32 { mma %s[] += %l[] * %r[] } }",
    "outside gpu_thread loops"),
  Broken(
    "L27",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f16[32, 4] register allocate %r : f32[32, 2] register allocate %s : f32[32, 4] register mma %s[] += %l[] * %r[] }",
    "holds f16, which an mma does not take"),
  Broken(
    "L27",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f64[32, 4] register allocate %r : f64[32, 2] register allocate %s : f32[32, 4] register mma %s[] += %l[] * %r[] }",
    "to a sum in f64"),
  Broken(
    "L27",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f32[32, 4] register allocate %r : bf16[32, 2] register allocate %s : f32[32, 4] register mma %s[] += %l[] * %r[] }",
    "products of two matrices of one type"),
  Broken(
    "L27",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f32[32, 4] register allocate %r : f32[32, 2] register allocate %s : f32[32, 4] register mma %s[] += %s[] * %r[] }",
    "is a sum and a factor"),
  Broken(
    "L27",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f32[32, 8] register allocate %r : f32[32, 2] register allocate %s : f32[32, 4] register mma %s[] += %l[] * %r[] }",
    "last dimension has 4 elements"),
  Broken(
    "L27",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f32[32, 4] register allocate %r : f32[32, 2] register allocate %s : f32[32, 4] strides [1, 32] register mma %s[] += %l[] * %r[] }",
    "beside each other"),
  Broken(
    "L27",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f32[32, 4] register allocate %r : f32[64, 2] register allocate %s : f32[32, 4] register mma %s[] += %l[] * %r[] }",
    "needs whole warps of 32"),
  Broken(
    "L27",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f32[32, 4] shared allocate %r : f32[32, 2] register allocate %s : f32[32, 4] register mma %s[] += %l[] * %r[] }",
    "%l holds no fragments"),
  Broken(
    "L10",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f32[32, 4] register allocate %r : f32[32, 2] register allocate %s : f32[32, 4] register mma %s[0] += %l[] * %r[] }",
    "has 0 dimensions here, not 1"),
  Broken(
    "L12",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f32[32, 2, 4] register allocate %r : f32[32, 2] register allocate %s : f32[32, 4] register mma %s[] += %l[2] * %r[] }",
    "always outside"),
  Broken(
    "L16",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : f32[128, 1, 4] register gpu_thread for %t in 0 ..< 128 { wgmma %s[] += %l[0, 0, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] } }",
    "a wgmma stands inside gpu_block loops, between gpu_thread loops"),
  Broken(
    "L16",
    "gpu_block for %b in 0 ..< 2 { gpu_thread for %t in 0 ..< 2 { proxy_fence } }",
    "a proxy_fence stands"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { wgmma_wait 8 }",
    "0 to 7 groups under way, not 8"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : f32[96, 1, 4] register wgmma %s[] += %l[0, 0, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "%s is for 96 threads; a wgmma needs whole warp groups of 128"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : f32[128, 33, 4] register wgmma %s[] += %l[0, 0, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "%s holds no sums of a wgmma"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : bf16[128, 1, 4] register wgmma %s[] += %l[0, 0, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "%s holds no sums of a wgmma"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] register allocate %r : bf16[2, 8, 8] shared allocate %s : f32[128, 1, 4] register wgmma %s[] += %l[0, 0, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "%l is bf16 in register memory"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : f64[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : f32[128, 1, 4] register wgmma %s[] += %l[0, 0, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "%l is f64 in shared memory"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : f32[2, 8, 4] shared allocate %s : f32[128, 1, 4] register wgmma %s[] += %l[0, 0, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 32, 32] }",
    "matrices of one type; these are bf16 and f32"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : f32[128, 1, 4] register wgmma %s[] += %l[0, 0, 1] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "the last dimension of %l is not 8 elements beside each other"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 16] shared allocate %s : f32[128, 1, 4] register wgmma %s[] += %l[0, 0, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "the last dimension of %r is not 8 elements"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : f32[128, 1, 4] register wgmma %s[] += %l[0, 0, 0] by [0, 60, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "are no multiples of 8"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : f32[128, 1, 4] register wgmma %s[] += %l[0, 0, 0] by [0, 64, 131072] * %r[0, 0, 0] by [0, 64, 64] }",
    "below 131072"),
  Broken(
    "L29",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : f32[128, 1, 4] register wgmma %s[] += %l[0, 17, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "always reaches beyond the end of %l"),
  Broken(
    "L12",
    "gpu_block for %b in 0 ..< 2 { allocate %l : bf16[2, 80, 8] shared allocate %r : bf16[2, 8, 8] shared allocate %s : f32[128, 1, 4] register wgmma %s[] += %l[2, 0, 0] by [0, 64, 640] * %r[0, 0, 0] by [0, 64, 64] }",
    "always outside"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[32, 4] register gpu_thread for %t in 0 ..< 32 { ldmatrix %u: %r[] = %s[%u, 0] } }",
    "an ldmatrix stands inside gpu_block loops and outside gpu_thread loops"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[32, 3] register ldmatrix %u: %r[] = %s[%u, 0] }",
    "4, 8 or 16 bytes beside each other"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[24, 4] register ldmatrix %u: %r[] = %s[%u, 0] }",
    "whole warps of 32"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[32, 4] strides [1, 32] register ldmatrix %u: %r[] = %s[%u, 0] }",
    "4, 8 or 16 bytes beside each other"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[32, 4] register ldmatrix %u: %r[0] = %s[%u, 0] }",
    "no dimension of %r is left"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared ldmatrix %u: %s[] = %s[%u, 0] }",
    "%s holds no fragments"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %r : f32[32, 4] register ldmatrix %u: %r[] = %x[0, 0] }",
    "f32 in heap memory"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : bf16[64, 8] shared allocate %r : f32[32, 4] register ldmatrix %u: %r[] = %s[%u, 0] }",
    "of the target's element type; %s is bf16"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[32, 4] register ldmatrix transposed %u: %r[] = %s[%u, 0] }",
    "a transposed ldmatrix reads elements of 16 bits; %s is f32"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] strides [1, 64] shared allocate %r : f32[32, 4] register ldmatrix %u: %r[] = %s[%u, 0] }",
    "not of stride 1"),
  Broken(
    "L30",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] align 8 shared allocate %r : f32[32, 4] register ldmatrix %u: %r[] = %s[%u, 0] }",
    "not aligned to 16 bytes"),
  Broken(
    "L12",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[32, 4] register ldmatrix %u: %r[] = %s[%u, 1] }",
    "' of %s is always outside"),
  Broken(
    "L12",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[32, 4] register ldmatrix %u: %r[] = %s[%u + 64, 0] }",
    "is always outside"),
  Broken(
    "L3",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[32, 4] register ldmatrix %r: %r[] = %s[0, 0] }",
    "%r is defined twice"),
  Broken(
    "L4",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[64, 4] shared allocate %r : f32[32, 4] register ldmatrix %u: %r[] = %s[%u, 0] let %v = %u + 1 }",
    "%u is not defined here"),
  Broken("L17", "call @k(%x, %d, %y)", "only programs call"),
]

@Suite struct KernelVerifierTests {
  @Test(arguments: brokenKernels) fileprivate func namesTheConstraint(_ broken: Broken) throws {
    let kernel = try LoopParser.parseKernel(broken.text)
    let found = message { () throws(Diagnostic) in try LoopVerifier.verify(kernel) }
    #expect(found?.contains(broken.fragment) == true, "\(found ?? "no error")")
    #expect(found?.hasSuffix("[\(broken.constraint)]") == true, "\(found ?? "no error")")
    #expect(found?.hasPrefix("kernel @k: ") == true)
  }

  @Test(arguments: [
    // Accesses that only some iterations, or none at all, would get wrong.
    "for %i in -1 ..< 9 { if 0 <= %i && %i < 8 { %y[%i, 0] = f32 0.0 } }",
    "for %i in 0 ..< 1 { if 0 <= %i - 1 { %y[%i - 1, 0] = f32 0.0 } }",
    "for %i in 4 ..< 4 { %y[8, 0] = f32 0.0 }",
    "for %i in 0 ..< 4 { if %i < 4 { } else { %y[8, 0] = f32 0.0 } }",
    // Loops inside a vectorized loop that are the same for all lanes.
    "let %n = 2 vectorized for %v in 0 ..< 4 { for %i in 0 ..< %n { for %j in %i ..< 2 { } } }",
    "vectorized for %v in 0 ..< 4 { allocate %a : f32[2] register if %v < 2 { %a[0] = f32 0.0 } }",
    "gpu_block for %b in 0 ..< 2 { allocate %r : f32[4] register gpu_thread for %t in 0 ..< 4 { %r[%t] = f32 0.0 } barrier gpu_thread for %u in 0 ..< 4 { let %a = %r[%u] } }",
    "gpu_block for %b in 0 ..< 2 { allocate %s : f32[4] shared gpu_thread for %t in 0 ..< 4 { } barrier }",
  ])
  func accepts(_ body: String) throws {
    try LoopVerifier.verify(try LoopParser.parseKernel(Broken("", body, "").text))
  }

  /// What the parser refuses by itself can still be built in Swift.
  @Test func checksWhatOnlySwiftCanBuild() {
    func found(_ kernel: Kernel) -> String? {
      message { () throws(Diagnostic) in try LoopVerifier.verify(kernel) }
    }
    let scalar = Buffer("s", .f32, extents: [])
    #expect(found(Kernel("a b", parameters: [], body: []))?.hasSuffix("[L1]") == true)
    #expect(
      found(Kernel("k", parameters: [], body: [.bind("é", .integer(1))]))?.hasSuffix("[L1]")
        == true)
    var flat = scalar
    flat.extents = [4]
    #expect(
      found(Kernel("k", parameters: [KernelParameter(flat, .read)], body: []))?.contains(
        "0 strides do not fit 1 extents [L5]") == true)
    flat.extents = [0]
    #expect(
      found(Kernel("k", parameters: [KernelParameter(flat, .read)], body: []))?.contains(
        "is not positive") == true)
    var local = scalar
    local.space = .stack
    #expect(
      found(Kernel("k", parameters: [KernelParameter(local, .read)], body: []))?.hasSuffix("[L6]")
        == true)
    #expect(
      found(Kernel("k", parameters: [], body: [.bind("i", .integer(Int.min))]))?.hasSuffix("[L24]")
        == true)
    let deep = (0..<300).reduce(Expression.integer(0)) { sum, _ in sum + .integer(1) }
    #expect(
      found(Kernel("k", parameters: [], body: [.bind("i", deep)]))?.hasSuffix("[L24]") == true)
    let nested = (0..<300).reduce(Statement.barrier) { inner, _ in .block("", [inner]) }
    #expect(found(Kernel("k", parameters: [], body: [nested]))?.hasSuffix("[L24]") == true)
  }
}

/// A change to the sample module and what the verifier must say about it.
private struct Damage: CustomTestStringConvertible, Sendable {
  let constraint: String
  let original: String
  let replacement: String
  let fragment: String

  init(_ constraint: String, _ original: String, _ replacement: String, _ fragment: String) {
    (self.constraint, self.original) = (constraint, original)
    (self.replacement, self.fragment) = (replacement, fragment)
  }

  var testDescription: String { "\(constraint): \(replacement)" }
}

/// A slice that breaks L25.
private func slice(_ declaration: String, _ fragment: String) -> Damage {
  Damage("L25", "scratch %s0", "slice %part : \(declaration)\n scratch %s0", fragment)
}

private let damages = [
  Damage(
    "L2", "scratch %s0", "input %x2 \"x\" : f32[1]\n scratch %s0", "two inputs are called \"x\""),
  Damage("L4", "call @copy_4x2", "call @missing", "prepare: kernel @missing is not defined"),
  Damage("L4", "(%p0, %s0)", "(%p1, %s0)", "buffer %p1 is not defined"),
  Damage("L6", "scratch %s0 : f32[4, 2]", "scratch %s0 : f32[4, 2] stack", "is in stack memory"),
  Damage("L17", "call @pack(%s0, %c0)", "barrier", "a program holds calls only"),
  Damage("L18", "(%p0, %s0)", "(%p0)", "takes 2 buffers, the call has 1"),
  Damage(
    "L18", "(%p0, %s0)", "(%p0, %c0)", "argument '%c0 : f32[4, 2] strides [1, 4]' does not fit"),
  Damage("L18", "(%x, %t0, %t1)", "(%x, %x, %t1)", "does not fit parameter '%b : f32[2, 16] align"),
  Damage("L19", "(%p0, %s0)", "(%p0, %p0)", "parameter %p0 cannot be written here"),
  Damage(
    "L19", "@product(in %w: f32[4, 2] strides [1, 4]",
    "@product(inout %w: f32[4, 2] strides [1, 4]",
    "constant %c0 cannot be written here"),
  Damage(
    "L19", "call @scale", "call @pack(%s0, %c0) call @scale", "scratch %s0 cannot be read here"),
  Damage(
    "L20", "temporary %t1 : f64[2]", "temporary %t1 : f64[2] at 320", "%t0 and %t1, arguments"),
  Damage("L21", "call @copy_4x2(%p0, %s0)", "", "scratch %s0 is read before it is written"),
  Damage(
    "L21", "@scale(in %a: f32[2, 16], out %b", "@scale(in %a: f32[2, 16], inout %b",
    "temporary %t0 is read before it is written"),
  Damage("L21", "call @pack(%s0, %c0)", "", "prepare: constant %c0 is never written"),
  Damage("L21", "call @scale(%x, %t0, %t1)", "", "temporary %t0 is read before it is written"),
  Damage("L21", "call @product(%c0, %t0, %y)", "", "run: output %y is never written"),
  Damage("L22", "at 256", "at 192", "offset 192 of %t0 is not a multiple of 128"),
  Damage("L22", "at 256", "at -128", "offset -128 of %t0"),
  Damage(
    "L23", "\"x\" : f32[2, 16]", "\"x\" : f32[2, 16] strides [1, 2]", "must be row-major"),
  slice("f32[1, 16] of %t9 at 0", "which is no input or output before it"),
  slice("f32[1, 16] of %p0 at 0", "which is no input or output before it"),
  slice("f64[1, 16] of %x at 0", "is not of the type and order of %x"),
  slice("f32[2, 8] strides [1, 2] of %x at 0", "is not of the type and order of %x"),
  slice("f32[1, 16] of %x at 17", "reaches beyond %x"),
  slice("f32[1, 16] of %x at -1", "reaches beyond %x"),
  slice("f32[1, 16] of %x at 9223372036854775807", "reaches beyond %x"),
]

@Suite struct ModuleVerifierTests {
  @Test(arguments: damages) fileprivate func namesTheConstraint(_ damage: Damage) throws {
    let text = sampleText.replacing(damage.original, with: damage.replacement, maxReplacements: 1)
    try #require(text != sampleText)
    let module = try LoopParser.parseModule(text, file: "damaged.loops")
    let found = message { () throws(Diagnostic) in try LoopVerifier.verify(module) }
    #expect(found?.contains(damage.fragment) == true, "\(found ?? "no error")")
    #expect(found?.hasSuffix("[\(damage.constraint)]") == true, "\(found ?? "no error")")
  }

  @Test func namesAreUnique() throws {
    var module = try LoopParser.parseModule(sampleText, file: "sample.loops")
    module.kernels.append(module.kernels[0])
    var found = message { () throws(Diagnostic) in try LoopVerifier.verify(module) }
    #expect(found == "kernel @copy_4x2 is declared twice [L2]")
    module.buffers.append(module.buffers[0])
    found = message { () throws(Diagnostic) in try LoopVerifier.verify(module) }
    #expect(found == "buffer %p0 is declared twice [L2]")
  }
}

@Suite struct ReferenceTests {
  private func reference() throws -> String {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    return try String(contentsOf: root.appending(path: "IR/LoopIR.md"), encoding: .utf8)
  }

  @Test func exampleIsCanonical() throws {
    let parts = try reference().components(separatedBy: "```\n")
    try #require(parts.count > 2)
    let module = try LoopParser.parseModule(parts[1], file: "LoopIR.md")
    try LoopVerifier.verify(module)
    #expect(LoopPrinter.text(module) == parts[1])
  }

  /// Every constraint of the reference has a case here that breaks it, and none is missing there.
  @Test func constraintsAreListedAndTested() throws {
    let listed = Set(try reference().matches(of: /- \*\*(L\d+)\*\*/).map { String($0.1) })
    let tested = Set(brokenKernels.map(\.constraint) + damages.map(\.constraint))
    // Texts cannot break the first two: `checksWhatOnlySwiftCanBuild` does; `OriginTests` have the third.
    #expect(tested.union(["L1", "L24", "L31"]) == listed)
    #expect(listed == Set((1...listed.count).map { "L\($0)" }))
  }
}
