import Diagnostics
import Tensors

/// Writes loop IR as text; `LoopParser` reads it back to equal values (see IR/LoopIR.md for the grammar).
public enum LoopPrinter {
  /// The version in the first line of every text: `rephase_loops 1`.
  public static let version = 1

  public static func text(_ module: LoopModule) -> String {
    var printer = TextPrinter()
    printer.line("rephase_loops \(version)")
    printer.line()
    var header = "module @\(module.name)"
    if let target = module.scheduledFor {
      header += " scheduled for " + TextPrinter.quoted(target)
      if module.precision != .standard { header += " " + module.precision.rawValue }
    }
    printer.block(header + (module.origin?.attributes ?? "")) { content(module, &$0) }
    return printer.text
  }

  public static func text(_ kernel: Kernel) -> String {
    var printer = TextPrinter()
    write(kernel, &printer)
    return printer.text
  }

  public static func text(_ statements: [Statement]) -> String {
    var printer = TextPrinter()
    write(statements, &printer)
    return printer.text
  }

  /// The name, element type, extents and whatever else is not the default: `%x : f32[2, 3] strides [1, 2]`.
  public static func text(_ buffer: Buffer) -> String {
    "%\(buffer.name) : \(type(buffer))"
  }

  /// What follows the colon.
  private static func type(_ buffer: Buffer) -> String {
    var text = "\(buffer.element.rawValue)\(list(buffer.extents))"
    if !buffer.isRowMajor { text += " strides \(list(buffer.strides))" }
    if buffer.alignment != 64 { text += " align \(buffer.alignment)" }
    if buffer.space != .heap { text += " \(buffer.space.rawValue)" }
    return text
  }

  private static func list(_ numbers: [Int]) -> String {
    "[" + numbers.map(String.init).joined(separator: ", ") + "]"
  }

  /// Buffers, kernels and programs, with a blank line between these parts and between kernels.
  private static func content(_ module: LoopModule, _ printer: inout TextPrinter) {
    for buffer in module.buffers { printer.line(text(buffer)) }
    var isFirst = module.buffers.isEmpty
    func separate(_ printer: inout TextPrinter) {
      if !isFirst { printer.line() }
      isFirst = false
    }
    for kernel in module.kernels {
      separate(&printer)
      write(kernel, &printer)
    }
    for (name, program) in [("prepare", module.prepare), ("run", module.run)]
    where !program.isEmpty {
      separate(&printer)
      printer.block(name) { write(program, &$0) }
    }
  }

  private static func text(_ buffer: ModuleBuffer) -> String {
    let described = text(buffer.buffer)
    func named(_ role: String, _ name: String) -> String {
      "\(role) %\(buffer.buffer.name) \(TextPrinter.quoted(name)) : \(type(buffer.buffer))"
    }
    switch buffer.role {
    case .parameter(let name): return named("parameter", name)
    case .input(let name): return named("input", name)
    case .output(let name): return named("output", name)
    case .slice(let whole, let first): return "slice \(described) of %\(whole) at \(first)"
    case .constant: return "constant " + described
    case .scratch: return "scratch " + described
    case .temporary(nil): return "temporary " + described
    case .temporary(let offset?): return "temporary \(described) at \(offset)"
    }
  }

  private static func write(_ kernel: Kernel, _ printer: inout TextPrinter) {
    let parameters = kernel.parameters.map {
      "\($0.access.rawValue) %\($0.buffer.name): \(type($0.buffer))"
    }
    let header = "kernel @\(kernel.name)(" + parameters.joined(separator: ", ") + ")"
    printer.block(header) { write(kernel.body, &$0) }
  }

  private static func write(_ statements: [Statement], _ printer: inout TextPrinter) {
    for statement in statements { write(statement, &printer) }
  }

  private static func write(_ statement: Statement, _ printer: inout TextPrinter) {
    switch statement {
    case .loop(let loop):
      let kind = loop.kind == .serial ? "" : loop.kind.keyword + " "
      let bounds = "\(text(loop.lower)) ..< \(text(loop.upper))"
      printer.block("\(kind)for %\(loop.variable) in \(bounds)") { write(loop.body, &$0) }
    case .bind(let name, let value):
      printer.line("let %\(name) = \(text(value))")
    case .store(let buffer, let indices, let value):
      printer.line("\(element(buffer, indices)) = \(text(value))")
    case .conditional(let condition, let then, let otherwise):
      write(if: condition, then, otherwise, &printer)
    case .allocate(let buffer):
      printer.line("allocate " + text(buffer))
    case .barrier:
      printer.line("barrier")
    case .copy(let copy):
      let condition = copy.condition.map { " where " + text($0) } ?? ""
      let target = element(copy.buffer, copy.indices)
      printer.line("copy_async \(target) = \(text(copy.source))\(condition)")
    case .commitGroup:
      printer.line("commit_group")
    case .waitGroup(let groups):
      printer.line("wait_group \(groups)")
    case .loadMatrices(let load):
      let (target, source) = (text(load.target), element(load.source, load.indices))
      printer.line(
        "ldmatrix \(load.isTransposed ? "transposed " : "")%\(load.thread): \(target) = \(source)")
    case .multiply(let product):
      let (sum, left, right) = (text(product.sum), text(product.left), text(product.right))
      printer.line("mma \(sum) += \(left) * \(right)")
    case .warpGroup(let step):
      printer.line(text(step))
    case .call(let kernel, let arguments):
      let names = arguments.map { "%" + $0 }.joined(separator: ", ")
      printer.line("call @\(kernel)(\(names))")
    case .block(let label, let body):
      printer.block("block " + TextPrinter.quoted(label)) { write(body, &$0) }
    }
  }

