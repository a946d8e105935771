import Diagnostics
import LoopIR

/// What a schedule file says: choices in place of the cost model's, measured on one target for one model.
///
/// ```
/// rephase_schedule 1
/// target "native" {processor = "znver5", vector_bytes = 64}
/// precision standard
/// images 2
/// kernel @convolution3x3_1_1x32x192x128 direct {columns = 12, vectors = 2}
/// ```
/// For a GPU, kernels have tiles:
/// ```
/// kernel @convolution3x3_32_relu_1x32x192x128 matrix {tiles = 2, parts = 4, groups = 1, across = 2, down = 2, inputs = 16, ahead = 1}
/// ```
/// `images` is the number of images of a batch that run together; kernels are named as the plain loops of that part
/// of the batch name them: operation, what is fused behind it, and shape. The cost model decides what is not said.
public struct ScheduleChoices: Hashable, Sendable {
  static let version = 1

  public var target: String
  public var processor: String
  public var vectorBytes: Int
  public var precision: Precision
  /// Nil where there is nothing to choose, as for one image.
  public var images: Int?
  public var kernels: [Entry]
  /// Where `target`, `precision` and `images` stand.
  var places: [String: SourceLocation] = [:]

  /// The choice for one kernel.
  public struct Entry: Hashable, Sendable {
    public var kernel: String
    public var choice: KernelChoice
    /// A remark behind the choice, such as what was measured.
    public var remark: String
    var location: SourceLocation?

    public init(_ kernel: String, _ choice: KernelChoice, remark: String = "") {
      self.kernel = kernel
      self.choice = choice
      self.remark = remark
    }
  }

  /// No choices yet.
  public init(for target: Target, precision: Precision, images: Int? = nil) {
    self.target = target.name
    processor = target.processor
    vectorBytes = target.vectorBytes
    self.precision = precision
    self.images = images
    kernels = []
  }

  /// The file's text; `remarks` are its first lines.
  public func text(remarks: [String] = []) -> String {
    var printer = TextPrinter()
    printer.line("rephase_schedule \(Self.version)")
    for remark in remarks { printer.line("// \(remark)") }
    printer.line(
      "target \(TextPrinter.quoted(target)) {processor = \(TextPrinter.quoted(processor)), "
        + "vector_bytes = \(vectorBytes)}")
    printer.line("precision \(precision.rawValue)")
    if let images { printer.line("images \(images)") }
    for entry in kernels {
      let remark = entry.remark.isEmpty ? "" : "  // \(entry.remark)"
      printer.line("kernel @\(entry.kernel) \(entry.choice)\(remark)")
    }
    return printer.text
  }

  /// Throws where the choices were made for another target or precision.
  func check(_ target: Target, _ precision: Precision) throws(Diagnostic) {
    func text(_ name: String, _ processor: String, _ bytes: Int) -> String {
      "'\(name)' (\(processor), vectors of \(bytes) bytes)"
    }
    let here = text(target.name, target.processor, target.vectorBytes)
    let there = text(self.target, processor, vectorBytes)
    guard here == there else {
      throw Diagnostic(
        "the schedule was measured for the target \(there), not for \(here)", at: places["target"],
        help: "run 'rephase tune' for this target, or leave --schedule out")
    }
    guard precision == self.precision else {
      throw Diagnostic(
        "the schedule is one for the precision '\(self.precision.rawValue)', not '\(precision.rawValue)'",
        at: places["precision"],
        help: "give --precision \(self.precision.rawValue), or run 'rephase tune' for this one")
    }
  }
}

// MARK: Reading

extension ScheduleChoices {
  /// Throws, with the place, where the text is no schedule file; whether its choices fit a model shows later.
  public init(parsing text: String, file: String) throws(Diagnostic) {
    var tokens = try TokenStream(text, file: file)
    try Self.header(&tokens)
    (target, processor, vectorBytes) = ("", "", 0)
    (precision, kernels) = (.standard, [])
    for word in ["target", "precision"] {
      places[word] = tokens.location
      try tokens.expectWord(word)
      if word == "target" { try readTarget(&tokens) } else { try readPrecision(&tokens) }
    }
    if tokens.isAtWord("images") {
      places["images"] = tokens.location
      try tokens.take()
      images = try tokens.integer("the number of images that run together")
    }
    while tokens.isAtWord("kernel") { try readKernel(&tokens) }
    guard tokens.token == .end else { throw tokens.unexpected("'kernel' or the end of the text") }
  }

