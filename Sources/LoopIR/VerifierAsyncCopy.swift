import Diagnostics

/// L28: where copies may be started and what can be copied; L16: where threads may wait for them.
extension KernelVerifier {
  /// Groups of copies that may be under way.
  private static let maximumGroups = 64

  func verify(_ copy: AsyncCopy) throws(Diagnostic) {
    guard scope.thread != nil else {
      throw broken("L28", "a copy_async stands in gpu_thread loops")
    }
    let target = try buffer(copy.buffer).buffer
    guard target.space == .shared else {
      throw broken(
        "L28", "%\(target.name) is in \(target.space.rawValue) memory; a copy_async writes shared")
    }
    try verifyAccess(target, copy.indices)
    if let condition = copy.condition {
      try require(condition, .boolean, "the condition")
      guard isUniform(condition) else {
        throw broken(
          "L28", "the condition of a copy_async differs between lanes of the vectorized loop")
      }
    }
    var inside = self
    inside.scope.isDead =
      scope.isDead || copy.condition?.simplified(scope.ranges).truth(scope.ranges) == false
    try inside.verifySource(of: copy, to: target)
  }

  private func verifySource(of copy: AsyncCopy, to target: Buffer) throws(Diagnostic) {
    try require(copy.source, .element(target.element), "what is copied to %\(target.name)")
    guard case .load(let name, _) = copy.source else {
      throw broken(
        "L28",
        "'\(LoopPrinter.text(copy.source))' is no element of a buffer, so it cannot be copied",
        help: "store it")
    }
    let (source, isWritable) = try buffer(name)
    guard source.space == .heap, !isWritable else {
      throw broken("L28", "%\(name) is no 'in' parameter, so it cannot be copied from")
    }
  }

  /// L16.
  func verifyBetweenThreads(_ statement: String) throws(Diagnostic) {
    guard scope.loops.contains(.gpuBlock), !scope.loops.contains(.gpuThread) else {
      throw broken(
        "L16", "a \(statement) stands inside gpu_block loops, between gpu_thread loops")
    }
  }

  func verifyWait(_ groups: Int) throws(Diagnostic) {
    try verifyBetweenThreads("wait_group")
    guard (0...Self.maximumGroups).contains(groups) else {
      throw broken(
        "L28", "a wait_group leaves 0 to \(Self.maximumGroups) groups under way, not \(groups)")
    }
  }
}
