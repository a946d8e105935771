import ArgumentParser
import Compiler
import Diagnostics
import Execution
import Foundation
import MRData
import Networks
import Tensors

/// A network that makes images of images, ready to run.
struct ReconNetwork {
  var name: String
  /// How it runs: `jit`, `gpu` or `library`.
  var engine: String
  /// The file that its weights are of, or what stands for it; nil for those inside a library or a dump without any.
  var weights: String?
  /// Of its input: [batch, channels, rows, columns]; the slices of a volume are a batch.
  var shape: Shape
  /// Whether its batch is one volume [1, channels, slices, rows, columns].
  var takesVolumes: Bool
  var images: NetworkImages
  /// The lines that it puts back itself, where that is known.
  var lines: MeasuredLines?
  var function: NetworkFunction

  /// Whose images it takes; nil where it takes one image.
  var coils: Int? { images == .coils ? shape[1] / 2 : nil }
  var size: ImageSize { ImageSize(height: shape[2], width: shape[3]) }
}

extension ReconNetwork {
  /// Loads a compiled library; `weights` is the file that 'compile --weights-mode separate' wrote.
  init(library path: String, weights: String?, threads: Int) throws(Diagnostic) {
    let context = try LibraryContext(path: path, weights: weights, threads: threads)
    let library = context.library
    let interface = try Interface(
      library.name, inputs: library.inputShapes, outputs: library.outputShapes)
    (shape, images, takesVolumes) = (interface.shape, interface.images, interface.takesVolumes)
    name = library.name
    engine = "library"
    lines = try ModelDescription(metadata: library.metadata, file: path)?.measuredLines(path)
    self.weights = weights
    function = { (input) throws(Diagnostic) in
      try interface.apply(input) { (x) throws(Diagnostic) in try context.run(inputs: [x]) }
    }
  }

  /// Compiles a network or a dump in this process; volumes whose slices an ONNX file leaves open have `frames`.
  init(_ options: ModelOptions, frames: Int = 1) throws {
    let (height, width) = (ModelOptions.standardSize.height, ModelOptions.standardSize.width)
    let volume = try Shape([1, 1, frames, height, width])
    let model = try options.resolve(needsWeights: true, orTrained: true, inputs: [volume])
    let types = try model.staged.interface()
    let interface = try Interface(
      model.staged.name, inputs: types.inputs, outputs: types.outputs)
    (shape, images, takesVolumes) = (interface.shape, interface.images, interface.takesVolumes)
    name = model.network?.name ?? model.staged.name
    engine = "jit"
    let sampled = model.network?.network as? any LineSampledNetwork
    lines = try sampled?.measuredLines() ?? model.staged.origin?.measuredLines(model.path)
    weights = try options.weightsPath(orTrained: true)
    let target = try options.resolvedTarget()
    guard target.gpu == nil else {
      engine = "gpu"
      let compiled = try model.compiled(for: target, options)
      function = { (input) throws(Diagnostic) in
        try interface.apply(input) { (x) throws(Diagnostic) in try compiled([x]) }
      }
      return
    }
    let session = try model.locating {
      try ModelSession(
        model.staged, target: target, precision: options.precision, weights: model.weights)
    }
    let runner = session.session.makeRunner(threads: options.threads)
    function = { (input) throws(Diagnostic) in
      try interface.apply(input) { (x) throws(Diagnostic) in
        try runner.setInputs([x])
        runner.runOnce()
        return try runner.results()
      }
    }
  }

  /// Throws where a model of a fixed shape was asked to take another.
  func check(size asked: ModelSizeOption?, batch: Int?) throws(Diagnostic) {
    if let size = asked?.size, size != self.size {
      throw Diagnostic(
        "\(name) takes images of \(self.size), not \(size)",
        help: "leave --size out, or make the model anew for \(size)")
    }
    if let slices = asked?.slices, !takesVolumes || slices != shape[0] {
      throw Diagnostic(
        "\(name) takes \(takesVolumes ? "volumes of \(shape[0]) slices" : "images"), not volumes of \(slices)",
        help: "give --size as HxW")
    }
    let count = takesVolumes ? 1 : shape[0]
    if let batch, batch != count {
      throw Diagnostic(
        "\(name) takes \(count) \(takesVolumes ? "volume" : "images") at once, not \(batch)",
        help: "leave --batch out, or make the model anew with --batch \(batch)")
    }
  }
}

extension StagedModel {
  /// The shapes of the inputs and outputs, in order.
  func interface() throws(Diagnostic) -> (inputs: [Shape], outputs: [Shape]) {
    switch self {
    case .graph(let function):
      return (
        function.types(of: function.arguments).map(\.shape),
        function.types(of: function.results).map(\.shape)
      )
    case .loops(let module), .llvm(_, let module), .assembly(_, let module), .ptx(_, let module):
      var (inputs, outputs): ([Shape], [Shape]) = ([], [])
      for item in module.buffers {
        switch item.role {
        case .input: inputs.append(try Shape(item.buffer.extents))
        case .output: outputs.append(try Shape(item.buffer.extents))
        default: break
        }
      }
      return (inputs, outputs)
    }
  }
}