  private static func write(
    if condition: Expression, _ then: [Statement], _ otherwise: [Statement],
    _ printer: inout TextPrinter
  ) {
    let trailer = otherwise.isEmpty ? "" : " else {"
    printer.block("if " + text(condition), trailer: trailer) { write(then, &$0) }
    if otherwise.isEmpty { return }
    printer.indented { write(otherwise, &$0) }
    printer.line("}")
  }
}

extension LoopPrinter {
  /// An expression with no more parentheses than the parser needs.
  public static func text(_ expression: Expression) -> String {
    text(expression, atLeast: 0)
  }

  private static func text(_ fragment: MatrixProduct.Fragment) -> String {
    element(fragment.buffer, fragment.indices)
  }

  private static func text(_ step: WarpGroupStep) -> String {
    switch step {
    case .fence: return "wgmma_fence"
    case .multiply(let product):
      return "wgmma \(text(product.sum)) += \(text(product.left)) * \(text(product.right))"
    case .commit: return "wgmma_commit"
    case .wait(let groups): return "wgmma_wait \(groups)"
    case .publish: return "proxy_fence"
    }
  }

  static func text(_ matrix: SharedMatrix) -> String {
    let steps = matrix.steps.map(String.init).joined(separator: ", ")
    return "\(element(matrix.buffer, matrix.indices)) by [\(steps)]"
  }

  static func element(_ buffer: String, _ indices: [Expression]) -> String {
    "%\(buffer)[" + indices.map { text($0) }.joined(separator: ", ") + "]"
  }

  /// The text, in parentheses where the expression binds weaker than its place demands.
  private static func text(_ expression: Expression, atLeast minimum: Int) -> String {
    switch expression {
    case .integer(let value): return "\(value)"
    case .real(let value, let type): return "\(type.rawValue) \(TextPrinter.real(value))"
    case .variable(let name): return "%" + name
    case .load(let buffer, let indices): return element(buffer, indices)
    case .unary(let op, let operand): return text(op, operand)
    case .binary(let op, let a, let b):
      guard let precedence = op.precedence else { return call(op.rawValue, a, b) }
      let left = text(a, atLeast: op.isComparison ? precedence + 1 : precedence)
      let infix = "\(left) \(op.rawValue) \(text(b, atLeast: precedence + 1))"
      return precedence < minimum ? "(\(infix))" : infix
    case .fma(let a, let b, let c): return call("fma", a, b, c)
    case .select(let condition, let a, let b): return call("select", condition, a, b)
    case .cast(let type, let value): return call(type.rawValue, value)
    }
  }

  private static func text(_ op: UnaryOperator, _ operand: Expression) -> String {
    switch op {
    case .negate:
      // `-3` is the constant, so the negation of a constant keeps its parentheses.
      if case .integer = operand { return "-(\(text(operand)))" }
      return "-" + text(operand, atLeast: BinaryOperator.unaryPrecedence)
    case .not: return "!" + text(operand, atLeast: BinaryOperator.unaryPrecedence)
    case .abs, .sqrt, .exp, .log, .tanh, .erf, .sin, .cos, .atan, .floor, .round, .tf32,
      .tf32TowardsZero:
      return call(op.rawValue, operand)
    }
  }

  private static func call(_ name: String, _ arguments: Expression...) -> String {
    "\(name)(" + arguments.map { text($0) }.joined(separator: ", ") + ")"
  }
}

extension BinaryOperator {
  /// How strongly an infix operator binds, from 1; nil for those written as calls.
  var precedence: Int? {
    switch self {
    case .or: return 1
    case .and: return 2
    case .less, .lessOrEqual, .equal: return 3
    case .add, .subtract: return 4
    case .multiply, .divide, .remainder: return 5
    case .minimum, .maximum: return nil
    }
  }

  /// Above every infix operator.
  static let unaryPrecedence = 6
}

extension Buffer {
  /// Whether the last dimension is contiguous and every other follows without gaps; never traps.
  public var isRowMajor: Bool {
    guard strides.count == extents.count else { return false }
    var step = 1
    for (extent, stride) in zip(extents, strides).reversed() {
      guard stride == step else { return false }
      let (next, overflow) = step.multipliedReportingOverflow(by: extent)
      // Past an overflow no stride can be right; only the outermost extent may get here.
      step = overflow ? -1 : next
    }
    return true
  }
}
