import Diagnostics
import GraphIR
import Operations
import Testing

/// A text that must be refused: what is said, where, and what for.
struct Refusal: Sendable, CustomTestStringConvertible {
  var what: String
  var text: String
  /// The message with its place, up to the remedy.
  var error: String

  var testDescription: String { what }

  init(_ what: String, _ text: String, _ error: String) {
    (self.what, self.text, self.error) = (what, text, error)
  }

  /// One operation (line 3) in a function of `%x: tensor<2x3xf32>` and `%i: tensor<1x2x4x4xf32>`.
  static func line(_ what: String, _ line: String, _ error: String) -> Refusal {
    Refusal(
      what,
      """
      rephase_ir 1
      func @f(%x: tensor<2x3xf32>, %i: tensor<1x2x4x4xf32>) -> tensor<2x3xf32> {
        \(line)
        return %x
      }
      """, error)
  }

  /// A fused operation with the region's lines from line 4.
  static func region(_ what: String, _ lines: String, _ error: String) -> Refusal {
    .line(what, "%1 = fused %x : tensor<2x3xf32> {\n\(lines)\n}", error)
  }

  /// A function on line 2 with these attributes, from column 52.
  static func origin(_ attributes: String, _ error: String) -> Refusal {
    Refusal(
      "attributes \(attributes)",
      "rephase_ir 1\nfunc @f(%x: tensor<f32>) -> tensor<f32> attributes \(attributes) { return %x }",
      error)
  }

  static let texts: [Refusal] = [
    Refusal("empty", "", "a graph dump starts with 'rephase_ir 1' (t.rir:1:1)"),
    Refusal("no header", "func @f", "a graph dump starts with 'rephase_ir 1' (t.rir:1:1)"),
    Refusal("version", "rephase_ir 2\n", "version 2 of the graph IR is not known (t.rir:1:12)"),
    Refusal(
      "version word", "rephase_ir x", "expected a version number, found 'x' (t.rir:1:12)"),
    Refusal("no function", "rephase_ir 1\n", "the dump has no function (t.rir:2:1)"),
    Refusal("garbage", "rephase_ir 1 7", "expected 'func', found '7' (t.rir:1:14)"),
    Refusal(
      "trailing garbage",
      "rephase_ir 1\nfunc @f(%x: tensor<f32>) -> tensor<f32> { return %x } }",
      "expected 'func', found '}' (t.rir:2:55)"),
    Refusal(
      "cut off", "rephase_ir 1\nfunc @f(%x: tensor<f32>) -> tensor<f32> {",
      "expected an operation's result such as '%1', or 'return', found 'end of text' (t.rir:2:42)"),
    Refusal(
      "return type", "rephase_ir 1\nfunc @f(%x: tensor<f32>) -> tensor<2xf32> { return %x }",
      "[G6] @f returns tensor<f32>, but declares tensor<2xf32> (t.rir:2:29)"),
    Refusal(
      "two results", "rephase_ir 1\nfunc @f(%x: tensor<f32>) -> () { return %x }",
      "[G6] @f returns tensor<f32>, but declares nothing (t.rir:2:29)"),
    Refusal(
      "two functions",
      "rephase_ir 1\nfunc @f(%x: tensor<f32>) -> tensor<f32> { return %x }\n"
        + "func @f(%x: tensor<f32>) -> tensor<f32> { return %x }",
      "[G1] function @f is defined twice (t.rir:3:1)"),
    Refusal(
      "two arguments",
      "rephase_ir 1\nfunc @f(%x: tensor<f32>, %x: tensor<f32>) -> tensor<f32> { return %x }",
      "[G2] %x is defined twice (t.rir:2:26)"),
    origin("[network = \"a\"]", "[G11] expected '{', found '[' (t.rir:2:52)"),
    origin("{}", "[G11] the attributes name no network (t.rir:2:41)"),
    origin("{settings = \"a=1\"}", "[G11] the attributes name no network (t.rir:2:41)"),
    origin("{network = 3}", "[G11] expected a text in quotes, found '3' (t.rir:2:63)"),
    origin("{network = \"\"}", "[G11] the network has no name (t.rir:2:63)"),
    origin(
      "{network = \"a\", network = \"b\"}",
      "[G11] there is no attribute 'network' here, or two of them (t.rir:2:68)"),
    origin(
      "{network = \"a\", name = \"b\"}",
      "[G11] there is no attribute 'name' here, or two of them (t.rir:2:68)"),
    origin(
      "{network = \"a\", settings = \"b=1,b=2\"}",
      "[G11] 'settings' has 'b=2' where a new name=value must stand (t.rir:2:79)"),
    origin(
      "{network = \"a\", settings = \"b\"}",
      "[G11] 'settings' has 'b' where a new name=value must stand (t.rir:2:79)"),
    origin(
      "{network = \"a\tb\"}",
      "[G11] the network's name and settings must each be one line of at most 4096 bytes (t.rir:2:63)"
    ),
    Refusal("byte", "rephase_ir 1\n\u{7}", "byte 7 cannot stand here (t.rir:2:1)"),
    Refusal("sigil", "rephase_ir 1\nfunc @ f", "a name must follow '@' (t.rir:2:6)"),
  ]

