import LoopIR

/// One thread for each element: pooling, elementwise work and whatever else is computed on its own.
///
/// ```
/// for n, c, y, x { out[n, c, y, x] = ... }
/// ```
/// becomes, with dimensions in the order in which `out` lies in memory,
/// ```
/// gpu_block b { gpu_thread t { let e = b * 256 + t; if e < count { let c = e mod C ...; out[n, c, y, x] = ... } } }
/// ```
struct ElementPerThread {
  private let kernel: Kernel
  private let nest: LoopNest
  private var names: NameSupply
  private static let threads = 256

  /// Nil where the kernel is not one nest of independent iterations, or one element.
  init?(_ kernel: Kernel) {
    guard kernel.body.count == 1, let nest = LoopNest(kernel.body[0]), nest.writesOnlyOwnElement()
    else { return nil }
    self.kernel = kernel
    self.nest = nest
    names = NameSupply(kernel)
    for name in kernel.body.definedNames { _ = names.fresh(name) }
  }

  mutating func scheduled() -> Kernel {
    let count = nest.dimensions.reduce(1) { $0 * $1.extent }
    let threads = min(Self.threads, count)
    let (block, thread, element) = (names.fresh("block"), names.fresh("t"), names.fresh("e"))
    var body: [Statement] = [
      .bind(element, .variable(block) * .integer(threads) + .variable(thread))
    ]
    let work = places(.variable(element)) + nest.body
    if count % threads == 0 {
      body += work
    } else {
      body.append(
        .conditional(
          .binary(.less, .variable(element), .integer(count)), then: work, otherwise: []))
    }
    let inner = Loop(thread, .integer(0), .integer(threads), kind: .gpuThread, body: body)
    let blocks = (count + threads - 1) / threads
    var result = kernel
    result.body = [
      Statement.loop(
        Loop(block, .integer(0), .integer(blocks), kind: .gpuBlock, body: [.loop(inner)]))
    ].simplified()
    return result
  }

  /// The nest's variables, so that neighbouring threads write neighbouring elements.
  private func places(_ element: Expression) -> [Statement] {
    var rest = element
    var statements: [Statement] = []
    for dimension in kernel.memoryOrder(of: nest).reversed() {
      statements.append(
        .bind(dimension.name, .binary(.remainder, rest, .integer(dimension.extent))))
      rest = .binary(.divide, rest, .integer(dimension.extent))
    }
    return statements
  }
}
