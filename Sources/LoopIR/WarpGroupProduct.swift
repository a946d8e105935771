import Tensors

/// What the warp groups of a GPU block, 128 threads each, do for products of matrices that lie in shared memory.
///
/// Products are asynchronous: until their group has been waited for, nobody may touch their sums or write their factors.
/// Source: PTX ISA, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions".
public enum WarpGroupStep: Hashable, Sendable {
  /// `wgmma_fence`: products that follow see what threads have done to sums before.
  case fence
  /// `wgmma`: every warp group starts a product.
  case multiply(WarpGroupProduct)
  /// `wgmma_commit`: all warp groups close a group of the products that they have started.
  case commit
  /// `wgmma_wait n`: all warp groups wait until at most this many of their groups, the latest ones, are under way.
  case wait(Int)
  /// `proxy_fence`: products see what threads have written to shared memory before, after a barrier.
  case publish

  var product: WarpGroupProduct? {
    if case .multiply(let product) = self { return product } else { return nil }
  }

  func mapProduct(_ transform: (WarpGroupProduct) -> WarpGroupProduct) -> WarpGroupStep {
    product.map { .multiply(transform($0)) } ?? self
  }
}

/// `wgmma sum += left * right`: C[64, n] += A[64, depth] · B[depth, n] by every warp group.
///
/// Warp w of a group has rows 16 w to 16 w + 15 of C, n / 8 fragments like those of `MatrixProduct` beside each other:
/// the sum's buffer is [thread, ..., n / 8, 4].
public struct WarpGroupProduct: Hashable, Sendable {
  public static let rows = 64
  /// Threads that multiply together.
  public static let threads = 128
  /// The most columns of B, and what their number is a multiple of.
  public static let mostColumns = 256
  public static let columnStep = 8

  /// Its indices are without the first, which is the thread, and the last two.
  public var sum: MatrixProduct.Fragment
  /// Rows of A, and columns of B.
  public var left: SharedMatrix
  public var right: SharedMatrix

  public init(sum: MatrixProduct.Fragment, left: SharedMatrix, right: SharedMatrix) {
    (self.sum, self.left, self.right) = (sum, left, right)
  }

  var indices: [Expression] { sum.indices + left.indices + right.indices }

  /// The product with other names of buffers and other indices.
  func map(
    _ name: (String) -> String, _ index: (Expression) -> Expression
  ) -> WarpGroupProduct {
    var result = self
    result.sum = .init(name(sum.buffer), sum.indices.map(index))
    for part in [\WarpGroupProduct.left, \.right] {
      result[keyPath: part].buffer = name(self[keyPath: part].buffer)
      result[keyPath: part].indices = self[keyPath: part].indices.map(index)
    }
    return result
  }
}

/// A matrix in shared memory as tensor cores address it, without swizzling: `%buffer[first element] by [g, r, c]`.
///
/// 8 of its rows (A) or columns (B) lie beside each other, 16 bytes of each; the other bytes of the same 8, and the next 8,
/// are at fixed distances. So neighbouring pixels are rows of A, and pixels further on are the same matrix with another
/// first element. Source: PTX ISA, "Strides" and "Matrix Descriptor Format": K-major, no swizzling, the canonical layout
/// ((8, m), (T, 2k)) : ((1T, SBO), (1, LBO)), with T elements in 16 bytes; CUTLASS, mma_traits_sm90_gmma.hpp, states the same.
public struct SharedMatrix: Hashable, Sendable {
  /// Elements that 8 rows have beside each other, in bytes of one.
  public static let rowBytes = 16
  /// Rows that lie beside each other.
  public static let rowsTogether = 8

  /// A shared buffer.
  public var buffer: String
  public var indices: [Expression]
  /// Elements from the matrix of one warp group to that of the next.
  public var groupStep: Int
  /// Elements from 8 rows to the next 8 (SBO, the stride dimension's byte offset).
  public var rowStep: Int
  /// Elements from 16 bytes of a row to the next 16 (LBO, the leading dimension's byte offset).
  public var columnStep: Int

  public init(
    _ buffer: String, _ indices: [Expression], groupStep: Int, rowStep: Int, columnStep: Int
  ) {
    (self.buffer, self.indices) = (buffer, indices)
    (self.groupStep, self.rowStep, self.columnStep) = (groupStep, rowStep, columnStep)
  }

  public var steps: [Int] { [groupStep, rowStep, columnStep] }

  /// Elements from the first one of the first group's matrix; `lanes` of them are 16 bytes.
  func offset(group: Int, row: Int, column: Int, lanes: Int) -> Int {
    let (block, within) = row.quotientAndRemainder(dividingBy: Self.rowsTogether)
    let (unit, lane) = column.quotientAndRemainder(dividingBy: lanes)
    return group * groupStep + block * rowStep + within * lanes + unit * columnStep + lane
  }
}

extension [Statement] {
  /// All products of warp groups, in the order of the text.
  public var warpGroupProducts: [WarpGroupProduct] {
    var products: [WarpGroupProduct] = []
    forEachStatement {
      if case .warpGroup(let step) = $0, let product = step.product { products.append(product) }
    }
    return products
  }
}