  static let operations: [Refusal] = [
    .line("unknown", "%1 = gelu %x : tensor<2x3xf32>", "there is no operation 'gelu' (t.rir:3:8)"),
    .line(
      "undefined", "%1 = relu %z : tensor<2x3xf32>",
      "[G3] %z is not defined before this use (t.rir:3:13)"),
    .line(
      "itself", "%1 = relu %1 : tensor<2x3xf32>",
      "[G3] %1 is not defined before this use (t.rir:3:13)"),
    .line("redefinition", "%x = relu %x : tensor<2x3xf32>", "[G2] %x is defined twice (t.rir:3:3)"),
    .line(
      "declared type", "%1 = relu %x : tensor<3x2xf32>",
      "[G5] relu yields tensor<2x3xf32>, but tensor<3x2xf32> is declared (t.rir:3:8)"),
    .line(
      "two names", "%1, %2 = relu %x : tensor<2x3xf32>",
      "[G4] relu has another number of results (1) than names before it (2) (t.rir:3:12)"),
    .line(
      "operand count", "%1 = add %x : tensor<2x3xf32>",
      "add takes 2 operands, not 1 (t.rir:3:8)"),
    .line(
      "operand types", "%1 = add %x, %i : tensor<2x3xf32>",
      "add takes operands of one type, not tensor<2x3xf32> and tensor<1x2x4x4xf32> (t.rir:3:8)"),
    .line(
      "missing attribute", "%1 = concatenate %x, %x : tensor<2x6xf32>",
      "concatenate needs the attribute 'dimension' (t.rir:3:8)"),
    .line(
      "unknown attribute", "%1 = relu %x {slope = 2} : tensor<2x3xf32>",
      "relu has no attribute 'slope' (t.rir:3:8)"),
    .line(
      "repeated attribute",
      "%1 = concatenate %x, %x {dimension = 1, dimension = 0} : tensor<2x6xf32>",
      "the attribute 'dimension' is given twice (t.rir:3:43)"),
    .line(
      "mistyped attribute", "%1 = concatenate %x, %x {dimension = one} : tensor<2x6xf32>",
      "attribute 'dimension' of concatenate must be an integer, not one (t.rir:3:8)"),
    .line(
      "short list", "%1 = upsample_nearest %i {scale = [2]} : tensor<1x2x8x8xf32>",
      "attribute 'scale' of upsample_nearest must be a list of 2 integers, not [2] (t.rir:3:8)"),
    .line(
      "out of range", "%1 = concatenate %x, %x {dimension = -1} : tensor<2x6xf32>",
      "dimension -1 is not one of tensor<2x3xf32> (t.rir:3:8)"),
    .line(
      "smallest integer",
      "%1 = concatenate %x {dimension = -9223372036854775808} : tensor<2x3xf32>",
      "'9223372036854775808' is not a number that fits (t.rir:3:37)"),
    .line(
      "largest integer",
      "%1 = concatenate %x {dimension = -9223372036854775807} : tensor<2x3xf32>",
      "dimension -9223372036854775807 is not one of tensor<2x3xf32> (t.rir:3:8)"),
    .line(
      "attribute value", "%1 = relu %x {a = {}} : tensor<2x3xf32>",
      "expected an attribute's value, found '{' (t.rir:3:21)"),
    .line(
      "open string", "%1 = parameter \"w : tensor<2x3xf32>",
      "the string is not closed (t.rir:3:18)"),
    .line(
      "number", "%1 = constant 1e999 : tensor<2x3xf32>",
      "'1e999' is not a number that fits (t.rir:3:17)"),
    .line(
      "number's exponent", "%1 = constant 1e : tensor<2x3xf32>",
      "'1e' is not a number that fits (t.rir:3:17)"),
    .line(
      "literal", "%1 = relu 3 %x : tensor<2x3xf32>",
      "relu has no attribute 'value' (t.rir:3:8)"),
  ]

