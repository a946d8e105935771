import LoopIR

/// Lets kernels compute what elementwise operations make of an image, instead of reading it from memory, where that
/// image is in memory anyway.
///
/// ```
/// run { call @norm_relu(%c, %factor, %r); call @convolution(%r, %w, %y); call @gradient(%r, %dy, %dw) }
/// ```
/// becomes, where %c is still read later,
/// ```
/// run { call @convolution_of_norm_relu(%c, %w, %factor, %y); call @gradient_of_norm_relu(%c, %dy, %factor, %dw) }
/// ```
/// All readers must either read the image at the pixel that they write or add up, or tile by tile for Winograd's
/// algorithm, which computes an element about twice. Values do not change.
struct InlineElementwise {
  private var module: LoopModule
  /// Whether a kernel reads the images of a parameter tile by tile.
  private let readsTiles: (_ kernel: Kernel, _ parameter: String) -> Bool

  static func apply(
    to module: LoopModule, readsTiles: @escaping (_ kernel: Kernel, _ parameter: String) -> Bool
  ) -> LoopModule {
    var rewrite = InlineElementwise(module: module, readsTiles: readsTiles)
    var call = 0
    while call < rewrite.module.run.count {
      if !rewrite.inline(call) { call += 1 }
    }
    rewrite.module.dropUncalled(since: module)
    return rewrite.module
  }

  /// Replaces a call and those that read its result; false where that is not possible.
  private mutating func inline(_ call: Int) -> Bool {
    guard let source = ElementwiseCall(module, call) else { return false }
    let readers = module.run.indices.filter {
      $0 != call && module.run[$0].arguments.contains(source.result)
    }
    guard let last = readers.last, readers.allSatisfy({ canCompute(source, in: module.run[$0]) }),
      let end = module.run.lastIndex(where: { $0.arguments.contains(source.image) }), end >= last
    else { return false }
    for reader in readers { module.run[reader] = computing(source, in: module.run[reader]) }
    module.run.remove(at: call)
    module.buffers.removeAll { $0.buffer.name == source.result }
    return true
  }

  private func canCompute(_ source: ElementwiseCall, in statement: Statement) -> Bool {
    guard case .call(let name, let arguments) = statement, let kernel = module.kernel(named: name)
    else { return false }
    return zip(kernel.parameters, arguments).filter { $1 == source.result }.allSatisfy {
      parameter, _ in
      parameter.access == .read
        && (readsTiles(kernel, parameter.buffer.name)
          || kernel.readsOwnPixel(of: parameter.buffer.name))
    }
  }

  private mutating func computing(
    _ source: ElementwiseCall, in statement: Statement
  ) -> Statement {
    guard case .call(let name, let arguments) = statement, let kernel = module.kernel(named: name)
    else { return statement }
    let changed = source.inlined(in: kernel, arguments)
    return .call(module.share(changed.kernel), changed.arguments)
  }
}

/// A call of a kernel that computes each element of an image from the same pixel of one other image and from numbers
/// for each channel.
private struct ElementwiseCall {
  /// The buffers.
  let image: String
  let result: String
  private let kernel: Kernel
  private let arguments: [String]
  /// An element of the result at `pixel`.
  private let element: Expression
  private let pixel: [String]
  /// The parameter that is the image.
  private let parameter: Buffer

  /// Nil where the call is none, or its images are not between kernels.
  init?(_ module: LoopModule, _ call: Int) {
    guard case .call(let name, let arguments) = module.run[call],
      let kernel = module.kernel(named: name), kernel.body.count == 1,
      let nest = LoopNest(kernel.body[0]), nest.dimensions.count == 4, nest.writesOnlyOwnElement()
    else { return nil }
    pixel = nest.dimensions.map(\.name)
    let place = pixel.map(Expression.variable)
    guard let element = nest.elementOfPlace else { return nil }
    var images: Set<String> = []
    var isOfPixel = true
    element.forEachLoad { buffer, indices in
      if indices == place { images.insert(buffer) }
      isOfPixel = isOfPixel && [place, [place[1]], []].contains(indices)
    }
    guard isOfPixel, images.count == 1, let read = images.first,
      let position = kernel.parameters.firstIndex(where: { $0.buffer.name == read }),
      let result = arguments.last
    else { return nil }
    self.kernel = kernel
    self.arguments = arguments
    self.element = element
    parameter = kernel.parameters[position].buffer
    self.result = result
    image = arguments[position]
    // A part of an image has its places too, but for a part of its elements alone.
    guard parameter.extents == nest.dimensions.map(\.extent) else {
      return nil
    }
    guard
      [image, result].allSatisfy({
        module.buffer(named: $0)?.role == BufferRole.temporary(offset: nil)
      })
    else { return nil }
  }

  /// A kernel that reads the result, made to compute it, and the arguments of its call.
  func inlined(in reader: Kernel, _ given: [String]) -> (kernel: Kernel, arguments: [String]) {
    var names = NameSupply(reader)
    for name in reader.body.definedNames { _ = names.fresh(name) }
    var changed = reader
    var call = given
    changed.name += "_of_\(kernel.name)"
    var own: [String: String] = [:]
    for (operand, argument) in zip(kernel.parameters, arguments)
    where operand.access == .read && operand.buffer.name != parameter.name {
      var operand = operand
      own[operand.buffer.name] = names.fresh("of")
      operand.buffer.name = own[operand.buffer.name] ?? ""
      changed.parameters.insert(operand, at: changed.parameters.count - 1)
      call.insert(argument, at: call.count - 1)
    }
    for position in given.indices where given[position] == result {
      let name = reader.parameters[position].buffer.name
      call[position] = image
      changed.parameters[position].buffer = parameter
      changed.parameters[position].buffer.name = name
      let value = element.renaming(own.merging([parameter.name: name]) { first, _ in first })
      changed.body = changed.body.mapExpressions { expression in
        expression.mapExpressions {
          guard case .load(name, let indices) = $0 else { return $0 }
          return value.substituting(
            Dictionary(uniqueKeysWithValues: zip(pixel, indices)))
        }
      }
    }
    return (changed, call)
  }
}

extension Kernel {
  /// Whether every load of a parameter is at the pixel that an iteration of the kernel's loops is for.
  fileprivate func readsOwnPixel(of parameter: String) -> Bool {
    guard body.count == 1, let nest = LoopNest(body[0]) else { return false }
    let pixel = ChannelSum(self)?.pixel ?? nest.dimensions.map(\.name)
    guard pixel.count == 4 else { return false }
    let place = pixel.map(Expression.variable)
    var isOwn = true
    body.forEachLoad { buffer, indices in
      isOwn = isOwn && (buffer != parameter || indices == place)
    }
    return isOwn
  }
}
