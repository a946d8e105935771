import LoopIR

/// The groups of a convolution whose groups of channels see channels of the image of their own.
///
/// ```
/// for c { ... sum = fma(x[n, c / 4 * 8 + i, ...], w[c, i, ...], sum) }
/// ```
/// is, for tiles that lie in one group each,
/// ```
/// for g { for c of the group { ... sum = fma(x[n, g * 8 + i, ...], w[c, i, ...], sum) } }
/// ```
/// so that the channels of a vector read the same pixels.
struct ChannelGroups {
  /// The variable of the loop over groups.
  let name: String
  let count: Int
  /// Channels of the result in each.
  let size: Int

  /// Takes `channel / size` out of what the nest reads; nil where there is nothing of this form.
  init?(_ nest: inout ReductionNest, _ channel: LoopNest.Dimension, _ names: inout NameSupply) {
    let sizes = nest.update.subexpressions.compactMap { part -> Int? in
      guard case .binary(.divide, .variable(channel.name), .integer(let size)) = part else {
        return nil
      }
      return size
    }
    guard let size = sizes.first, size > 0, channel.extent % size == 0 else { return nil }
    let name = names.fresh("g")
    nest.update = nest.update.mapExpressions { part in
      let quotient = Expression.binary(.divide, .variable(channel.name), .integer(size))
      return part == quotient ? .variable(name) : part
    }
    (self.name, self.size) = (name, size)
    count = channel.extent / size
  }

  /// A run of a group's channels among all.
  func placed(_ channels: Extent) -> Extent {
    Extent(base: .variable(name) * .integer(size) + channels.base, count: channels.count)
  }

  func loop(_ body: [Statement]) -> Statement {
    .loop(Loop(name, .integer(0), .integer(count), body: body))
  }
}
