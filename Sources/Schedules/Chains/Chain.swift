import LoopIR

/// Calls that one kernel computes block by block, so that what lies between them stays in a core's cache.
struct Chain {
  /// In the order of the calls.
  var members: [ChainMember]
  /// The first dimensions of all members, of those with more than one element, which are divided into blocks.
  var levels: Int
  /// Results that nobody else reads.
  var local: Set<String>
  /// Values of the last of these dimensions in a block; of the others a block has one.
  var last = 1

  var extents: [Int] { members[0].dimensions.prefix(levels).map(\.extent) }
  var blocks: Int { extents.reduce(1, *) / last }
  var produced: Set<String> { Set(members.map(\.result)) }

  /// Bytes between members in a block.
  func localBytes(_ module: LoopModule) -> Int {
    let own = members.filter { local.contains($0.result) && !$0.isInPlace(local) }
    let bytes = own.reduce(0) { $0 + (module.buffer(named: $1.result)?.buffer.byteCount ?? 0) }
    return bytes / max(1, extents.reduce(1, *)) * last
  }

  /// Bytes between members, of all blocks.
  func bytes(_ module: LoopModule) -> Int {
    local.reduce(0) { $0 + (module.buffer(named: $1)?.buffer.byteCount ?? 0) }
  }

  /// Bytes that go to memory and back, or come from it again, where the members run one after the other.
  func savedBytes(_ module: LoopModule) -> Int {
    var readers: [String: Int] = [:]
    for name in members.flatMap(\.operands) where !local.contains(name) {
      readers[name, default: 0] += 1
    }
    return readers.reduce(2 * bytes(module)) { sum, reader in
      sum + (reader.value - 1) * (module.buffer(named: reader.key)?.buffer.byteCount ?? 0)
    }
  }
}

/// Finds chains among the calls of a module.
struct ChainSearch {
  private let module: LoopModule
  private let target: Target
  /// By call; nil where a call can be in no chain.
  private let members: [ChainMember?]
  /// Calls that read a buffer, and how many write it.
  private var readers: [String: [Int]] = [:]
  private var writers: [String: [Int]] = [:]
  private var taken: Set<Int> = []

  /// Less is not worth it.
  private static let leastSavedBytes = 128 << 10
  /// What every block reads as a whole, weights above all, is to stay in a core's cache too.
  private static let mostSharedBytes = 256 << 10
  /// Blocks that threads share, where there are as many.
  private static let fewestBlocks = 16

  init(_ module: LoopModule, _ target: Target, excluding chosen: Set<String>) {
    self.module = module
    self.target = target
    members = module.run.indices.map { call in
      ChainMember(module, call).flatMap { chosen.contains($0.kernel.name) ? nil : $0 }
    }
    for (call, statement) in module.run.enumerated() {
      guard case .call(let name, let arguments) = statement,
        let kernel = module.kernel(named: name)
      else { continue }
      for (parameter, argument) in zip(kernel.parameters, arguments) {
        if parameter.access.reads { readers[argument, default: []].append(call) }
        if parameter.access.writes { writers[argument, default: []].append(call) }
      }
    }
  }

  /// All chains, none of which has a call of another.
  mutating func chains() -> [Chain] {
    var chains: [Chain] = []
    for call in members.indices {
      guard let seed = members[call], !taken.contains(call), seed.product != nil || seed.isSum,
        let chain = best(from: seed)
      else { continue }
      taken.formUnion(chain.members.map(\.call))
      chains.append(chain)
    }
    return chains
  }

  private func best(from seed: ChainMember) -> Chain? {
    var best: (chain: Chain, worth: Int)?
    for levels in seed.dimensions.indices.map({ $0 + 1 }) {
      guard let chain = divided(grown(from: seed, levels)) else { continue }
      let saved = chain.savedBytes(module)
      let worth = chain.localBytes(module) <= target.l1Bytes ? saved : saved / 2
      if saved >= Self.leastSavedBytes, worth > best?.worth ?? 0 { best = (chain, worth) }
    }
    return best?.chain
  }

  // MARK: Growing

  private func grown(from seed: ChainMember, _ levels: Int) -> Chain? {
    guard canJoin(seed, [seed.result], seed, levels) else { return nil }
    var chain = Chain(members: [seed], levels: levels, local: [])
    var produced: Set<String> = [seed.result]
    for call in members.indices.dropFirst(seed.call + 1) {
      guard case .call(_, let arguments) = module.run[call] else { break }
      let read = produced.intersection(arguments)
      if read.isEmpty { continue }
      // Whoever reads a result and is no member comes after all members.
      guard let next = members[call], !taken.contains(call),
        canJoin(next, read.union([next.result]), seed, levels)
      else { break }
      chain.members.append(next)
      produced.insert(next.result)
    }
    addProducers(to: &chain, seed)
    guard chain.members.count > 1 else { return nil }
    let calls = Set(chain.members.map(\.call))
    chain.local = chain.produced.filter {
      module.buffer(named: $0)?.role == BufferRole.temporary(offset: nil)
        && calls.isSuperset(of: readers[$0] ?? [])
    }
    return chain
  }

  /// Members that compute what only the chain reads.
  private func addProducers(to chain: inout Chain, _ seed: ChainMember) {
    var pending = chain.members
    while let member = pending.popLast() {
      for operand in member.operands {
        let calls = Set(chain.members.map(\.call))
        guard let call = writers[operand]?.first, call < member.call, !calls.contains(call),
          let producer = members[call], !taken.contains(call),
          calls.isSuperset(of: readers[operand] ?? []),
          canJoin(producer, [operand], seed, chain.levels),
          chain.members.allSatisfy({
            !$0.operands.contains(operand) || $0.isAligned(operand, levels: chain.levels)
          })
        else { continue }
        let place = chain.members.firstIndex { $0.call > call } ?? chain.members.endIndex
        chain.members.insert(producer, at: place)
        pending.append(producer)
      }
    }
  }

  /// Whether a call can be computed with the blocks of the seed, and reads or writes its own part of buffers.
  private func canJoin(
    _ member: ChainMember, _ buffers: Set<String>, _ seed: ChainMember, _ levels: Int
  ) -> Bool {
    member.dimensions.count >= levels
      && zip(member.dimensions, seed.dimensions).prefix(levels).allSatisfy {
        $0.extent == $1.extent
      }
      && buffers.allSatisfy { member.isAligned($0, levels: levels) }
      && member.isInOnePiece(levels: levels)
      && member.arguments.allSatisfy { writers[$0, default: []].count <= 1 }
      && member.sharedBytes(levels: levels, besides: buffers) <= Self.mostSharedBytes
  }

  // MARK: Dividing

  /// The chain in the largest blocks that fit a core's caches; nil where none do, or products would have too few rows.
  private func divided(_ chain: Chain?) -> Chain? {
    guard let chain, let extent = chain.extents.last else { return nil }
    let all = (1...extent).reversed().filter { extent % $0 == 0 }.map { last in
      var divided = chain
      divided.last = last
      return divided
    }
    func fits(_ chain: Chain, _ bytes: Int) -> Bool {
      chain.localBytes(module) <= bytes
        && chain.members.allSatisfy {
          $0.hasEnoughRows(levels: chain.levels, last: chain.last)
        }
    }
    let enough = all.filter { $0.blocks >= Self.fewestBlocks }
    if let chain = enough.first(where: { fits($0, target.l1Bytes) }) { return chain }
    let bytes = target.l2Bytes / 4
    return enough.first { fits($0, bytes) } ?? all.last { fits($0, bytes) }
  }
}
