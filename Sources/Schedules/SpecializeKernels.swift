import LoopIR

extension LoopModule {
  /// What further versions of kernels are called after.
  private static let suffixes = ["layout", "stored"]

  /// The name of a kernel before `specialized` made versions of it.
  public static func generalName(_ name: String) -> String {
    var parts = name.split(separator: "_", omittingEmptySubsequences: false)
    while let last = parts.last,
      suffixes.contains(where: { last.hasPrefix($0) && Int(last.dropFirst($0.count)) != nil })
    { parts.removeLast() }
    return parts.joined(separator: "_")
  }

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
