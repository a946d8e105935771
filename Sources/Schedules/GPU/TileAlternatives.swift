import Diagnostics
import LoopIR

/// What can be chosen for the convolutions of a module on a GPU: tiles of all kinds.
public struct TileAlternatives {
  private let module: LoopModule
  private let tiles: TileSelection

  init(_ module: LoopModule, _ tiles: TileSelection) {
    (self.module, self.tiles) = (module, tiles)
  }

  /// The module's kernels for which something can be chosen, in order.
  public var kernels: [String] { module.kernels.map(\.name).filter { standard($0) != nil } }

  /// What the cost model chooses; nil for other kernels.
  public func standard(_ kernel: String) -> KernelChoice? {
    form(kernel).flatMap(tiles.standard).map { .tile($0.choice) }
  }

  /// A convolution that `run` alone calls.
  private func form(_ kernel: String) -> StagedConvolution? {
    guard let kernel = module.kernel(named: kernel), module.run.call(kernel.name),
      !module.prepare.call(kernel.name)
    else { return nil }
    return StagedConvolution(kernel).flatMap {
      StagedConvolution(kernel, hasConstantWeights: isConstant($0.weights, of: kernel))
    }
  }

  /// Whether every call gives a constant for a parameter.
  private func isConstant(_ parameter: String, of kernel: Kernel) -> Bool {
    module.run.allSatisfy { statement in
      guard case .call(kernel.name, let arguments) = statement else { return true }
      return zip(kernel.parameters, arguments).allSatisfy {
        $0.buffer.name != parameter || module.buffer(named: $1)?.role == .constant
      }
    }
  }

  /// Throws where the kernel cannot be computed so.
  func check(_ choice: KernelChoice, for kernel: String) throws(Diagnostic) {
    guard let form = form(kernel) else {
      throw Diagnostic(
        module.kernel(named: kernel) == nil
          ? "\(module.name) has no kernel @\(kernel)" : "there is nothing to choose for @\(kernel)",
        help: "run 'rephase tune' for this model, size and batch")
    }
    guard case .tile(let tile) = choice else {
      throw Diagnostic(
        "@\(kernel) cannot be computed as \(choice), which is for CPUs",
        help: "choose one of: " + TileKinds.all.map { $0.word }.joined(separator: ", "))
    }
    guard tiles.kernel(form, tile) != nil else {
      throw Diagnostic(
        "@\(kernel) cannot be computed as \(choice) at \(tiles.precision.rawValue) precision",
        help: "tiles must divide the channels, and fit registers and shared memory; "
          + "'rephase tune' writes such")
    }
  }
}

// MARK: Measuring

extension TileAlternatives {
  /// A tile and what the cost model says of it.
  private struct Estimate {
    var choice: TileChoice
    var cycles: Double
  }

  /// The tiles of a kind that tuning tries for a convolution, cheapest first.
  private func estimates(_ kind: any TileKind.Type, _ form: StagedConvolution) -> [Estimate] {
    func estimates<Kind: TileKind>(_ kind: Kind.Type) -> [Estimate] {
      let all = kind.tiles(form, tiles.gpu, tiles.precision).filter { $0.isTuned }
      guard all.first?.kernel(form, tiles.gpu) != nil else { return [] }
      var seen: Set<Kind> = []
      return all.filter { seen.insert($0).inserted }.map {
        Estimate(choice: $0.choice, cycles: $0.cost(form, tiles.gpu))
      }
    }
    return estimates(kind).enumerated().sorted {
      ($0.element.cycles, $0.offset) < ($1.element.cycles, $1.offset)
    }.map(\.element)
  }

  /// Tiles that take more than so many times as long as the cheapest by the cost model are not worth measuring.
  private static let worstEstimate = 2.0

  /// Tiles of all kinds: most of the kind that the cost model chooses, of each kind some of the cheapest and some from
  /// all over those that may be fast, since the cost model is a rough one.
  public func promising(_ kernel: String, atMost count: Int) -> [KernelChoice] {
    guard let form = form(kernel), let standard = tiles.standard(form)?.choice else { return [] }
    let kinds = TileKinds.all.map { (word: $0.word, tiles: estimates($0, form)) }
      .filter { !$0.tiles.isEmpty }
    let others = kinds.count - 1
    let few = others == 0 ? 0 : count / 3 / others
    return kinds.flatMap { kind in
      Self.spread(kind.tiles, kind.word == standard.kind ? count - few * others : few)
    }.map { .tile($0.choice) }
  }

  /// Of tiles that differ in one number the cheapest: of these the cheapest ones, and as many from all over the others.
  private static func spread(_ tiles: [Estimate], _ count: Int) -> [Estimate] {
    guard let best = tiles.first else { return [] }
    var shapes: [Estimate] = []
    for tile in tiles.prefix(while: { $0.cycles <= worstEstimate * best.cycles })
    where shapes.allSatisfy({ $0.choice.differences(from: tile.choice) > 1 }) {
      shapes.append(tile)
    }
    let cheapest = shapes.prefix((count + 1) / 2)
    let rest = shapes.dropFirst(cheapest.count)
    let wanted = min(count - cheapest.count, rest.count)
    return cheapest
      + (0..<wanted).map { rest[rest.startIndex + $0 * rest.count / wanted] }
  }

  /// Tiles that differ from one in a single number, cheapest first.
  public func neighbours(_ kernel: String, of choice: KernelChoice) -> [KernelChoice] {
    guard let form = form(kernel), case .tile(let tile) = choice,
      let kind = TileKinds.named(tile.kind)
    else { return [] }
    return estimates(kind, form).map(\.choice).filter { $0.differences(from: tile) == 1 }.map {
      .tile($0)
    }
  }
}

extension TileChoice {
  /// How many numbers differ, of tiles of one kind.
  fileprivate func differences(from other: TileChoice) -> Int {
    zip(numbers, other.numbers).count { $0 != $1 }
  }
}
