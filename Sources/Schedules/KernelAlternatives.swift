import Diagnostics
import LoopIR

/// What can be chosen for the kernels of a module whose layouts are assigned: register tiles of direct sums, and
/// Winograd's algorithm where the precision allows it.
public struct KernelAlternatives {
  private let module: LoopModule
  private let target: Target
  private let precision: Precision
  private let winograd: WinogradChoice

  init(_ laidOut: LoopModule, _ target: Target, _ precision: Precision) {
    module = laidOut
    self.target = target
    self.precision = precision
    winograd = WinogradChoice(
      target: target,
      transforms: precision == .strict ? [] : WinogradChoice.withinStandardPrecision)
  }

  /// The module's kernels for which something can be chosen, in order.
  public var kernels: [String] {
    module.kernels.map(\.name).filter { direct($0) != nil && !isPooledByWriters($0) }
  }

  /// Whether the kernels that write what this one pools do so themselves, whatever is chosen for them.
  private func isPooledByWriters(_ kernel: String) -> Bool {
    guard let pooling = module.kernel(named: kernel).flatMap(Pooling.init) else { return false }
    let pooled = module.run.enumerated().compactMap { call, statement -> Int? in
      guard let writer = statement.calledKernel, let image = statement.arguments.last,
        direct(writer)?.nest.isSumOfProducts == true,
        canPool(pooling, as: nest(writer))
      else { return nil }
      return module.pooling(of: image, writtenBy: call)?.call
    }
    return module.run.indices.allSatisfy {
      module.run[$0].calledKernel != kernel || pooled.contains($0)
    }
  }

  private func canPool(_ pooling: Pooling, as nest: WinogradNest?) -> Bool {
    guard let nest else { return true }
    return winograd.transforms.allSatisfy { nest.canPool(pooling, by: $0) }
  }

  /// What the cost model chooses; nil for other kernels.
  public func standard(_ kernel: String) -> KernelChoice? {
    if let shape = nest(kernel).flatMap(winograd.best) { return KernelChoice(shape) }
    return direct(kernel).map { KernelChoice($0.tileShape) }
  }

  /// The cheapest by the cost model, cheapest first: of each shape of Winograd's products the best length of strips,
  /// and of direct sums a few tiles.
  public func promising(_ kernel: String, atMost count: Int) -> [KernelChoice] {
    var seen: Set<WinogradShape> = []
    let shapes = sortedShapes(kernel).filter { shape in
      var products = shape
      products.tiles = 1
      return seen.insert(products).inserted
    }
    let tiles = direct(kernel)?.tiles() ?? []
    let few = shapes.isEmpty ? count : max(1, count / 4)
    return shapes.prefix(count - few).map(KernelChoice.init)
      + tiles.prefix(few).map(KernelChoice.init)
  }

  /// Strips of other lengths, cheapest first; nothing for direct sums.
  public func otherStrips(
    _ kernel: String, like choice: KernelChoice, atMost count: Int
  ) -> [KernelChoice] {
    let choices = sortedShapes(kernel).map(KernelChoice.init)
    return Array(choices.filter { $0 != choice && $0.isStrip(like: choice) }.prefix(count))
  }

  private func sortedShapes(_ kernel: String) -> [WinogradShape] {
    guard let nest = nest(kernel) else { return [] }
    return winograd.shapes(for: nest).map { (shape: $0, cycles: winograd.cycles(nest, $0)) }
      .sorted { $0.cycles < $1.cycles }.map(\.shape)
  }

  private func nest(_ kernel: String) -> WinogradNest? {
    module.kernel(named: kernel).flatMap { ApplyWinograd.nest(of: $0, in: module) }
  }

  /// The direct sum of a kernel that `run` alone calls and that is no sum over whole images.
  private func direct(_ kernel: String) -> ScheduleReduction? {
    guard let kernel = module.kernel(named: kernel), module.run.call(kernel.name),
      !module.prepare.call(kernel.name), SumForm(kernel, target) == nil
    else { return nil }
    return ScheduleReduction(kernel, target)
  }

  // MARK: Choices

