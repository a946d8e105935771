import LoopIR

/// Runs kernels that read each other's results block by block, so that these stay in a core's cache.
///
/// ```
/// run { call @scores(%q, %k, %s); call @maxima(%s, %m); call @powers(%s, %m, %e); call @sums(%e, %v, %y) }
/// ```
/// becomes, where nobody else reads %s, %m and %e,
/// ```
/// run { call @scores_to_sums(%q, %k, %v, %y) }
/// ```
/// Blocks follow from shapes and target alone.
enum RunChains {
  static func apply(
    to module: LoopModule, target: Target, excluding chosen: Set<String>
  ) -> LoopModule {
    var search = ChainSearch(module, target, excluding: chosen)
    let chains = search.chains()
    if chains.isEmpty { return module }
    var result = module
    var calls = module.run.map(Optional.init)
    for chain in chains {
      var builder = ChainKernel(chain, module, target)
      let (kernel, arguments) = builder.scheduled()
      guard kernel.body.stackBytes <= Target.localBytes else { continue }
      for member in chain.members { calls[member.call] = nil }
      calls[chain.members[chain.members.count - 1].call] = .call(
        result.share(kernel), arguments)
      result.buffers.removeAll { chain.local.contains($0.buffer.name) }
    }
    result.run = calls.compactMap { $0 }
    result.dropUncalled(since: module)
    return result
  }
}

extension [Statement] {
  /// Bytes of all buffers on the stack.
  fileprivate var stackBytes: Int {
    var bytes = 0
    forEachStatement {
      if case .allocate(let buffer) = $0, buffer.space == .stack { bytes += buffer.byteCount }
    }
    return bytes
  }
}
