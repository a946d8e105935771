import LoopIR

/// Runs a batch a few images at a time, so that what one kernel writes is still in the cache when the next reads it.
///
/// Where every kernel of `run` treats the images of a batch apart, and the temporaries of the whole batch would not
/// fit the last level cache, kernels and temporaries become those of a part of the batch, and the program becomes
/// ```
/// run { call @a(%x.0, %t) call @b(%t, %y.0) call @a(%x.1, %t.1) call @b(%t.1, %y.1) }
/// ```
/// on slices of inputs and outputs. Each part has temporaries of its own, so that the memory plan sees that none is
/// alive in two parts, and gives all parts the same memory. Values do not change.
public enum SplitBatch {
  public static func apply(to module: LoopModule, target: Target) -> LoopModule {
    let images = Batch(module)?.imagesAtOnce(target.l3Bytes)
    return images.flatMap { apply(to: module, images: $0) } ?? module
  }

  /// The module that runs so many images at a time; nil where it cannot.
  static func apply(to module: LoopModule, images: Int) -> LoopModule? {
    guard let batch = Batch(module), images > 0, batch.images % images == 0 else { return nil }
    return images == batch.images ? module : batch.split(into: images)
  }

  /// How many images can run together, and which of these numbers the cost model takes; nothing where there is one
  /// number only.
  public static func sizes(_ module: LoopModule, target: Target) -> (all: [Int], standard: Int)? {
    guard let batch = Batch(module) else { return nil }
    let sizes = (1...batch.images).filter { apply(to: module, images: $0) != nil }
    guard sizes.count > 1 else { return nil }
    return (sizes, batch.imagesAtOnce(target.l3Bytes) ?? batch.images)
  }

  private struct Batch {
    let module: LoopModule
    /// Images of inputs, outputs and temporaries alike.
    let images: Int

    /// Nil where there is one image only, or where some buffer of `run` has no images.
    init?(_ module: LoopModule) {
      let extents = module.buffers.filter(\.isPerImage).map { $0.buffer.extents.first ?? 1 }
      guard let images = extents.first, images > 1, extents.allSatisfy({ $0 == images }) else {
        return nil
      }
      self.module = module
      self.images = images
    }

    /// Programs of more calls take long to make.
    private static let mostParts = 256

    /// The most images, a divisor of all, whose temporaries take half of the cache, or more where there would be too
    /// many parts; nil where all fit.
    func imagesAtOnce(_ cacheBytes: Int) -> Int? {
      let planned = PlanMemory.apply(to: module)
      let arena = planned.buffers.compactMap(\.arenaEnd).max() ?? 0
      func fits(_ count: Int) -> Bool { arena / images * count <= cacheBytes / 2 }
      if fits(images) { return nil }
      let fitting = (1..<images).last { images % $0 == 0 && fits($0) } ?? 1
      return (fitting...images).first { images % $0 == 0 && images / $0 <= Self.mostParts }
    }

    /// Nil where a kernel does not treat images apart.
    func split(into count: Int) -> LoopModule? {
      var result = module
      result.buffers.removeAll { if case .temporary = $0.role { true } else { false } }
      result.kernels = []
      for kernel in module.kernels {
        guard let part = self.part(kernel, count) else { return nil }
        result.kernels.append(part)
      }
      result.run = []
      for first in stride(from: 0, to: images, by: count) {
        result.run += calls(first, count, &result.buffers)
      }
      return result
    }

    private func part(_ buffer: Buffer, _ count: Int) -> Buffer {
      var part = buffer
      part.extents[0] = count
      part.strides = Buffer.rowMajor(part.extents)
      return part
    }

    /// The kernel for so many images; the same kernel where `run` does not call it.
    private func part(_ kernel: Kernel, _ count: Int) -> Kernel? {
      let arguments = module.run.compactMap { statement -> [Bool]? in
        guard case .call(kernel.name, let names) = statement else { return nil }
        return names.map { module.buffer(named: $0)?.isPerImage ?? false }
      }
      guard let isPerImage = arguments.first else { return kernel }
      let isPrepared = module.prepare.contains {
        if case .call(kernel.name, _) = $0 { true } else { false }
      }
      guard !isPrepared, arguments.allSatisfy({ $0 == isPerImage }) else { return nil }
      var result = kernel
      result.name += "_by_\(count)"
      var names: Set<String> = []
      for (position, perImage) in isPerImage.enumerated() where perImage {
        names.insert(kernel.parameters[position].buffer.name)
        result.parameters[position].buffer = part(kernel.parameters[position].buffer, count)
      }
      result.body = []
      for statement in kernel.body {
        guard case .loop(var loop) = statement, treatsImagesApart(loop, names) else { return nil }
        loop.upper = .integer(count)
        result.body.append(.loop(loop))
      }
      return result
    }

    /// Whether the loop goes over the images, and uses its variable as the first index of their buffers alone.
    private func treatsImagesApart(_ loop: Loop, _ buffers: Set<String>) -> Bool {
      guard loop.kind == .serial, loop.lower == .integer(0), loop.upper == .integer(images) else {
        return false
      }
      var isApart = true
      func check(_ buffer: String, _ indices: [Expression]) {
        if buffers.contains(buffer), indices.first != .variable(loop.variable) { isApart = false }
      }
      loop.body.forEachLoad(check)
      loop.body.forEachStore(check)
      let others = loop.body.mapExpressions { expression in
        expression.mapExpressions {
          guard case .load(let buffer, let indices) = $0, buffers.contains(buffer) else {
            return $0
          }
          return .load(buffer, Array(indices.dropFirst()))
        }
      }.mapStatements { statement in
        guard case .store(let buffer, let indices, let value) = statement, buffers.contains(buffer)
        else { return [statement] }
        return [.store(buffer, Array(indices.dropFirst()), value)]
      }
      return isApart && !others.variablesUsed.contains(loop.variable)
    }

    /// The program once, for the images from `first` on, on slices and temporaries that it declares.
    private func calls(
      _ first: Int, _ count: Int, _ buffers: inout [ModuleBuffer]
    ) -> [Statement] {
      var slices: [String: String] = [:]
      for entry in module.buffers where entry.isPerImage {
        var slice = part(entry.buffer, count)
        slice.name = "\(entry.buffer.name).images\(first)"
        slices[entry.buffer.name] = slice.name
        let elements = entry.buffer.spanElements / images
        var role = BufferRole.slice(of: entry.buffer.name, at: first * elements)
        if case .temporary = entry.role { role = entry.role }
        buffers.append(ModuleBuffer(slice, role))
      }
      return module.run.map { statement in
        guard case .call(let kernel, let arguments) = statement else { return statement }
        return .call("\(kernel)_by_\(count)", arguments.map { slices[$0] ?? $0 })
      }
    }
  }
}

extension ModuleBuffer {
  /// Whether its first dimension counts the images of a batch.
  fileprivate var isPerImage: Bool {
    switch role {
    case .input, .output, .temporary: return true
    case .parameter, .constant, .slice, .scratch: return false
    }
  }

  /// One past its last byte in the arena, where memory is planned.
  var arenaEnd: Int? {
    guard case .temporary(let offset?) = role else { return nil }
    return offset + buffer.byteCount
  }
}