  /// The shape of Winograd's algorithm that a choice asks for, or the cost model's without one; nil for direct sums.
  func shape(_ nest: WinogradNest, _ choice: KernelChoice?) -> WinogradShape? {
    guard let choice else { return winograd.best(for: nest) }
    return winograd.shapes(for: nest).first { KernelChoice($0) == choice }
  }

  /// Throws where the kernel cannot be computed so.
  func check(_ choice: KernelChoice, for kernel: String) throws(Diagnostic) {
    guard let direct = direct(kernel) else {
      throw Diagnostic(
        module.kernel(named: kernel) == nil
          ? "\(module.name) has no kernel @\(kernel)" : "there is nothing to choose for @\(kernel)",
        help: "run 'rephase tune' for this model, size and batch")
    }
    switch choice {
    case .tile:
      throw Diagnostic(
        "@\(kernel) cannot be computed as \(choice), which is for GPUs",
        help: "take a direct sum, or give the schedule's --target")
    case .direct:
      guard direct.tiles().contains(where: { KernelChoice($0) == choice }) else {
        throw Self.misfit(choice, kernel)
      }
    case .winograd:
      guard precision == .standard else {
        throw Diagnostic(
          "@\(kernel) cannot be computed by Winograd's algorithm at strict precision",
          help: "take a direct sum, or --precision standard")
      }
      guard let nest = nest(kernel), shape(nest, choice) != nil else {
        throw Self.misfit(choice, kernel)
      }
    }
  }

  private static func misfit(_ choice: KernelChoice, _ kernel: String) -> Diagnostic {
    Diagnostic(
      "@\(kernel) cannot be computed as \(choice)",
      help: "tiles must fit registers, what they split, and the stack; 'rephase tune' writes such")
  }
}

extension KernelChoice {
  /// Whether it differs in the length of strips at most.
  fileprivate func isStrip(like other: KernelChoice) -> Bool {
    guard case .winograd(let transform, _, let tiles, let vectors) = self,
      case .winograd(transform, _, tiles, vectors) = other
    else { return false }
    return true
  }
}

extension ScheduleChoices {
  /// The module that runs as many images at a time as the file says, or as the cost model does.
  func split(_ module: LoopModule, _ target: Target) throws(Diagnostic) -> LoopModule {
    guard let images else { return SplitBatch.apply(to: module, target: target) }
    guard let split = SplitBatch.apply(to: module, images: images) else {
      let sizes = SplitBatch.sizes(module, target: target)?.all ?? []
      throw Diagnostic(
        "\(module.name) cannot run \(images) images at a time", at: places["images"],
        help: sizes.isEmpty
          ? "leave the line out: there is nothing to choose"
          : "it is one of " + sizes.map(String.init).joined(separator: ", "))
    }
    return split
  }

  /// The choices by kernel; throws where one does not fit.
  func checked(
    for laidOut: LoopModule, _ target: Target
  ) throws(Diagnostic) -> [String: KernelChoice] {
    let alternatives = KernelAlternatives(laidOut, target, precision)
    try check(alternatives.check)
    return Dictionary(uniqueKeysWithValues: kernels.map { ($0.kernel, $0.choice) })
  }

  /// Tiles by kernel; throws where one does not fit.
  func checkedTiles(for alternatives: TileAlternatives) throws(Diagnostic) -> [String: TileChoice] {
    if images != nil {
      throw Diagnostic(
        "a GPU runs all images of a batch together", at: places["images"],
        help: "leave the line out")
    }
    try check(alternatives.check)
    var tiles: [String: TileChoice] = [:]
    for case (let kernel, .tile(let tile)) in kernels.map({ ($0.kernel, $0.choice) }) {
      tiles[kernel] = tile
    }
    return tiles
  }

  /// Each choice, with its place where one does not fit.
  private func check(
    _ isFitting: (_ choice: KernelChoice, _ kernel: String) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    for entry in kernels {
      do throws(Diagnostic) { try isFitting(entry.choice, entry.kernel) } catch {
        throw error.located(at: entry.location)
      }
    }
  }
}
