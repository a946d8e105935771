import LoopIR

/// Names that no other definition of a kernel has: `ky`, `ky.1`, `ky.2`, ...
struct NameSupply {
  private var used: Set<String>

  /// Starts with the kernel's parameters taken.
  init(_ kernel: Kernel) {
    used = Set(kernel.parameters.map(\.buffer.name))
  }

  mutating func fresh(_ base: String) -> String {
    var name = base
    var number = 1
    while !used.insert(name).inserted {
      name = "\(base).\(number)"
      number += 1
    }
    return name
  }

  /// The statements with every name that they define made fresh.
  mutating func renamed(_ statements: [Statement]) -> [Statement] {
    var names: [String: String] = [:]
    for name in statements.definedNames { names[name] = fresh(name) }
    return statements.renaming(names)
  }
}