  private static func header(_ tokens: inout TokenStream) throws(Diagnostic) {
    let place = tokens.location
    guard try tokens.takeIfWord("rephase_schedule") else {
      throw Diagnostic(
        "this is not a schedule file", at: place,
        help: "its first line must be 'rephase_schedule \(version)'; 'rephase tune' writes one")
    }
    let version = try tokens.integer("the version")
    guard version == Self.version else {
      throw Diagnostic(
        "version \(version) of schedule files is not known", at: place,
        help: "run 'rephase tune' of this release, which writes version \(Self.version)")
    }
  }

  private mutating func readTarget(_ tokens: inout TokenStream) throws(Diagnostic) {
    target = try tokens.string("the target's name in quotes")
    try tokens.expect("{")
    try tokens.expectWord("processor")
    try tokens.expect("=")
    processor = try tokens.string("the processor's name in quotes")
    try tokens.expect(",")
    vectorBytes = try tokens.number("vector_bytes")
    try tokens.expect("}")
  }

  private mutating func readPrecision(_ tokens: inout TokenStream) throws(Diagnostic) {
    let place = tokens.location
    let word = try tokens.word("a precision")
    guard let known = Precision(rawValue: word) else {
      let choices = Precision.allCases.map(\.rawValue).joined(separator: " or ")
      throw Diagnostic(
        "there is no precision '\(word)'", at: place, help: "it is \(choices)")
    }
    precision = known
  }

  private mutating func readKernel(_ tokens: inout TokenStream) throws(Diagnostic) {
    let place = tokens.location
    try tokens.take()
    var entry = Entry(
      try tokens.atName("a kernel's name, as in '@convolution3x3_...'"),
      try tokens.kernelChoice())
    entry.location = place
    guard !kernels.contains(where: { $0.kernel == entry.kernel }) else {
      throw Diagnostic(
        "there are two choices for @\(entry.kernel)", at: place, help: "keep one of them")
    }
    kernels.append(entry)
  }
}

extension TokenStream {
  /// `name = integer`.
  fileprivate mutating func number(_ name: String) throws(Diagnostic) -> Int {
    try expectWord(name)
    try expect("=")
    return try integer("a number")
  }

  /// `{name = integer, ...}`; those left out that may be have their usual values.
  private mutating func numbers(
    _ fields: [(name: String, usual: Int?)]
  ) throws(Diagnostic) -> [Int] {
    var numbers: [Int] = []
    try expect("{")
    var isAfterComma = true
    for field in fields {
      if let usual = field.usual, !(isAfterComma && isAtWord(field.name)) {
        numbers.append(usual)
        continue
      }
      if !isAfterComma { try expect(",") }
      numbers.append(try number(field.name))
      isAfterComma = try takeIf(",")
    }
    if isAfterComma { throw unexpected("another number") }
    try expect("}")
    return numbers
  }

  fileprivate mutating func kernelChoice() throws(Diagnostic) -> KernelChoice {
    if try takeIfWord("direct") {
      try expect("{")
      let columns = try number("columns")
      try expect(",")
      let vectors = try number("vectors")
      try expect("}")
      return .direct(columns: columns, vectors: vectors)
    }
    if case .word(let word) = token, let kind = TileKinds.named(word) {
      try take()
      return .tile(TileChoice(kind: word, numbers: try numbers(kind.fields)))
    }
    guard try takeIfWord("winograd") else {
      let tiles = TileKinds.all.map { "'\($0.word)'" }.joined(separator: ", ")
      throw unexpected("'direct' or 'winograd', or for a GPU one of \(tiles)")
    }
    try expect("{")
    try expectWord("transform")
    try expect("=")
    let transform = try string("a transform in quotes, as in \"4x4\"")
    try expect(",")
    let tiles = try number("tiles")
    try expect(",")
    let productTiles = try number("product_tiles")
    try expect(",")
    let productVectors = try number("product_vectors")
    try expect("}")
    return .winograd(
      transform: transform, tiles: tiles, productTiles: productTiles,
      productVectors: productVectors)
  }
}