  static let types: [Refusal] = [
    .line(
      "element type", "%1 = relu %x : tensor<2x3xf23>",
      "tensor<2x3xf23> names no element type (t.rir:3:18)"),
    .line(
      "no element type", "%1 = relu %x : tensor<2x3>",
      "tensor<2x3> names no element type (t.rir:3:18)"),
    .line("empty", "%1 = relu %x : tensor<>", "tensor<> names no element type (t.rir:3:18)"),
    .line(
      "extent 0", "%1 = relu %x : tensor<2x0xf32>",
      "the extent 0 in shape [2, 0] is not positive (t.rir:3:18)"),
    .line(
      "negative", "%1 = relu %x : tensor<-2x3xf32>",
      "expected a type such as tensor<1x192x128xf32>, found '-' (t.rir:3:25)"),
    .line(
      "unknown extent", "%1 = relu %x : tensor<2xax3xf32>",
      "'a' in tensor<2xax3xf32> is not an extent (t.rir:3:18)"),
    .line(
      "too many elements", "%1 = relu %x : tensor<68719476737xf32>",
      "the shape [68719476737] has more than 2^36 elements (t.rir:3:18)"),
    .line(
      "product overflows", "%1 = relu %x : tensor<4294967296x4294967296x4294967296xf32>",
      "the shape [4294967296, 4294967296, 4294967296] has more than 2^36 elements (t.rir:3:18)"),
    .line(
      "extent overflows", "%1 = relu %x : tensor<2x9223372036854775808xf32>",
      "'9223372036854775808' in tensor<2x9223372036854775808xf32> is not an extent (t.rir:3:18)"),
    .line(
      "rank", "%1 = relu %x : tensor<1x1x1x1x1x1x1x1x1xf32>",
      "a shape of 9 dimensions is more than the 8 there can be (t.rir:3:18)"),
    .line(
      "not closed", "%1 = relu %x : tensor<2x3xf32",
      "expected a type such as tensor<1x192x128xf32>, found '%x' (t.rir:4:10)"),
    .line("no type", "%1 = relu %x", "expected ':', found 'return' (t.rir:4:3)"),
    .line(
      "result overflows", "%1 = upsample_nearest %i {scale = [65, 1]} : tensor<1x2x8x8xf32>",
      "scale = [65, 1] must lie between 1 and 64 (t.rir:3:8)"),
    .line(
      "place", "%1 = relu %x : tensor<2x3xf32> loc(1)",
      "expected a file name, found '1' (t.rir:3:38)"),
  ]

