import Tensors

/// `ldmatrix %t: target = source`: every warp of a GPU block reads 1, 2 or 4 small matrices from shared memory into its
/// threads' registers.
///
/// A matrix has 8 rows of 16 bytes beside each other. Thread 8 m + r of a warp says where row r of matrix m is; every
/// thread gets 32 bits of each matrix: thread t those at 4 (t mod 4) bytes of row t / 4. Transposed, `ldmatrix transposed`,
/// for elements of 16 bits: those at column t / 4 of rows 2 (t mod 4) and 2 (t mod 4) + 1.
/// Source: PTX ISA, "Warp-level matrix load instruction: ldmatrix", shape .m8n8 of type .b16.
public struct MatrixLoad: Hashable, Sendable {
  /// What stands for the thread's number in the indices of the source.
  public var thread: String
  /// In a buffer of all threads' registers: the indices are those behind the thread, and all dimensions after them are
  /// what the thread gets, one matrix after the other.
  public var target: MatrixProduct.Fragment
  /// A shared buffer, and where the row begins.
  public var source: String
  public var indices: [Expression]
  public var isTransposed: Bool

  public static let rows = 8
  public static let rowBytes = 16
  /// Bytes of a matrix that each thread gets.
  public static let bytes = 4
  public static let counts = [1, 2, 4]

  public init(
    _ target: MatrixProduct.Fragment, from source: String, _ indices: [Expression],
    thread: String, isTransposed: Bool = false
  ) {
    (self.target, self.source) = (target, source)
    (self.indices, self.thread, self.isTransposed) = (indices, thread, isTransposed)
  }

  var expressions: [Expression] { target.indices + indices }

  func mapExpressions(_ transform: (Expression) -> Expression) -> MatrixLoad {
    MatrixLoad(
      .init(target.buffer, target.indices.map(transform)), from: source, indices.map(transform),
      thread: thread, isTransposed: isTransposed)
  }

  func renaming(_ names: [String: String]) -> MatrixLoad {
    func other(_ name: String) -> String { names[name] ?? name }
    let renamed = mapExpressions { $0.renaming(names) }
    return MatrixLoad(
      .init(other(target.buffer), renamed.target.indices), from: other(source), renamed.indices,
      thread: other(thread), isTransposed: isTransposed)
  }

  /// Elements of the target that a thread gets, which lie beside each other; nil where they do not.
  public func elements(of buffer: Buffer) -> Int? {
    var count = 1
    for dimension in (target.indices.count + 1..<buffer.extents.count).reversed() {
      guard buffer.strides[dimension] == count else { return nil }
      count *= buffer.extents[dimension]
    }
    return count
  }
}
