import Tensors

/// `mma sum += left * right`: a product of small matrices by every warp of a GPU block.
///
/// The 32 threads of a warp hold C[16, 8], A[16, depth] and B[depth, 8] together, each thread a few elements in
/// registers ("fragments"), and compute C += A · B.
public struct MatrixProduct: Hashable, Sendable {
  /// The fragments in a buffer of all threads' registers: its indices without the first, which is the thread, and
  /// without the last, which is the element of the fragment.
  public struct Fragment: Hashable, Sendable {
    public var buffer: String
    public var indices: [Expression]

    public init(_ buffer: String, _ indices: [Expression]) {
      self.buffer = buffer
      self.indices = indices
    }
  }

  public var sum: Fragment
  public var left: Fragment
  public var right: Fragment

  public init(sum: Fragment, left: Fragment, right: Fragment) {
    (self.sum, self.left, self.right) = (sum, left, right)
  }

  public var fragments: [Fragment] { [sum, left, right] }

  func mapFragments(_ transform: (Fragment) -> Fragment) -> MatrixProduct {
    MatrixProduct(sum: transform(sum), left: transform(left), right: transform(right))
  }
}

/// The matrices that tensor cores multiply at once, and where their elements are.
///
/// Source: PTX ISA, "Matrix Fragments for mma.m16n8k8" (.tf32, and .f64 of sm_90) and "for mma.m16n8k16" (.bf16).
public struct MatrixShape: Hashable, Sendable {
  public static let rows = 16
  public static let columns = 8
  /// Threads that multiply together.
  public static let warp = 32
  /// Elements of the sum that a thread holds.
  public static let sumCount = 4

  /// Columns of A, rows of B.
  public let depth: Int
  /// Elements in one register, which has 64 bits for f64 and 32 for all else.
  public let packing: Int
  /// The type of C.
  public let sum: ElementType

  public static let tf32 = MatrixShape(depth: 8, packing: 1, sum: .f32)
  public static let bf16 = MatrixShape(depth: 16, packing: 2, sum: .f32)
  public static let f64 = MatrixShape(depth: 8, packing: 1, sum: .f64)

  private init(depth: Int, packing: Int, sum: ElementType) {
    (self.depth, self.packing, self.sum) = (depth, packing, sum)
  }

  /// f32 stands for tf32, which is kept in 32 bits; nil for what cannot be multiplied.
  public init?(of element: ElementType) {
    switch element {
    case .f32: self = .tf32
    case .bf16: self = .bf16
    case .f64: self = .f64
    case .f16, .i32, .complex64: return nil
    }
  }

  /// Elements of A and of B that a thread holds.
  public var leftCount: Int { 4 * packing }
  public var rightCount: Int { 2 * packing }

  func left(lane: Int, element: Int) -> (row: Int, depth: Int) {
    let register = element / packing
    return (
      lane / 4 + register % 2 * 8,
      lane % 4 * packing + element % packing + register / 2 * (depth / 2)
    )
  }

  func right(lane: Int, element: Int) -> (depth: Int, column: Int) {
    let register = element / packing
    return (lane % 4 * packing + element % packing + register * (depth / 2), lane / 4)
  }

  static func sum(lane: Int, element: Int) -> (row: Int, column: Int) {
    (lane / 4 + element / 2 * 8, lane % 4 * 2 + element % 2)
  }
}
