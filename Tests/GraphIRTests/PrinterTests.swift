import Diagnostics
import GraphIR
import Operations
import Tensors
import Testing

/// What the printer makes of names, places and attributes that no text could hold.
@Suite struct PrinterTests {
  private let type = TensorType(.scalar, .f32)

  private func print(_ build: (inout Function) throws -> Void) throws -> String {
    var function = Function("f")
    try build(&function)
    return GraphPrinter.text(Module([function]))
  }

  @Test func numbersUnnamedAndRepeatedValuesInOrder() throws {
    let text = try print { function in
      let x = function.addArgument(type, name: "x")
      let a = try function.append(ReLU(), [x], names: ["x"])
      let b = try function.append(ReLU(), a, names: ["17"])
      let c = try function.append(ReLU(), b)
      function.results = try function.append(ReLU(), c, names: ["up.conv 1"])
    }
    #expect(
      text == """
        rephase_ir 1

        func @f(%x: tensor<f32>) -> tensor<f32> {
          %0 = relu %x : tensor<f32>
          %1 = relu %0 : tensor<f32>
          %2 = relu %1 : tensor<f32>
          %up.conv_1 = relu %2 : tensor<f32>
          return %up.conv_1
        }

        """)
  }

  @Test func valuesThatNothingDefinesAnyMoreTakeNoNumber() throws {
    let text = try print { function in
      let x = function.addArgument(type)
      try function.append(ReLU(), [x], names: ["kept"])
      function.results = try function.append(Negate(), [x], names: ["kept"])
      function.nodes.removeFirst()
    }
    #expect(text.contains("%kept = negate %0 : tensor<f32>"))
  }

  @Test func printsTheUsersPlaceButNotADumps() throws {
    let text = try print { function in
      let x = function.addArgument(type, name: "x")
      let a = try function.append(
        ReLU(), [x], names: ["a"], at: SourceLocation(file: "My \"Net\"\r\n.swift", line: 21))
      function.results = try function.append(
        ReLU(), a, names: ["b"], at: SourceLocation(file: "dump.rir", line: 3, column: 7))
    }
    #expect(text.contains("%a = relu %x : tensor<f32> loc(\"My \\\"Net\\\"\r .swift\":21)\n"))
    #expect(text.contains("%b = relu %a : tensor<f32>\n"))
    #expect(try roundTrip(text) == text)
  }

  @Test(arguments: [0, -0.0, 1e-300, 0x1p-1074, 1e300, 0.1, -3, .infinity, -.infinity, .nan])
  func constantsComeBackExactly(_ value: Double) throws {
    let text = try print { function in
      function.results = try function.append(Constant(value, type), [])
    }
    let parsed = try parse(text)
    let constant = try #require(parsed.functions[0].nodes[0].operation as? Constant)
    #expect(constant.value.bitPattern == value.bitPattern)
    #expect(GraphPrinter.text(parsed) == text)
  }

  private func parse(_ text: String) throws -> Module {
    try GraphParser.parse(text, file: "text.rir", table: OperationRegistry.table)
  }
  private func roundTrip(_ text: String) throws -> String { GraphPrinter.text(try parse(text)) }
}
