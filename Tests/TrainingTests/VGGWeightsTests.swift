import Diagnostics
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

@testable import Training

/// The same weights in every public form of file, written by the libraries that write them.
@Suite struct VGGWeightsTests {
  private let scratch: Scratch
  private let wanted: Weights

  init() throws { (scratch, wanted) = try Self.files.get() }

  /// Made once: PyTorch takes seconds to start.
  private nonisolated(unsafe) static let files = Result { try makeFiles() }

  private static func makeFiles() throws -> (Scratch, Weights) {
    let scratch = try Scratch()
    let model = try NetworkModel(VGG16Features())
    let wanted = Weights.initialized(model, seed: 3)
    try wanted.write(to: scratch.file("vgg.safetensors"), for: model)
    let script = """
      import os, sys
      import h5py, onnx, torch
      from safetensors.torch import load_file, save_file
      os.chdir(sys.argv[1])
      state = load_file("vgg.safetensors")
      state["classifier.0.weight"] = torch.ones(2, 2)
      torch.save(state, "new.pth")
      torch.save(state, "old.pth", _use_new_zipfile_serialization=False)
      layers = {0: "block1_conv1", 2: "block1_conv2", 5: "block2_conv1", 7: "block2_conv2", 10: "block3_conv1"}
      names = {"keras1.h5": "{0}/{0}_{1}_1:0", "keras2.h5": "{0}/{0}/{2}:0",
               "whole.h5": "model_weights/{0}/{0}/{2}:0"}
      for path, pattern in names.items():
          with h5py.File(path, "w") as file:
              for number, layer in layers.items():
                  kernel = state[f"features.{number}.weight"].permute(2, 3, 1, 0).numpy()
                  file[pattern.format(layer, "W", "kernel")] = kernel
                  file[pattern.format(layer, "b", "bias")] = state[f"features.{number}.bias"].numpy()
      tensors = [onnx.numpy_helper.from_array(state[f"features.{number}.{part}"].numpy(), f"vgg0_conv{i}_{part}")
                 for i, number in enumerate(layers) for part in ["weight", "bias"]]
      graph = onnx.helper.make_graph([onnx.helper.make_node("Flatten", ["x"], ["y"])], "vgg", [], [], tensors)
      onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 7)]), "zoo.onnx")
      del graph.initializer[3]
      onnx.save(onnx.helper.make_model(graph), "lacking.onnx")
      with h5py.File("keras1.h5") as file, h5py.File("lacking.h5", "w") as lacking:
          for name in file:
              if name != "block2_conv2":
                  file.copy(name, lacking)
      state["features.5.weight"] = torch.ones(128, 64, 1, 1)
      torch.save(state, "shape.pth")
      del state["features.5.weight"]
      save_file(state, "lacking.safetensors")
      """
    try Python.run(script, [scratch.path])
    return (scratch, wanted)
  }

  @Test(
    arguments: [
      "vgg.safetensors", "new.pth", "old.pth", "keras1.h5", "keras2.h5", "whole.h5",
      "zoo.onnx",
    ]) func readsEveryForm(name: String) throws
  {
    let weights = try VGGWeights.read(scratch.file(name))
    #expect(weights.tensors == wanted.tensors)
  }

  @Test func whatIsRefused() throws {
    try Array("text".utf8).write(scratch.file("text.pth"))
    try Array(try FileBytes.read(scratch.file("keras1.h5")).dropLast(1_000_000))
      .write(scratch.file("cut.h5"))
    let cases = [
      ("lacking.h5", "block2_conv2"), ("lacking.safetensors", "features.5.weight"),
      ("lacking.onnx", "vgg0_conv1_bias"),
      ("shape.pth", "[128, 64, 1, 1]"), ("text.pth", "header"), ("cut.h5", "cut.h5"),
      ("missing.h5", "no such file"),
    ]
    for (name, part) in cases {
      let path = scratch.file(name)
      var text: String?
      do throws(Diagnostic) { _ = try VGGWeights.read(path) } catch { text = error.description }
      #expect(text?.contains(part) == true, "\(name): \(text ?? "accepted")")
    }
  }

  @Test func untrainedOnlyByName() throws {
    #expect(try VGGWeights.read("random:3").tensors == wanted.tensors)
    #expect(try VGGWeights.read("random:4").tensors != wanted.tensors)
    for text in ["random", "random:", "random:x", "random:-1"] {
      #expect(throws: Diagnostic.self) { try VGGWeights.read(text) }
    }
  }
}
