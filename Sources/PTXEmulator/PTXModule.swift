import Diagnostics

/// One instruction as it is written: `@%p1 add.s32 %r1, %r2, 3;`.
struct PTXInstruction {
  var line: Int
  var text: String
  /// `%p1` or `!%p1`, without the `@`.
  var predicate: String?
  /// `add.s32`, split at its dots.
  var opcode: [String]
  /// Vectors as `{%f1, %f2}`, addresses as `[%rd1+4]`.
  var operands: [String]
}

/// A variable in shared memory.
struct SharedVariable {
  var name: String
  var offset: Int
  var byteCount: Int
}

/// A kernel as it is written.
struct PTXKernel {
  var name: String
  var parameters: [String] = []
  /// What `.maxntid` allows.
  var maximumThreads = 1024
  var shared: [SharedVariable] = []
  var sharedBytes = 0
  /// Where the bytes begin that a launch adds.
  var dynamicOffset = 0
  var instructions: [PTXInstruction] = []
  /// Numbers of the instructions that labels stand before.
  var labels: [String: Int] = [:]
}

/// Reads the PTX that Rephase writes: one statement a line (products of matrices take several), kernels only.
struct PTXReader {
  private var kernels: [PTXKernel] = []
  /// Names of what the bytes of a launch are called.
  private var external: [String] = []
  private var kernel: PTXKernel?
  private var isInParameters = false
  /// The first lines of a statement whose end has not come yet.
  private var open: String?

  static func kernels(of text: String) throws(Diagnostic) -> [PTXKernel] {
    var reader = PTXReader()
    var number = 0
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      number += 1
      let code = line.prefix(upTo: line.firstRange(of: "//")?.lowerBound ?? line.endIndex)
      try reader.read(code.trimmed, number)
    }
    guard reader.kernel == nil else { throw Diagnostic("the PTX ends inside of a kernel") }
    return reader.kernels
  }

  private mutating func read(_ line: String, _ number: Int) throws(Diagnostic) {
    if line.isEmpty || line == "{" { return }
    let statement = open.map { $0 + " " + line } ?? line
    let isOpen = statement.hasPrefix("mma.") && !line.hasSuffix(";")
    open = isOpen ? statement : nil
    if !isOpen { try readStatement(statement, number) }
  }

  private mutating func readStatement(_ line: String, _ number: Int) throws(Diagnostic) {
    if line.hasPrefix(".") { return try readDirective(line, number) }
    guard var current = kernel, !isInParameters else {
      if line == ")" {
        isInParameters = false
        return
      }
      throw Self.unknown(line, number)
    }
    if line == "}" {
      // What a launch adds lies behind the kernel's own variables.
      let offset = (current.sharedBytes + 127) / 128 * 128
      current.dynamicOffset = offset
      current.shared += external.map { SharedVariable(name: $0, offset: offset, byteCount: 0) }
      kernels.append(current)
      kernel = nil
      return
    }
    if line.hasSuffix(":") {
      current.labels[String(line.dropLast())] = current.instructions.count
    } else {
      current.instructions.append(try Self.instruction(Self.withoutBlock(line), number))
    }
    kernel = current
  }

  /// LLVM takes one half of a register in a block with a register of its own for the other one.
  private static func withoutBlock(_ line: String) -> String {
    guard line.hasPrefix("{"),
      let block = line.wholeMatch(of: /{ \.reg \.b(?:16|32) tmp; (.*) }/)
    else { return line }
    return String(block.1).replacing("{tmp,", with: "{_,").replacing(", tmp}", with: ", _}")
  }

  private static func unknown(_ line: String, _ number: Int) -> Diagnostic {
    Diagnostic("line \(number) of the PTX is nothing that the emulator knows: '\(line)'")
  }

  private mutating func readDirective(_ line: String, _ number: Int) throws(Diagnostic) {
    let words = line.split { " \t,();".contains($0) }.map(String.init)
    switch words[0] {
    case ".version", ".target", ".address_size", ".reg", ".maxnreg", ".minnctapersm", ".pragma":
      return
    case ".visible" where words.count >= 3 && words[1] == ".entry":
      kernel = PTXKernel(name: words[2])
      isInParameters = true
    case ".param" where isInParameters && words.count >= 3 && words[1] == ".u64":
      kernel?.parameters.append(words[2])
    case ".maxntid":
      guard let threads = Int(words.dropFirst().first ?? "") else {
        throw Self.unknown(line, number)
      }
      kernel?.maximumThreads = threads
    case ".shared": try readShared(words, line, number)
    case ".extern" where words.count == 6 && words[1] == ".shared" && words[5].hasSuffix("[]"):
      external.append(String(words[5].dropLast(2)))
    default: throw Self.unknown(line, number)
    }
  }

  /// `.shared .align 64 .b8 name[bytes]`.
  private mutating func readShared(
    _ words: [String], _ line: String, _ number: Int
  ) throws(Diagnostic) {
    guard words.count == 5, words[1] == ".align", words[3] == ".b8", let align = Int(words[2]),
      align > 0, let open = words[4].firstIndex(of: "["), words[4].hasSuffix("]"),
      let bytes = Int(words[4][words[4].index(after: open)...].dropLast()),
      (0...1 << 20).contains(bytes), var current = kernel
    else { throw Self.unknown(line, number) }
    let offset = (current.sharedBytes + align - 1) / align * align
    current.shared.append(
      SharedVariable(name: String(words[4][..<open]), offset: offset, byteCount: bytes))
    current.sharedBytes = offset + bytes
    kernel = current
  }

  private static func instruction(
    _ line: String, _ number: Int
  ) throws(Diagnostic) -> PTXInstruction {
    guard line.hasSuffix(";") else { throw unknown(line, number) }
    var rest = Substring(line.dropLast())
    var predicate: String?
    if rest.hasPrefix("@") {
      let end = rest.firstIndex { $0 == " " || $0 == "\t" } ?? rest.endIndex
      predicate = String(rest[rest.index(after: rest.startIndex)..<end])
      rest = Substring(rest[end...].trimmed)
    }
    let end = rest.firstIndex { $0 == " " || $0 == "\t" } ?? rest.endIndex
    return PTXInstruction(
      line: number, text: line, predicate: predicate,
      opcode: rest[..<end].split(separator: ".").map(String.init),
      operands: operands(rest[end...].trimmed))
  }

  /// Splits at commas outside of braces.
  private static func operands(_ text: String) -> [String] {
    var operands: [String] = []
    var current = ""
    var depth = 0
    for character in text {
      if character == "{" { depth += 1 }
      if character == "}" { depth -= 1 }
      if character == ",", depth == 0 {
        operands.append(current.trimmed)
        current = ""
      } else {
        current.append(character)
      }
    }
    if !current.trimmed.isEmpty { operands.append(current.trimmed) }
    return operands
  }
}

extension StringProtocol {
  /// Without blanks at both ends.
  var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }),
      let last = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[first...last])
  }
}
