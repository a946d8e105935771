import Diagnostics
import Tensors

/// Writes the graph IR's text form (IR/LanguageReference.md); `GraphParser` reads it back.
public enum GraphPrinter {
  /// The first line of every dump.
  public static let header = "rephase_ir 1"

  public static func text(_ module: Module) -> String {
    var printer = TextPrinter()
    printer.line(header)
    for function in module.functions {
      printer.line()
      print(function, into: &printer)
    }
    return printer.text
  }

  private static func print(_ function: Function, into printer: inout TextPrinter) {
    let names = ValueNames(function)
    let arguments = function.arguments.map { "\(names[$0]): \(function.type(of: $0))" }
    let results = function.types(of: function.results).map(\.description)
    printer.block(
      "func @\(ValueNames.readable(function.name))(\(arguments.joined(separator: ", "))) -> \(parenthesized(results))"
        + (function.origin?.attributes ?? "")
    ) { printer in
      body(of: function, names, into: &printer)
    }
  }

  private static func body(
    of function: Function, _ names: ValueNames, into printer: inout TextPrinter
  ) {
    for node in function.nodes {
      let line = text(node, function, names)
      let place = place(of: node)
      guard let region = node.regions.first else {
        printer.line(line + place)
        continue
      }
      printer.block(line, trailer: place) { printer in
        let inner = ValueNames(region)
        let arguments = region.arguments.map { "\(inner[$0]): \(region.type(of: $0))" }
        printer.line("^(\(arguments.joined(separator: ", "))):")
        body(of: region, inner, into: &printer)
      }
    }
    printer.line("return " + function.results.map { names[$0] }.joined(separator: ", "))
  }

  /// Where the user wrote it; a place with a column is one in a dump that was read, which is not repeated: the
  /// same operations print the same text wherever they came from.
  private static func place(of node: Node) -> String {
    guard let location = node.location, location.column == 0 else { return "" }
    return " loc(\(TextPrinter.quoted(location.file)):\(location.line))"
  }

  private static func text(_ node: Node, _ function: Function, _ names: ValueNames) -> String {
    var text = node.results.map { names[$0] }.joined(separator: ", ") + " = "
    text += node.operation.mnemonic
    if let literal = node.operation.literal { text += " " + literal.text }
    if !node.operands.isEmpty {
      text += " " + node.operands.map { names[$0] }.joined(separator: ", ")
    }
    let listed = node.operation.attributes.filter { $0.name != AttributeReader.literalName }
    if !listed.isEmpty {
      text += " {" + listed.map { "\($0.name) = \($0.value.text)" }.joined(separator: ", ") + "}"
    }
    return text + " : " + parenthesized(function.types(of: node.results).map(\.description))
  }

  private static func parenthesized(_ types: [String]) -> String {
    types.count == 1 ? types[0] : "(" + types.joined(separator: ", ") + ")"
  }
}

/// Unique printable names: the given ones where they are free, numbers elsewhere, in order of definition.
private struct ValueNames {
  private var names: [ValueID: String] = [:]

  init(_ function: Function) {
    var used: Set<String> = []
    var next = 0
    for value in function.arguments + function.nodes.flatMap(\.results) {
      var name = Self.readable(function.name(of: value) ?? "")
      if name.isEmpty || Int(name) != nil || used.contains(name) {
        name = "\(next)"
        next += 1
      }
      used.insert(name)
      names[value] = "%" + name
    }
  }

  /// What nothing defines prints as a name that the parser refuses.
  subscript(_ value: ValueID) -> String { names[value] ?? "%undefined.\(value.index)" }

  /// The name with '_' for what the lexer does not take as part of a name.
  static func readable(_ name: String) -> String {
    String(
      name.prefix(256).map {
        $0.isASCII && ($0.isLetter || $0.isNumber || "_.$".contains($0)) ? $0 : "_"
      })
  }
}
