import CodeGen
import Compiler
import Diagnostics
import GraphIR
import LoopIR
import Networks
import Schedules
import Tensors
import Testing

/// A processor that dumps do not depend on the machine for.
func v3() throws -> Schedules.Target { try Targets.resolve("x86-64-v3") }

/// A convolution of a small image, with ReLU.
let sample = """
  rephase_ir 1
  func @small(%x: tensor<1x3x4x5xf32>) -> tensor<1x8x4x5xf32> {
    %w = parameter "w" : tensor<8x3x3x3xf32>
    %b = parameter "b" : tensor<8xf32>
    %0 = convolution %x, %w, %b {padding = [1, 1, 1, 1], strides = [1, 1]} : tensor<1x8x4x5xf32>
    %1 = relu %0 : tensor<1x8x4x5xf32>
    return %1
  }
  """

func sampleModel() throws -> StagedModel { try DumpReader.read(sample, file: "small.rir") }

func sampleWeights() throws -> [String: Tensor<Float>] {
  var w = Tensor<Float>(try Shape([8, 3, 3, 3]), repeating: 0)
  for position in w.values.indices { w.values[position] = Float(position % 17 - 8) / 8 }
  return ["w": w, "b": Tensor<Float>(try Shape([8]), repeating: 0.25)]
}

/// The text of a model at a stage, for x86-64-v3.
func dump(_ model: StagedModel, _ stage: Stage) throws -> String {
  try StageWriter(target: try v3()).text(of: model, at: stage)
}

/// A network of the zoo at its first stage.
func zoo(
  _ name: String, _ settings: [String: String] = [:], height: Int = 192, width: Int = 128
) throws -> StagedModel {
  let model = try NetworkModel(try Zoo.network(named: name, settings: settings))
  return .graph(try model.graph(batch: 1, height: height, width: width))
}

/// The stages that have a text for processors, in order.
let textStages: [Stage] = [.graph, .optimized, .loops, .scheduled, .llvm, .asm]
