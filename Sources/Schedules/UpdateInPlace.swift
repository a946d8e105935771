import LoopIR

/// Writes a kernel's result over an operand that is read for the last time, as the sum of a residual block over its
/// shortcut.
///
/// ```
/// kernel @add(in %a, in %b, out %c) { %c[%i] = %a[%i] + %b[%i] }   run { call @add(%x, %y, %z) call @next(%z) }
/// ```
/// becomes, where %a and %b are temporaries and nothing reads %y later,
/// ```
/// kernel @add(in %a, inout %c) { %c[%i] = %a[%i] + %c[%i] }        run { call @add(%x, %y) call @next(%y) }
/// ```
/// The result needs no memory of its own, and its lines are in the cache when they are written. Schedules store each
/// element once, so values do not change.
enum UpdateInPlace {
  static func apply(to module: LoopModule) -> LoopModule {
    var result = module
    for kernel in module.kernels {
      guard let update = Update(kernel, in: result) else { continue }
      update.apply(to: &result)
    }
    return result
  }
}

/// One operand of a kernel that becomes its result.
private struct Update {
  let kernel: Kernel
  /// Positions of the operand and of the result among the parameters.
  let operand: Int
  let result: Int

  /// The first operand that can become the result; nil where none can.
  init?(_ kernel: Kernel, in module: LoopModule) {
    // What else it writes are parts of sums over the result.
    guard let result = kernel.parameters.indices.last, kernel.parameters[result].access == .write
    else { return nil }
    self.kernel = kernel
    self.result = result
    let operands = kernel.parameters.indices.filter { operand in
      Self.isReadInPlace(kernel, operand, result)
        && Self.isLastUse(module, kernel, operand, result)
    }
    guard let first = operands.first else { return nil }
    operand = first
  }

  /// Whether the kernel reads the operand only where it then stores the result, in the same layout.
  private static func isReadInPlace(_ kernel: Kernel, _ operand: Int, _ result: Int) -> Bool {
    let (a, b) = (kernel.parameters[operand], kernel.parameters[result].buffer)
    var renamed = a.buffer
    renamed.name = b.name
    return a.access == .read && renamed == b
      && kernel.body.readsOnlyWhatItStores(a.buffer.name, b.name)
  }

  /// Whether all calls of the kernel, at least one, give it temporaries, the operand's for the last and the result's
  /// for the first time.
  private static func isLastUse(
    _ module: LoopModule, _ kernel: Kernel, _ operand: Int, _ result: Int
  ) -> Bool {
    guard module.run.call(kernel.name), !module.prepare.call(kernel.name) else { return false }
    var lifetimes: [String: Lifetime] = [:]
    for lifetime in module.lifetimes() {
      lifetimes[module.buffers[lifetime.buffer].buffer.name] = lifetime
    }
    return module.run.enumerated().allSatisfy { number, statement in
      guard case .call(kernel.name, let arguments) = statement else { return true }
      let (source, target) = (arguments[operand], arguments[result])
      return lifetimes[source]?.last == number && lifetimes[target]?.first == number
        && arguments.count { $0 == source } == 1
    }
  }

  func apply(to module: inout LoopModule) {
    guard let index = module.kernels.firstIndex(where: { $0.name == kernel.name }) else { return }
    let parameters = kernel.parameters
    module.kernels[index].parameters[result].access = .update
    module.kernels[index].parameters.remove(at: operand)
    module.kernels[index].body = kernel.body.renaming([
      parameters[operand].buffer.name: parameters[result].buffer.name
    ])
    var names: [String: String] = [:]
    module.run = module.run.map { statement in
      guard case .call(let called, var arguments) = statement.renaming(names) else {
        return statement
      }
      if called == kernel.name {
        names[arguments[result]] = arguments[operand]
        arguments[result] = arguments[operand]
        arguments.remove(at: operand)
      }
      return .call(called, arguments)
    }
    module.buffers.removeAll { names[$0.buffer.name] != nil }
  }
}

extension [Statement] {
  /// Whether each load of an operand is followed, in its own list of statements, by a store to the same element of the
  /// result.
  func readsOnlyWhatItStores(_ operand: String, _ result: String) -> Bool {
    indices.allSatisfy { position in
      var isInPlace = true
      for expression in self[position].expressions {
        expression.forEachLoad { buffer, place in
          guard buffer == operand else { return }
          let isStored = self[position...].contains {
            if case .store(result, place, _) = $0 { true } else { false }
          }
          isInPlace = isInPlace && isStored
        }
      }
      return isInPlace
        && self[position].bodies.allSatisfy { $0.readsOnlyWhatItStores(operand, result) }
    }
  }
}
