import LoopIR

/// The two kernels that compute a sum over whole dimensions: one sums parts, the other adds them up.
///
/// A part is a run of images or, where these are few, of rows of an image:
/// ```
/// parallel for g < parts { part[g, ...] = 0; for image, rows of the part { part[g, ...] += tile } }
/// for ... { sum = initial; for g { sum = sum + part[g, ...] }; tail(sum) }
/// ```
/// Inside a part, a few rows at a time are summed up in registers, tile by tile of the result, so that these rows stay
/// in the cache while all tiles go over them.
struct SplitSum {
  /// Sums the parts; its last parameter is the buffer.
  private(set) var parts: Kernel
  /// Adds them up; its last parameter is the original result.
  private(set) var total: Kernel
  /// The parts: [part, dimensions of the result..., lane].
  let buffer: Buffer

  private let form: SumForm
  private let cost: CostModel

  /// Parts at least, as far as there are rows: enough for any number of cores this is meant for to share evenly.
  private static let fewestParts = 16
  /// Images that are parts of their own, at most.
  private static let mostImages = 32
  /// Pixels that are summed in registers before a tile goes back to memory: loading and storing it then costs little.
  private static let pixels = 256

  /// Nil where the kernel is no sum of this form.
  init?(_ kernel: Kernel, _ target: Target) {
    guard let form = SumForm(kernel, target) else { return nil }
    self.form = form
    cost = CostModel(target: target)
    var names = NameSupply(kernel)
    for name in kernel.body.definedNames { _ = names.fresh(name) }
    let division = Division(form)
    let extents = [division.count] + form.results.map(\.extent)
    var order = Array(extents.indices)
    // Lanes of a vector lie side by side.
    if let channel = form.channel {
      order.remove(at: channel + 1)
      order.append(channel + 1)
    }
    buffer = Buffer(
      names.fresh("part"), form.nest.accumulator.element, extents: extents,
      strides: Buffer.strides(extents, order: order), alignment: PlanMemory.alignment)
    parts = kernel
    total = kernel
    parts = partsKernel(kernel, division, &names)
    total = totalKernel(kernel, division, &names)
  }

  /// Which images and rows each part has.
  private struct Division {
    /// Groups of images, and images in one.
    var groups: Int
    var images: Int
    /// Blocks of rows of one image, and rows in one.
    var blocks: Int
    var rows: Int
    var count: Int { groups * blocks }

    init(_ form: SumForm) {
      let total = form.rowLoop == 0 ? 1 : form.loops[0].extent
      images = (total + SplitSum.mostImages - 1) / SplitSum.mostImages
      groups = (total + images - 1) / images
      let height = form.loops[form.rowLoop].extent
      let wanted = min(height, (SplitSum.fewestParts + groups - 1) / groups)
      rows = (height + wanted - 1) / wanted
      blocks = (height + rows - 1) / rows
    }
  }

  // MARK: Parts

  private func partsKernel(
    _ kernel: Kernel, _ division: Division, _ names: inout NameSupply
  ) -> Kernel {
    let part = names.fresh("g")
    let rows = overRows(part, division, &names)
    let body = cleared(part, &names) + aroundImages(part, division, rows)
    var result = kernel
    result.name += "_parts"
    result.parameters = kernel.parameters.filter { form.nest.update.loads($0.buffer.name) }
    result.parameters.append(KernelParameter(buffer, .write))
    result.body = [
      Statement.loop(
        Loop(part, .integer(0), .integer(division.count), kind: .parallel, body: body))
    ].simplified()
    return result
  }

  /// The loop over the part's images; nothing where the sum's only loop is that over rows.
  private func aroundImages(
    _ part: String, _ division: Division, _ body: [Statement]
  ) -> [Statement] {
    if form.rowLoop == 0 { return body }
    let image = form.loops[0]
    let group = Expression.variable(part).divided(by: division.blocks)
    if division.images == 1 { return [.bind(image.name, group)] + body }
    let first = group * .integer(division.images)
    let end = Expression.binary(
      .minimum, first + .integer(division.images), .integer(image.extent))
    return [.loop(Loop(image.name, first, end, body: body))]
  }