  static let regions: [Refusal] = [
    .region(
      "nested", "^(%a: tensor<2x3xf32>): %b = fused %a : tensor<2x3xf32> { ^():",
      "[G7] regions do not nest (t.rir:4:57)"),
    .line(
      "on a plain operation",
      "%1 = relu %x : tensor<2x3xf32> { ^(%a: tensor<2x3xf32>): return %a }",
      "[G8] relu takes no region (t.rir:3:8)"),
    .line("missing", "%1 = fused %x : tensor<2x3xf32>", "[G8] fused needs one region (t.rir:3:8)"),
    .region(
      "argument types",
      "^(%a: tensor<3xf32>): %b = relu %a : tensor<3xf32> return %b",
      "[G9] the region takes tensor<3xf32>, but the operands of fused are tensor<2x3xf32> (t.rir:3:8)"
    ),
    .region(
      "outer value", "^(%a: tensor<2x3xf32>): return %x",
      "[G3] %x is not defined before this use (t.rir:4:32)"),
    .region(
      "no computation", "^(%a: tensor<2x3xf32>): return %a",
      "[G10] a fused region computes exactly one result (t.rir:3:8)"),
    .region(
      "two results",
      "^(%a: tensor<2x3xf32>): %b = relu %a : tensor<2x3xf32> return %b, %b",
      "[G10] a fused region computes exactly one result (t.rir:3:8)"),
    .region(
      "parameter",
      "^(%a: tensor<2x3xf32>): %b = parameter \"w\" : tensor<2x3xf32> return %b",
      "[G10] parameter cannot be fused (t.rir:3:8)"),
    .region(
      "no arguments", "%b = relu %x : tensor<2x3xf32>",
      "expected '^', found '%b' (t.rir:4:1)"),
  ]
}

@Suite struct ParserErrorTests {
  @Test(
    arguments: [Refusal.texts, Refusal.operations, Refusal.types, Refusal.regions].flatMap(\.self))
  func refuses(_ refusal: Refusal) {
    let error = #expect(throws: Diagnostic.self) {
      try GraphParser.parse(refusal.text, file: "t.rir", table: OperationRegistry.table)
    }
    let first = error?.description.split(separator: "\n").first.map(String.init)
    #expect(first == "error: " + refusal.error)
  }

  /// Operations after a reduction, two reductions, a reduction that is lost: G10 with the operation named.
  @Test(arguments: [
    (
      "%d = upsample_nearest %c {scale = [1, 1]} : tensor<1x2x4x4xf32>",
      "[G10] upsample_nearest after the reduction of a fused region is not elementwise"
    ),
    (
      "%d = convolution %c, %w {padding = [0, 0, 0, 0], strides = [1, 1]} : tensor<1x2x4x4xf32>",
      "[G10] a fused region holds one reduction at most"
    ),
    (
      "%d = relu %a : tensor<1x2x4x4xf32>",
      "[G10] the reduction of a fused region does not reach its result"
    ),
    (
      "%d = concatenate %a {dimension = 0} : tensor<1x2x4x4xf32>",
      "[G10] a fused region concatenates before its reduction only"
    ),
  ])
  func refusesRegionsThatAreNoKernel(_ line: String, _ message: String) {
    let text = """
      rephase_ir 1
      func @f(%x: tensor<1x2x4x4xf32>, %v: tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32> {
        %1 = fused %x, %v : tensor<1x2x4x4xf32> {
          ^(%a: tensor<1x2x4x4xf32>, %w: tensor<2x2x1x1xf32>):
          %c = convolution %a, %w {padding = [0, 0, 0, 0], strides = [1, 1]} : tensor<1x2x4x4xf32>
          \(line)
          return %d
        }
        return %1
      }
      """
    let error = #expect(throws: Diagnostic.self) {
      try GraphParser.parse(text, file: "t.rir", table: OperationRegistry.table)
    }
    #expect(error?.message == message)
  }

  @Test func saysTheRemedy() {
    let error = #expect(throws: Diagnostic.self) {
      try GraphParser.parse("rephase_ir 2", file: "t.rir", table: OperationRegistry.table)
    }
    #expect(error?.help == "this Rephase reads version 1")
  }
}
