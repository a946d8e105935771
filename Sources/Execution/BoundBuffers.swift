import CodeGen
import Diagnostics
import LoopIR
import Tensors

/// The tensors of a module as the host sees them: names and shapes, in order of declaration.
struct HostTensor {
  var name: String
  var shape: Shape

  init(name: String, shape: Shape) {
    self.name = name
    self.shape = shape
  }

  init(_ name: String, _ buffer: Buffer) throws(Diagnostic) {
    guard buffer.element == .f32, buffer.strides == Buffer.rowMajor(buffer.extents) else {
      throw Diagnostic(
        "'\(name)' is not a dense float32 tensor, the only kind that can be passed from outside")
    }
    self.name = name
    shape = try Shape(buffer.extents)
  }

  func check(_ tensor: Tensor<Float>, _ kind: String) throws(Diagnostic) {
    guard tensor.shape == shape else {
      throw Diagnostic("\(kind) '\(name)' has the shape \(tensor.shape), not \(shape)")
    }
  }
}

extension LoopModule {
  func hostInputs() throws(Diagnostic) -> [HostTensor] {
    var result: [HostTensor] = []
    for item in buffers {
      if case .input(let name) = item.role { result.append(try HostTensor(name, item.buffer)) }
    }
    return result
  }

  func hostOutputs() throws(Diagnostic) -> [HostTensor] {
    var result: [HostTensor] = []
    for item in buffers {
      if case .output(let name) = item.role { result.append(try HostTensor(name, item.buffer)) }
    }
    return result
  }

  func hostParameters() throws(Diagnostic) -> [HostTensor] {
    var result: [HostTensor] = []
    for item in buffers {
      if case .parameter(let name) = item.role { result.append(try HostTensor(name, item.buffer)) }
    }
    return result
  }
}
