import LoopIR

/// Splits sums over whole images and rows, such as the gradient of a convolution's kernel, into parts that threads
/// share.
///
/// ```
/// run { call @dw(%x, %dy, %out) }
/// ```
/// becomes
/// ```
/// run { call @dw_parts(%x, %dy, %part); call @dw_sum(%part, %out) }
/// ```
/// Which images and rows are one part follows from the shapes alone, and the parts are added in their order: results
/// do not depend on the number of threads.
public enum SplitSums {
  /// Both kernels are scheduled; kernels of other forms stay as they are.
  public static func apply(
    to module: LoopModule, target: Target, precision: Precision = .standard
  ) -> LoopModule {
    let choice = WinogradGradientChoice(
      target: target, transforms: WinogradChoice.withinStandardPrecision)
    return apply(to: module, target: target) {
      precision == .standard ? choice.best(for: $0) : nil
    }
  }

  /// Gradients of kernels go through Winograd's algorithm where there is a shape.
  static func apply(
    to module: LoopModule, target: Target,
    choosing shape: (WinogradGradientNest) -> WinogradGradientShape?
  ) -> LoopModule {
    var result = module
    result.run = []
    var made: [String: Split] = [:]
    for statement in module.run {
      guard case .call(let name, let arguments) = statement,
        let kernel = module.kernel(named: name),
        let split = made[name] ?? Split(kernel, target, shape)
      else {
        result.run.append(statement)
        continue
      }
      if made.updateValue(split, forKey: name) == nil {
        result.kernels += [split.parts, split.total]
      }
      result.append(split, kernel, arguments)
    }
    let called = Set((result.run + result.prepare).compactMap(\.calledKernel))
    result.kernels.removeAll { made[$0.name] != nil && !called.contains($0.name) }
    return result
  }
}

/// A kernel's two parts, and what lies between them.
private struct Split {
  /// Its last parameter is the buffer.
  var parts: Kernel
  /// Its last parameter is the original result.
  var total: Kernel
  var buffer: Buffer

  /// Nil where the kernel is no such sum.
  init?(
    _ kernel: Kernel, _ target: Target,
    _ choose: (WinogradGradientNest) -> WinogradGradientShape?
  ) {
    if let nest = WinogradGradientNest(kernel), let shape = choose(nest) {
      var gradient = WinogradGradient(nest, shape)
      buffer = gradient.buffer
      parts = gradient.parts()
      total = gradient.total()
    } else if let sum = SplitSum(kernel, target) {
      (parts, total, buffer) = (sum.parts, sum.total, sum.buffer)
    } else {
      return nil
    }
  }
}

extension LoopModule {
  /// Calls of both kernels, with a temporary between them.
  fileprivate mutating func append(_ split: Split, _ kernel: Kernel, _ arguments: [String]) {
    let buffer = addTemporary(split.buffer)
    let places = Dictionary(
      uniqueKeysWithValues: zip(kernel.parameters.map(\.buffer.name), arguments))
    for called in [split.parts, split.total] {
      run.append(
        .call(
          called.name, called.parameters.map { places[$0.buffer.name] ?? buffer }))
    }
  }
}

extension Statement {
  /// The kernel that a call runs.
  var calledKernel: String? {
    if case .call(let kernel, _) = self { return kernel } else { return nil }
  }

  /// The buffers of a call.
  var arguments: [String] {
    if case .call(_, let arguments) = self { return arguments } else { return [] }
  }
}
