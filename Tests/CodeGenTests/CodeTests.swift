import Diagnostics
import Execution
import LoopIR
import Schedules
import Tensors
import Testing

@testable import CodeGen

/// What holds of generated code whatever it computes, and what is refused.
@Suite struct CodeTests {
  private func double(_ index: Expression, kind: LoopKind = .vectorized) -> LoopModule {
    oneKernel(
      inputs: [[16]], output: [16],
      body: [loop("i", 16, kind, [.store("y", [index], .load("x0", [variable("i")]))])])
  }

  private func refusal(_ module: LoopModule) -> Diagnostic? {
    do throws(Diagnostic) {
      _ = try CodeGenerator(target: try Targets.resolve("x86-64-v3")).kernels(
        of: module, prefix: "test")
      return nil
    } catch { return error }
  }

  @Test(arguments: ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4", "native", "znver4"])
  func sameBytesEachTime(_ name: String) throws {
    let convolution = Convolution(channels: 3, outputs: 16, height: 4, width: 9, tile: 4, lanes: 8)
    let module = convolution.module(convolution.scheduled, scheduled: true)
    let objects = try (0..<2).map { _ in
      let code = try CodeGenerator(target: try Targets.resolve(name)).kernels(
        of: module, prefix: "test")
      try code.optimize()
      return try code.object()
    }
    #expect(objects[0] == objects[1])
    #expect(!objects[0].isEmpty)
  }

  @Test func targetsWithoutFMARunHereToo() throws {
    let convolution = Convolution(channels: 3, outputs: 16, height: 4, width: 9, tile: 4, lanes: 4)
    let shape = try Shape([16, 3, 3, 3])
    let results = try [convolution.plain, convolution.scheduled].map { body in
      let session = try NativeSession(
        convolution.module(body, scheduled: true), target: try Targets.resolve("x86-64"),
        parameters: [
          "weight": try Tensor(shape, noise(shape.elementCount)),
          "bias": Tensor(try Shape([16]), repeating: 1),
        ])
      let input = try Shape([1, 3, 4, 9])
      return try session.run(inputs: [try Tensor(input, noise(input.elementCount))])
    }
    #expect(results[0] == results[1])
  }

  /// LLVM IR text goes on where it was written, with its interface.
  @Test func textIsReadBack() throws {
    let target = try Targets.resolve("native")
    let module = double(variable("i"))
    let code = try CodeGenerator(target: target).kernels(
      of: module, prefix: "test", hidden: false, interface: "{\"quoted\": \"\\u00e9\"}")
    try code.optimize()
    let text = code.text
    let again = try GeneratedCode(parsing: text, target: target)
    #expect(again.interface == "{\"quoted\": \"\\u00e9\"}")
    #expect(try again.object() == code.object())
    let session = try NativeSession(
      module, code: again, constants: AlignedMemory(byteCount: 0), prefix: "test")
    let input = try Tensor(try Shape([16]), noise(16))
    #expect(try session.run(inputs: [input]) == [input])
    let other = try GeneratedCode(parsing: text, target: try Targets.resolve("x86-64"))
    #expect(other.interface != nil)
    #expect(throws: Diagnostic.self) { try other.object() }
    #expect(throws: Diagnostic.self) { _ = try GeneratedCode(parsing: "define", target: target) }
  }

  @Test func racesOfLanesAreRefused() {
    #expect(refusal(double(.integer(0)))?.message.contains("same element of %y") == true)
    #expect(refusal(double(variable("i"))) == nil)
  }

  @Test func whatCannotBeCompiledIsSaid() throws {
    #expect(refusal(double(variable("i"), kind: .gpuBlock))?.message.contains("GPU") == true)
    #expect(refusal(double(variable("nothing")))?.message.contains("%nothing") == true)
    let huge = oneKernel(
      inputs: [[1]], output: [1],
      body: [
        loop("i", 1 << 40, .unrolled, [])
      ])
    #expect(refusal(huge)?.message.contains("unrolling") == true)
    let stack = oneKernel(
      inputs: [[1]], output: [1],
      body: [.allocate(Buffer("s", .f32, extents: [1 << 20], space: .stack))])
    #expect(refusal(stack)?.message.contains("stack") == true)
    let half = oneKernel(
      inputs: [[1]], output: [1],
      body: [.allocate(Buffer("s", .f16, extents: [4], space: .stack))])
    #expect(refusal(half)?.message.contains("f16 elements") == true)
    var unplanned = double(variable("i"))
    unplanned.buffers.append(
      ModuleBuffer(Buffer("t", .f32, extents: [4]), .temporary(offset: nil)))
    #expect(refusal(unplanned)?.help == "plan memory before generating code")
  }

  @Test func unknownTargetsListTheChoices() {
    #expect(throws: Diagnostic.self) { try Targets.resolve("sm_75") }
    do throws(Diagnostic) {
      _ = try Targets.resolve("pentium9")
      Issue.record("pentium9 was accepted")
    } catch {
      #expect(error.help?.contains("x86-64-v3") == true)
    }
  }

  @Test(arguments: [(75, nil), (80, "sm_80"), (89, "sm_80"), (90, "sm_90"), (120, "sm_90")])
  func aGPURunsTheNewestTargetThatIsNotTooNew(_ capability: Int, _ name: String?) {
    #expect(Targets.gpuName(capability: capability) == name)
  }

  @Test func parametersAreCheckedByName() throws {
    let convolution = Convolution(channels: 3, outputs: 16, height: 4, width: 9, tile: 4, lanes: 8)
    let module = convolution.module(convolution.scheduled, scheduled: true)
    let target = try Targets.resolve("native")
    let bias = Tensor<Float>(try Shape([16]), repeating: 0)
    for weights in [["bias": bias], ["bias": bias, "weight": bias]] {
      do throws(Diagnostic) {
        _ = try NativeSession(module, target: target, parameters: weights)
        Issue.record("wrong weights were accepted")
      } catch {
        #expect(error.message.contains("'weight'"))
      }
    }
  }

  @Test(arguments: ["", "3d", "a-b", "ünet", "while", "namespace", "a b", "x;y"])
  func badModelNamesAreRefused(_ name: String) {
    #expect(throws: Diagnostic.self) { try ModelName.check(name) }
  }

  /// The optimizer and the printer each ask what is known of a kernel; where a kernel lies is chance, so many are made.
  @Test func noKernelHasTheThreadsOfOneThatWasFreed() throws {
    let target = try Targets.resolve("sm_90")
    var wrong = 0
    for round in 0..<2500 {
      let threads = 32 * (1 + round % 32)
      let code = try GeneratedCode(parsing: kernel(threads: threads), target: target)
      try code.optimize()
      if !code.text.contains("range(i32 0, \(threads))") { wrong += 1 }
      if !(try code.assembly().contains(".maxntid \(threads), 1, 1")) { wrong += 1 }
    }
    #expect(wrong == 0)
  }

  private func kernel(threads: Int) -> String {
    """
    target datalayout = "e-i64:64-i128:128-v16:16-v32:32-n16:32:64"
    target triple = "nvptx64-nvidia-cuda"
    define void @callee(ptr addrspace(1) %x, i32 %t) noinline {
      store i32 %t, ptr addrspace(1) %x
      ret void
    }
    define ptx_kernel void @k(ptr addrspace(1) %x) {
      %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
      call void @callee(ptr addrspace(1) %x, i32 %t)
      ret void
    }
    declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
    !nvvm.annotations = !{!0}
    !0 = !{ptr @k, !"maxntidx", i32 \(threads)}
    """
  }
}
