import LoopIR
import Tensors

/// How factors of products are brought into the types of tensor cores.
enum MatrixArithmetic: Hashable {
  /// Rounded to tf32.
  case tf32
  /// Rounded to bf16, which halves what is in shared memory and doubles the rate.
  case bf16
  /// x = high + low, both in tf32: x·y ≈ high·high + high·low + low·high, which leaves an error of 2^-22.
  case splitTF32
  /// Converted to float64, in which products of float32 numbers are exact.
  case f64

  init(_ precision: Precision) {
    switch precision {
    case .strict: self = .f64
    case .standard: self = .splitTF32
    case .tf32: self = .tf32
    case .bf16: self = .bf16
    }
  }

  /// The type of pixels and weights in shared memory.
  var element: ElementType { self == .bf16 ? .bf16 : .f32 }
  /// Their type in fragments.
  var fragment: ElementType { self == .f64 ? .f64 : element }
  var shape: MatrixShape {
    switch self {
    case .tf32, .splitTF32: return .tf32
    case .bf16: return .bf16
    case .f64: return .f64
    }
  }

  /// What is kept of a pixel or weight in shared memory; splitting and converting to float64 happen in registers.
  func rounded(_ value: Expression) -> Expression {
    switch self {
    case .tf32: return .unary(.tf32, value)
    case .splitTF32: return value
    case .bf16: return .cast(.bf16, value)
    case .f64: return .cast(.f32, value)
    }
  }

  /// Products of matrices for one of the factors.
  var products: Int { self == .splitTF32 ? 3 : 1 }
  /// Numbers in fragments that stand for one of the factors.
  var copies: Int { self == .splitTF32 ? 2 : 1 }
  /// Registers of an element of a sum.
  var sumWords: Int { self == .f64 ? 2 : 1 }
  /// Registers that hold one 32 bits of a factor.
  var factorWords: Int { self == .f64 ? 2 : copies }
  /// Whether the products of each place of the kernel are summed up on their own: tensor cores cut off what does not
  /// fit, so errors grow with the number of products that they add to one sum.
  var sumsApart: Bool { self == .splitTF32 }

  /// Products of numbers that tensor cores may add to one such sum, at most.
  static let mostProducts = 48

  /// Cycles for which a product keeps the tensor cores of a quarter of a multiprocessor busy (the H100's 67 TFLOP/s in
  /// float64 are 32 FMAs a cycle), and until a product of the same sum can follow.
  var productCycles: Double { self == .f64 ? 32 : 6.4 }
  var productLatency: Double { self == .f64 ? 40 : 18 }
}
