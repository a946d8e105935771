/// `copy_async target = source where condition`: a GPU thread starts a copy of an element from global to shared memory.
///
/// The copy is under way until the thread has closed a group of copies with it (`commit_group`) and has waited for
/// that group (`wait_group`); other threads need a barrier after that.
public struct AsyncCopy: Hashable, Sendable {
  /// An element of a shared buffer.
  public var buffer: String
  public var indices: [Expression]
  /// A load from an `in` parameter.
  public var source: Expression
  /// Where it does not hold, the element becomes zero and nothing is read.
  public var condition: Expression?

  public init(
    _ buffer: String, _ indices: [Expression], from source: Expression,
    where condition: Expression? = nil
  ) {
    (self.buffer, self.indices) = (buffer, indices)
    (self.source, self.condition) = (source, condition)
  }

  var expressions: [Expression] { indices + [source] + (condition.map { [$0] } ?? []) }

  func mapExpressions(_ transform: (Expression) -> Expression) -> AsyncCopy {
    AsyncCopy(
      buffer, indices.map(transform), from: transform(source), where: condition.map(transform))
  }
}
