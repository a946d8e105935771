import LoopIR
import Tensors

/// Lets direct convolutions pool their results, a row of windows at a time (`PooledResult`).
///
/// ```
/// parallel for rows of windows of all images { for rows of a window { convolve the row }; pool the rows }
/// ```
/// Values do not change.
enum PoolRows {
  static func apply(
    to module: LoopModule, target: Target, _ choices: [String: KernelChoice] = [:]
  ) -> LoopModule {
    var result = module
    for kernel in module.kernels
    where module.run.call(kernel.name) && !module.prepare.call(kernel.name) {
      guard let convolution = convolution(kernel, target, choices[kernel.name]) else { continue }
      result.replaceCalls(of: kernel, lanes: nil, pools: convolution.fitting) { work in
        var convolution = convolution
        return work.pooling.flatMap { later in
          let kernel = later.pooling.kernel
          return ScheduleReduction(kernel, target, choices[kernel.name]).map {
            WorkingKernel(kernel: convolution.pooled(later, by: $0))
          }
        }
      }
    }
    result.dropUncalled(since: module)
    return result
  }

  /// Nil for other kernels, and for sums over whole images (`SplitSums`).
  private static func convolution(
    _ kernel: Kernel, _ target: Target, _ choice: KernelChoice?
  ) -> ScheduleReduction? {
    guard SumForm(kernel, target) == nil,
      let reduction = ScheduleReduction(kernel, target, choice), reduction.nest.isSumOfProducts
    else { return nil }
    return reduction
  }
}

extension ScheduleReduction {
  /// The pooling, which leaves the image in memory where the rows of a window are too large for a local buffer.
  fileprivate func fitting(_ later: ResultPooling) -> ResultPooling {
    var later = later
    later.isOnlyReader =
      later.isOnlyReader && rowBytes * later.pooling.window[0] <= Target.localBytes
    return later
  }

  private var rowBytes: Int { column.extent * channel.extent * ElementType.f32.byteCount }

  /// The kernel that pools what it writes.
  fileprivate mutating func pooled(
    _ later: ResultPooling, by pooling: ScheduleReduction
  ) -> Kernel {
    var (result, pooling) = (kernel, pooling)
    let pooled = PooledResult(
      later, of: kernel.parameters[kernel.parameters.count - 1].buffer, &names)
    let (size, windows) = (later.pooling.window[0], pooling.row.extent)
    // Rows after the last whole window, where somebody else reads them.
    let groups = later.isOnlyReader ? windows : (row.extent + size - 1) / size
    let (window, i) = (names.fresh("window"), names.fresh("i"))
    let first = Expression.variable(window) * .integer(size)
    let rows = Loop(
      i, .integer(0), .binary(.minimum, .integer(size), .integer(row.extent) - first),
      body: rowOfResults().substituting(row.name, with: first + .variable(i)))
    let pooledRow = pooled.renamed(
      names.renamed(pooling.rowOfResults()), image: .variable(image.name), row: .variable(window))
    let isWhole = Expression.binary(.less, .variable(window), .integer(windows))
    let body = pooled.withLocalImage(
      [size, column.extent, channel.extent], from: [first, .integer(0), .integer(0)],
      [.loop(rows), .conditional(isWhole, then: pooledRow, otherwise: [])], &names)
    result.name += pooled.suffix
    result.parameters = pooled.parameters(result.parameters)
    result.body = overRows(.init(name: window, extent: groups), body)
    return result
  }
}
