import LoopIR

extension LoopModule {
  /// Every call gets a kernel that is adapted to its arguments; calls for which that is the same share it.
  ///
  /// Further versions of a kernel are called `name_suffix2`, `name_suffix3`, and so on.
  func specialized(
    _ suffix: String, _ adapt: (_ kernel: inout Kernel, _ arguments: [String]) -> Void
  ) -> LoopModule {
    var result = self
    result.kernels = []
    func specialized(_ statement: Statement) -> Statement {
      guard case .call(let name, let arguments) = statement, var kernel = kernel(named: name)
      else { return statement }
      adapt(&kernel, arguments)
      var number = 1
      while let other = result.kernel(named: kernel.name) {
        if other == kernel { return .call(kernel.name, arguments) }
        number += 1
        kernel.name = "\(name)_\(suffix)\(number)"
      }
      result.kernels.append(kernel)
      return .call(kernel.name, arguments)
    }
    result.prepare = prepare.map(specialized)
    result.run = run.map(specialized)
    return result
  }
}
