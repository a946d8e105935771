import LoopIR

/// A kernel that makes one element of each window of an image, where windows lie side by side: max-pooling.
///
/// ```
/// for n, c, y, x { best = a; for wy, wx { best = max(best, image[n, c, y H + wy, x W + wx]) }; tail(best) }
/// ```
/// It reads nothing but the image, so that whoever writes that can pool it as well.
struct Pooling {
  let kernel: Kernel
  let nest: ReductionNest
  /// H and W, the rows and columns of a window.
  let window: [Int]

  var image: Buffer { kernel.parameters[0].buffer }
  var result: Buffer { kernel.parameters[1].buffer }

  /// Rows and columns of the largest windows: rows of larger ones would leave threads little to share.
  private static let largest = 4

  /// Nil where the kernel is no such pooling in float32.
  init?(_ kernel: Kernel) {
    guard kernel.parameters.map(\.access) == [.read, .write],
      kernel.parameters.allSatisfy({ $0.buffer.element == .f32 && $0.buffer.extents.count == 4 }),
      let nest = ReductionNest(kernel), nest.outer.dimensions.count == 4,
      nest.reductions.count == 2, nest.conditions.isEmpty
    else { return nil }
    self.kernel = kernel
    self.nest = nest
    window = nest.reductions.map(\.extent)
    guard window != [1, 1], window.allSatisfy({ $0 <= Self.largest }), writesWholeResult,
      readsOneWindow
    else { return nil }
  }

  /// Whether there is one result for each window that fits into the image.
  private var writesWholeResult: Bool {
    let place = nest.outer.dimensions.map { Expression.variable($0.name) }
    guard case .store(_, place, _) = nest.tail.last else { return false }
    let windows = zip(image.extents, [1, 1] + window).map { $0 / $1 }
    return nest.outer.dimensions.map(\.extent) == result.extents && result.extents == windows
  }

  private var readsOneWindow: Bool {
    let index = zip(nest.outer.dimensions, [1, 1] + window).map { dimension, size in
      Expression.variable(dimension.name) * .integer(size)
    }
    let taps = nest.reductions.map { Expression.variable($0.name) }
    let place = [index[0], index[1], index[2] + taps[0], index[3] + taps[1]]
    let sum = nest.accumulator.name
    var isOwn = nest.initial.loadedBuffers.isEmpty && nest.tail.loadedBuffers.isSubset(of: [sum])
    nest.update.forEachLoad { buffer, indices in
      let isPlace = zip(indices, place).allSatisfy { ($0 - $1).simplifiedIndex() == .integer(0) }
      isOwn = isOwn && (buffer == sum || isPlace)
    }
    return isOwn
  }
}

/// A call that pools what an earlier call writes, so that the earlier one can do it.
struct ResultPooling {
  /// The call's number in `run`.
  let call: Int
  let pooling: Pooling
  /// The pooled image's buffer.
  let pooled: String
  /// Whether nobody else reads the image, so that it need not be in memory.
  var isOnlyReader: Bool

  /// Two poolings of one form are the same work for the kernel.
  var form: String { "\(pooling.kernel.name) \(isOnlyReader)" }
}

extension LoopModule {
  /// The pooling of the buffer that a call writes, where all of it can be done by that call; both images must lie
  /// between kernels.
  func pooling(of image: String, writtenBy call: Int) -> ResultPooling? {
    let users = run.indices.filter { run[$0].arguments.contains(image) }
    for later in users where later > call {
      guard case .call(let name, let arguments) = run[later],
        let pooling = kernel(named: name).flatMap(Pooling.init), arguments[0] == image,
        arguments.allSatisfy(isBetweenKernels),
        !run[call..<later].contains(where: { $0.arguments.contains(arguments[1]) }),
        !users.contains(where: { call < $0 && $0 < later && writes($0, image) })
      else { continue }
      return ResultPooling(
        call: later, pooling: pooling, pooled: arguments[1], isOnlyReader: users == [call, later])
    }
    return nil
  }

  private func isBetweenKernels(_ name: String) -> Bool {
    buffer(named: name)?.role == .temporary(offset: nil)
  }

  private func writes(_ call: Int, _ buffer: String) -> Bool {
    guard case .call(let name, let arguments) = run[call], let kernel = kernel(named: name) else {
      return false
    }
    return zip(kernel.parameters, arguments).contains { $0.access.writes && $1 == buffer }
  }
}
