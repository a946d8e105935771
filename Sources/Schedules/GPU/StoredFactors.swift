import LoopIR
import Tensors

/// Keeps what tensor cores multiply in memory as they take it: rounded once, where it is written, not by every block
/// that reads it.
///
/// Weights that nothing but tensor cores read are rounded by `prepare`, images between kernels by the kernel that writes
/// them: to tf32, which takes the room of f32, or to bf16, which halves what kernels move:
/// ```
/// kernel @k(in %x : f32[...], in %w : f32[...], out %y : f32[...]) {
///   ... %sum[] = fma(%x[...], %w[...], %sum[]) ... %y[...] = max(%sum[], 0)
/// ```
/// becomes
/// ```
/// kernel @k(in %x : bf16[...], in %w : bf16[...], out %y : bf16[...]) {
///   ... %sum[] = fma(f32(%x[...]), f32(%w[...]), %sum[]) ... %y[...] = bf16(max(%sum[], 0))
/// ```
/// Sums, and whatever is done with them before they are written, stay in f32; so do inputs and outputs.
struct StoredFactors {
  private let tiles: TileSelection
  private(set) var module: LoopModule
  /// The module's buffers that hold factors.
  private var stored: Set<String> = []

  /// Images need whole units of so many channels, so that threads write 16 bytes of bf16.
  private static let imageChannels = 8

  init(_ module: LoopModule, _ tiles: TileSelection) {
    (self.module, self.tiles) = (module, tiles)
    let arithmetic = MatrixArithmetic(tiles.precision)
    guard arithmetic == .tf32 || arithmetic == .bf16 else { return }
    let weights = roundableWeights()
    stored = weights.union(narrowImages())
    for index in module.buffers.indices
    where stored.contains(module.buffers[index].buffer.name) {
      self.module.buffers[index].buffer.element = arithmetic.element
    }
    self.module = self.module.specialized("stored") { kernel, arguments in
      adapt(&kernel, arguments, arithmetic)
    }
  }

  /// The parameters of a kernel of `run` that hold factors whenever it is called.
  func parameters(of kernel: Kernel) -> Set<String> {
    var names = Set(kernel.parameters.map(\.buffer.name))
    for case .call(kernel.name, let arguments) in module.run {
      for (parameter, argument) in zip(kernel.parameters, arguments)
      where !stored.contains(argument) { names.remove(parameter.buffer.name) }
    }
    return names
  }
}

// MARK: What is stored as factors

extension StoredFactors {
  /// A buffer's place among a kernel's parameters.
  private struct Use {
    var kernel: Kernel
    var parameter: KernelParameter
  }

  private func uses(of name: String, in program: [Statement]) -> [Use] {
    program.flatMap { statement -> [Use] in
      guard case .call(let called, let arguments) = statement,
        let kernel = module.kernel(named: called)
      else { return [] }
      return zip(kernel.parameters, arguments).filter { $0.1 == name }.map {
        Use(kernel: kernel, parameter: $0.0)
      }
    }
  }

  /// Constants that `prepare` only writes and that all kernels of `run` read as weights for tensor cores.
  private func roundableWeights() -> Set<String> {
    var weights: [String: String] = [:]
    for kernel in module.kernels where module.run.call(kernel.name) {
      weights[kernel.name] = matrixWeights(of: kernel)
    }
    return names { item in
      let readers = uses(of: item.buffer.name, in: module.run)
      return item.role == .constant && !readers.isEmpty
        && readers.allSatisfy { weights[$0.kernel.name] == $0.parameter.buffer.name }
        && uses(of: item.buffer.name, in: module.prepare).allSatisfy { !$0.parameter.access.reads }
    }
  }

  /// The parameter that a kernel for tensor cores reads as weights and nowhere else.
  private func matrixWeights(of kernel: Kernel) -> String? {
    guard let form = StagedConvolution(kernel), tiles.kernel(form)?.roundsWeights == true else {
      return nil
    }
    var loads = 0
    kernel.body.forEachLoad { buffer, _ in loads += buffer == form.weights ? 1 : 0 }
    return loads == 1 ? form.weights : nil
  }

  /// Temporaries with whole units of channels beside each other, other than weights and their gradients.
  private func narrowImages() -> Set<String> {
    var weights: [String: String] = [:]
    for kernel in module.kernels where module.run.call(kernel.name) {
      let gradient = GradientForm(kernel).flatMap { _ in
        kernel.parameters.first { $0.access.writes }?.buffer.name
      }
      weights[kernel.name] = gradient ?? StagedConvolution(kernel)?.weights
    }
    return names { item in
      guard case .temporary = item.role, item.buffer.extents.count == 4,
        item.buffer.strides[1] == 1
      else { return false }
      return item.buffer.extents[1] % Self.imageChannels == 0
        && uses(of: item.buffer.name, in: module.run).allSatisfy {
          weights[$0.kernel.name] != $0.parameter.buffer.name
        }
    }
  }

  private func names(_ isWanted: (ModuleBuffer) -> Bool) -> Set<String> {
    Set(module.buffers.filter { $0.buffer.element == .f32 && isWanted($0) }.map(\.buffer.name))
  }
}

// MARK: Kernels

extension StoredFactors {
  /// Converts what the kernel loads from buffers of factors, and rounds what it stores to them.
  private func adapt(
    _ kernel: inout Kernel, _ arguments: [String], _ arithmetic: MatrixArithmetic
  ) {
    var factors: Set<String> = []
    for (position, argument) in arguments.enumerated() where stored.contains(argument) {
      factors.insert(kernel.parameters[position].buffer.name)
      kernel.parameters[position].buffer.element = arithmetic.element
    }
    if factors.isEmpty { return }
    kernel.body = kernel.body.mapExpressions {
      $0.mapExpressions { part in
        guard arithmetic == .bf16, case .load(let name, _) = part, factors.contains(name) else {
          return part
        }
        return .cast(.f32, part)
      }
    }.mapStatements { statement in
      guard case .store(let name, let indices, let value) = statement, factors.contains(name)
      else { return [statement] }
      return [.store(name, indices, arithmetic.factor(value, factors))]
    }
  }
}

extension MatrixArithmetic {
  /// A value rounded to the factors' type; what is loaded from buffers of factors is one already.
  func factor(_ value: Expression, _ factors: Set<String>) -> Expression {
    switch value {
    case .select(let condition, let a, let b):
      return .select(condition, factor(a, factors), factor(b, factors))
    case .load(let name, _) where self == .tf32 && factors.contains(name): return value
    case .cast(.f32, .load(let name, let indices)) where self == .bf16 && factors.contains(name):
      return .load(name, indices)
    case .cast(.f64, let single) where self == .f64: return single
    default: return rounded(value)
    }
  }
}
