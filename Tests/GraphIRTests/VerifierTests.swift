import Diagnostics
import GraphIR
import Operations
import Tensors
import Testing

/// Graphs that no parser would let through, made by hand: the verifier names the constraint they break.
@Suite struct VerifierTests {
  private let type = TensorType(.scalar, .f32)
  private let place = SourceLocation(file: "Net.swift", line: 5)

  /// `%1 = relu %0; %2 = negate %1; return %2`, the operations at Net.swift:5.
  private func chain() throws -> Function {
    var function = Function("f")
    let x = function.addArgument(type)
    let a = try function.append(ReLU(), [x], at: place)
    function.results = try function.append(Negate(), a, at: place)
    return function
  }

  /// `%1 = fused %0 { ^(%a): %b = relu %a return %b }`.
  private func fused(_ body: (inout Function) throws -> Void) throws -> Function {
    var region = Function("")
    _ = region.addArgument(type)
    try body(&region)
    var function = Function("f")
    let x = function.addArgument(type)
    function.results = try function.append(Fused(), [x], regions: [region], at: place)
    return function
  }

  private func expect(_ function: Function, _ description: String) {
    let error = #expect(throws: Diagnostic.self) { try GraphVerifier.verify(function) }
    #expect(error?.description.split(separator: "\n").first.map(String.init) == description)
  }

  @Test func acceptsWhatIsWellMade() throws {
    try GraphVerifier.verify(Module([try chain()]))
    try GraphVerifier.verify(
      try fused { $0.results = try $0.append(ReLU(), $0.arguments) })
  }

  @Test func functionNames() throws {
    let error = #expect(throws: Diagnostic.self) {
      try GraphVerifier.verify(Module([try chain(), try chain()]))
    }
    #expect(error?.message == "[G1] function @f is defined twice")
  }

  @Test func origins() throws {
    var function = try chain()
    function.origin = ModelDescription(network: "net", settings: ["a": "1=2", "b": ""])
    try GraphVerifier.verify(function)
    let printed = GraphPrinter.text(Module([function]))
    #expect(printed.contains(#" attributes {network = "net", settings = "a=1=2,b="} {"#))
    let read = try GraphParser.parse(printed, file: "t.rir", table: OperationRegistry.table)
    #expect(read.functions[0].origin == function.origin)
    function.origin = ModelDescription(network: "net", settings: ["a": "1,2"])
    expect(
      function, "error: [G11] the setting 'a' of net, '1,2', cannot be written as name=value")
    let region = try fused {
      $0.results = try $0.append(ReLU(), $0.arguments)
      $0.origin = ModelDescription(network: "net", settings: [:])
    }
    expect(region, "error: [G11] a region names a network (Net.swift:5)")
  }

  @Test func definitions() throws {
    var function = try chain()
    function.nodes[1].results = function.nodes[0].results
    expect(function, "error: [G2] a result of negate in @f is defined twice (Net.swift:5)")
    function = try chain()
    function.nodes[0].results = function.arguments
    expect(function, "error: [G2] a result of relu in @f is defined twice (Net.swift:5)")
    var larger = try chain()
    for _ in 0..<9 { larger.results = try larger.append(ReLU(), larger.results) }
    function = try chain()
    function.nodes[1].results = larger.results
    expect(function, "error: [G2] a result of negate in @f is another function's (Net.swift:5)")
  }

  @Test func uses() throws {
    var function = try chain()
    function.nodes.swapAt(0, 1)
    expect(function, "error: [G3] negate in @f uses a value before its definition (Net.swift:5)")
    function = try chain()
    function.nodes.removeLast()
    expect(function, "error: [G3] @f returns a value that nothing defines")
  }

  @Test func resultCounts() throws {
    var function = try chain()
    function.nodes[0].results += try function.append(Constant(0, type), [])
    function.nodes.removeLast()
    expect(
      function,
      "error: [G4] relu has another number of results (1) than values that it defines (2) (Net.swift:5)"
    )
  }

  @Test func resultTypes() throws {
    var function = try chain()
    function.nodes[1].operation = Convert(to: .f64)
    expect(
      function,
      "error: [G5] convert yields tensor<f64>, but tensor<f32> is declared (Net.swift:5)")
  }

  @Test func returns() throws {
    var function = try chain()
    function.results = []
    expect(function, "error: [G6] @f returns nothing")
  }

  @Test func nesting() throws {
    let function = try fused { region in
      var inner = Function("")
      inner.results = try inner.append(ReLU(), [inner.addArgument(type)])
      region.results = try region.append(Fused(), region.arguments, regions: [inner])
    }
    expect(function, "error: [G7] regions do not nest (Net.swift:5)")
  }

  @Test func regionsAndTheirOwners() throws {
    let owner = try fused { $0.results = try $0.append(ReLU(), $0.arguments) }
    var function = try chain()
    function.nodes[0].regions = owner.nodes[0].regions
    expect(function, "error: [G8] relu takes no region (Net.swift:5)")
    function = owner
    function.nodes[0].regions = []
    expect(function, "error: [G8] fused needs one region (Net.swift:5)")
    function.nodes[0].regions = owner.nodes[0].regions + owner.nodes[0].regions
    expect(function, "error: [G8] fused needs one region (Net.swift:5)")
  }

  @Test func regionArguments() throws {
    let function = try fused { region in
      _ = region.addArgument(type)
      region.results = try region.append(ReLU(), [region.arguments[0]])
    }
    expect(
      function,
      "error: [G9] the region takes tensor<f32>, tensor<f32>, but the operands of fused are tensor<f32> (Net.swift:5)"
    )
  }

  @Test func regionContents() throws {
    expect(
      try fused { $0.results = try $0.append(ParameterOperation("w", type), []) },
      "error: [G10] parameter cannot be fused (Net.swift:5)")
    expect(
      try fused { region in
        region.results = try region.append(ReLU(), region.arguments)
        region.nodes[0].operation = Convert(to: .f64)
      }, "error: [G5] convert yields tensor<f64>, but tensor<f32> is declared (Net.swift:5)")
  }

  /// What an operation's own type inference refuses is said with the user's place.
  @Test func operands() throws {
    var function = try chain()
    function.nodes[1].operands = []
    expect(function, "error: negate takes 1 operand, not 0 (Net.swift:5)")
  }
}
