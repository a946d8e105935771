import LoopIR
import Tensors

/// One thread for each element, or a few of them: pooling, elementwise work and whatever else is computed on its own.
///
/// ```
/// for n, c, y, x { out[n, c, y, x] = ... }
/// ```
/// becomes, with dimensions in the order in which `out` lies in memory,
/// ```
/// gpu_block b { gpu_thread t { let e = b * 256 + t; if e < count { let c = e mod C ...; out[n, c, y, x] = ... } } }
/// ```
/// A thread computes 16 bytes of neighbouring elements, where so many lie beside each other.
struct ElementPerThread {
  private let kernel: Kernel
  private let nest: LoopNest
  private var names: NameSupply
  private static let threads = 256
  private static let shortLoop = 4

  /// Nil where the kernel is not one nest of independent iterations, or one element.
  init?(_ kernel: Kernel) {
    let nest: LoopNest?
    if kernel.body.count == 1, case .loop = kernel.body[0] {
      nest = LoopNest(kernel.body[0])
    } else {
      nest = LoopNest(scalar: kernel.body)
    }
    guard let nest, nest.writesOnlyOwnElement(several: true) else { return nil }
    self.kernel = kernel
    self.nest = nest
    names = NameSupply(kernel)
    for name in kernel.body.definedNames { _ = names.fresh(name) }
  }

  /// `hasLanes`: whether a thread may compute several elements, which multiplies what it holds in registers.
  mutating func scheduled(hasLanes: Bool = true) -> Kernel {
    let (lanes, work) = hasLanes ? lanesOfWork() : (1, nest.body)
    let count = nest.dimensions.reduce(1) { $0 * $1.extent } / lanes
    let threads = min(Self.threads, count)
    let (block, thread, element) = (names.fresh("block"), names.fresh("t"), names.fresh("e"))
    var body: [Statement] = [
      .bind(element, .variable(block) * .integer(threads) + .variable(thread))
    ]
    let own = places(.variable(element), lanes) + writtenOut(work)
    if count % threads == 0 {
      body += own
    } else {
      body.append(
        .conditional(
          .binary(.less, .variable(element), .integer(count)), then: own, otherwise: []))
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

  /// The nest's variables, so that neighbouring threads write neighbouring elements; of the innermost one, the first
  /// of a thread's.
  private func places(_ element: Expression, _ lanes: Int) -> [Statement] {
    var rest = element
    var statements: [Statement] = []
    for (number, dimension) in kernel.memoryOrder(of: nest).reversed().enumerated() {
      let step = number == 0 ? lanes : 1
      let count = Expression.integer(dimension.extent / step)
      statements.append(
        .bind(dimension.name, .binary(.remainder, rest, count) * .integer(step)))
      rest = .binary(.divide, rest, count)
    }
    return statements
  }

  /// Short loops become as many copies, so that a thread waits for all their loads at once.
  private func writtenOut(_ work: [Statement]) -> [Statement] {
    work.mapStatements { statement in
      guard case .loop(var loop) = statement, loop.kind == .serial,
        let extent = loop.constantExtent, extent <= Self.shortLoop
      else { return [statement] }
      loop.kind = .unrolled
      return [.loop(loop)]
    }
  }

  /// What a thread does, and how many neighbouring elements it computes.
  private mutating func lanesOfWork() -> (lanes: Int, work: [Statement]) {
    let bytes = kernel.parameters.map(\.buffer.element.byteCount).min() ?? 4
    guard let innermost = kernel.memoryOrder(of: nest).last,
      case let lanes = largestDivisor(of: innermost.extent, atMost: 16 / bytes), lanes > 1
    else { return (1, nest.body) }
    var lane = LaneSplit(innermost.name, lanes, names)
    guard let work = lane.split(nest.body) else { return (1, nest.body) }
    names = lane.names
    return (lanes, work)
  }
}