  /// Zeros in all places of a part.
  private func cleared(_ part: String, _ names: inout NameSupply) -> [Statement] {
    let variables = form.results.map { names.fresh($0.name) }
    let index = [.variable(part)] + variables.map(Expression.variable)
    var body: [Statement] = [.store(buffer.name, index, .real(0, buffer.element))]
    let order = form.results.indices.sorted { a, b in
      buffer.strides[a + 1] == buffer.strides[b + 1]
        ? a > b : buffer.strides[a + 1] < buffer.strides[b + 1]
    }
    for (level, position) in order.enumerated() {
      let extent = form.results[position].extent
      let isVector = level == 0 && extent <= LoopVerifier.maximumLanes
      body = [
        .loop(
          Loop(
            variables[position], .integer(0), .integer(extent),
            kind: isVector ? .vectorized : .serial, body: body))
      ]
    }
    return body
  }

  /// Blocks of a few rows, and for each of them all tiles of the result.
  private func overRows(
    _ part: String, _ division: Division, _ names: inout NameSupply
  ) -> [Statement] {
    let row = form.loops[form.rowLoop]
    let width = form.loops.dropFirst(form.rowLoop + 1).reduce(1) { $0 * $1.extent }
    let step = max(1, min(division.rows, Self.pixels / max(1, width)))
    let block = names.fresh("\(row.name).o")
    let inside = names.fresh("\(row.name).i")
    let start = Expression.variable(part).remainder(by: division.blocks) * .integer(division.rows)
    let end = Expression.binary(
      .minimum, start + .integer(division.rows), .integer(row.extent))
    let first = start + .variable(block) * .integer(step)
    let rows = form.replacing(
      loop: form.rowLoop, by: .init(name: inside, extent: step), value: first + .variable(inside),
      below: end)
    let body = tiles(part, rows, &names)
    let count = (division.rows + step - 1) / step
    return [.loop(Loop(block, .integer(0), .integer(count), body: body))]
  }

  /// All tiles of the result, summed over a few rows.
  private func tiles(
    _ part: String, _ form: SumForm, _ names: inout NameSupply
  ) -> [Statement] {
    var nest = form.nest
    nest.initial = .real(0, nest.accumulator.element)
    nest.steps = form.steps(around: form.rowLoop)
    let place = [.variable(part)] + form.results.map { Expression.variable($0.name) }
    nest.tail = [
      .store(
        buffer.name, place,
        .load(buffer.name, place) + .load(nest.accumulator.name, []))
    ]
    return ResultTiles(nest: nest, form: form, cost: cost).statements(&names)
  }

  // MARK: Their sum

  private func totalKernel(
    _ kernel: Kernel, _ division: Division, _ names: inout NameSupply
  ) -> Kernel {
    var nest = form.nest
    let part = names.fresh("g")
    nest.steps = [.loop(.init(name: part, extent: division.count))]
    var place = [Expression.variable(part)]
    place += form.results.map { Expression.variable($0.name) }
    if let lane = form.lane { nest.steps.append(.loop(lane)) }
    nest.update = .load(nest.accumulator.name, []) + .load(buffer.name, place)
    var result = kernel
    result.name += "_sum"
    let used = form.nest.tail.loadedBuffers.union(form.nest.initial.loadedBuffers)
    result.parameters = kernel.parameters.filter {
      $0.access.writes || used.contains($0.buffer.name)
    }
    result.parameters.insert(
      KernelParameter(buffer, .read), at: result.parameters.count - 1)
    var tiling = ResultTiles(nest: nest, form: form, cost: cost)
    tiling.isParallel = true
    if form.lane != nil { tiling.results.removeLast() }
    result.body = tiling.statements(&names).simplified()
    return result
  }
}

extension Expression {
  /// Whether the buffer is read.
  fileprivate func loads(_ name: String) -> Bool { loadedBuffers.contains(name) }

  var loadedBuffers: Set<String> {
    var names: Set<String> = []
    forEachLoad { buffer, _ in names.insert(buffer) }
    return names
  }

  fileprivate func divided(by divisor: Int) -> Expression {
    divisor == 1 ? self : .binary(.divide, self, .integer(divisor))
  }

  fileprivate func remainder(by divisor: Int) -> Expression {
    divisor == 1 ? .integer(0) : .binary(.remainder, self, .integer(divisor))
  }
}

extension [Statement] {
  var loadedBuffers: Set<String> {
    var names: Set<String> = []
    forEachLoad { buffer, _ in names.insert(buffer) }
    return names
  }
}
