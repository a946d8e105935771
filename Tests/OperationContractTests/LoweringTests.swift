import Diagnostics
import GraphIR
import LoopIR
import Operations
import Tensors
import Testing

/// Every operation's loops, run by the loop interpreter, against its float64 reference.
@Suite struct LoweringTests {
  private func check(_ item: Case, _ inputs: [Tensor<Double>], _ what: String) throws {
    let function = try item.function()
    let expected = try Reference.evaluate(function, inputs: inputs, parameters: item.parameters)
    let module = try GraphLowering.lower(function)
    let actual = try LoopInterpreter.run(module, parameters: item.parameters, inputs: inputs)
    try expectClose(actual, expected, item.precision, what)
  }

  @Test(arguments: Case.all) func computesTheReference(_ item: Case) throws {
    try check(item, item.inputs, "random operands")
  }

  @Test(arguments: Case.all) func keepsNaNWhereTheReferenceDoes(_ item: Case) throws {
    for inputs in item.inputsWithNaN { try check(item, inputs, "NaN in one operand") }
  }

  @Test(arguments: Case.elementwise) func computesOddValues(_ item: Case) throws {
    try check(item, item.oddInputs, "odd values")
  }

  @Test(arguments: Case.all) func printsAndParses(_ item: Case) throws {
    let module = try GraphLowering.lower(try item.function())
    try LoopVerifier.verify(module)
    let text = LoopPrinter.text(module)
    #expect(try LoopParser.parseModule(text, file: "sample.loops") == module)
  }

  /// The numbers that a dump gives to nameless arguments, temporaries and results are no names.
  @Test func lowersADumpAsTheGraphItself() throws {
    var function = Function("f")
    let x = function.addArgument(TensorType(try Shape([1, 2, 3, 4]), .f32))
    let first = try function.append(ReLU(), [x])
    let second = try function.append(ReLU(), first)
    function.results = try function.append(ReLU(), second)
    let text = GraphPrinter.text(Module([function]))
    let read = try GraphParser.parse(text, file: "dump.rir", table: OperationRegistry.table)
    let direct = LoopPrinter.text(try GraphLowering.lower(function))
    #expect(LoopPrinter.text(try GraphLowering.lower(read.functions[0])) == direct)
  }

  @Test func layersOfOneConfigurationShareTheirKernel() throws {
    let text = """
      rephase_ir 1
      func @f(%x: tensor<1x2x4x4xf32>, %v: tensor<2x2x1x1xf32>, %w: tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32> {
        %1 = fused %x, %v : tensor<1x2x4x4xf32> {
          ^(%image: tensor<1x2x4x4xf32>, %weight: tensor<2x2x1x1xf32>):
          %2 = convolution %image, %weight {padding = [0, 0, 0, 0], strides = [1, 1]} : tensor<1x2x4x4xf32>
          %3 = relu %2 : tensor<1x2x4x4xf32>
          return %3
        }
        %4 = fused %1, %w : tensor<1x2x4x4xf32> {
          ^(%x: tensor<1x2x4x4xf32>, %n: tensor<2x2x1x1xf32>):
          %c = convolution %x, %n {padding = [0, 0, 0, 0], strides = [1, 1]} : tensor<1x2x4x4xf32>
          %y = relu %c : tensor<1x2x4x4xf32>
          return %y
        }
        return %4
      }
      """
    let graph = try GraphParser.parse(text, file: "f.rir", table: OperationRegistry.table)
    let module = try GraphLowering.lower(graph.functions[0])
    try LoopVerifier.verify(module)
    #expect(module.kernels.count == 1)
    #expect(module.run.count == 2)
  }

  @Test func regionsWhoseExpressionsDoubleAreRefused() throws {
    var text = "rephase_ir 1\nfunc @f(%x: tensor<1x1x2x2xf32>, %w: tensor<1x1x1x1xf32>) -> "
    text += "tensor<1x1x2x2xf32> {\n%y = fused %x, %w : tensor<1x1x2x2xf32> {\n"
    text += "^(%a0: tensor<1x1x2x2xf32>, %w: tensor<1x1x1x1xf32>):\n"
    for step in 0..<60 {
      text += "%a\(step + 1) = add %a\(step), %a\(step) : tensor<1x1x2x2xf32>\n"
    }
    text += "%c = convolution %a60, %w {padding = [0, 0, 0, 0], strides = [1, 1]} : "
    text += "tensor<1x1x2x2xf32>\nreturn %c\n}\nreturn %y\n}\n"
    let graph = try GraphParser.parse(text, file: "f.rir", table: OperationRegistry.table)
    #expect {
      _ = try GraphLowering.lower(graph.functions[0])
    } throws: { error in
      "\(error)".contains("more than 256 operations in one kernel (f.rir:12:1)")
    }
  }

  @Test func elementTypesWithoutLoopsAreRefused() throws {
    let text = "rephase_ir 1 func @f(%x: tensor<2xi32>) -> tensor<2xi32> { return %x }"
    let graph = try GraphParser.parse(text, file: "f.rir", table: OperationRegistry.table)
    #expect(throws: Diagnostic.self) { _ = try GraphLowering.lower(graph.functions[0]) }
  }
}
