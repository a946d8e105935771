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
  /// Of its input: [batch, channels, rows, columns].
  var shape: Shape
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
    (shape, images) = try Self.interface(
      library.name, inputs: library.inputShapes, outputs: library.outputShapes)
    name = library.name
    engine = "library"
    lines = try ModelDescription(metadata: library.metadata, file: path)?.measuredLines(path)
    self.weights = weights
    function = { (input) throws(Diagnostic) in
      try Self.only(try context.run(inputs: [input]))
    }
  }

  /// Compiles a network or a dump in this process.
  init(_ options: ModelOptions) throws {
    let model = try options.resolve(needsWeights: true, orTrained: true)
    let interface = try model.staged.interface()
    (shape, images) = try Self.interface(
      model.staged.name, inputs: interface.inputs, outputs: interface.outputs)
    name = model.network?.name ?? model.staged.name
    engine = "jit"
    let sampled = model.network?.network as? any LineSampledNetwork
    lines = try sampled?.measuredLines() ?? model.staged.origin?.measuredLines(model.path)
    weights = try options.weightsPath(orTrained: true)
    let target = try options.resolvedTarget()
    guard target.gpu == nil else {
      engine = "gpu"
      let compiled = try model.compiled(for: target, options)
      function = { (input) throws(Diagnostic) in try Self.only(try compiled([input])) }
      return
    }
    let session = try model.locating {
      try ModelSession(
        model.staged, target: target, precision: options.precision, weights: model.weights)
    }
    let runner = session.session.makeRunner(threads: options.threads)
    function = { (input) throws(Diagnostic) in
      try runner.setInputs([input])
      runner.runOnce()
      return try Self.only(try runner.results())
    }
  }

  /// Throws where a model of a fixed shape was asked to take another.
  func check(size: ImageSize?, batch: Int?) throws(Diagnostic) {
    if let size, size != self.size {
      throw Diagnostic(
        "\(name) takes images of \(self.size), not \(size)",
        help: "leave --size out, or make the model anew for \(size)")
    }
    if let batch, batch != shape[0] {
      throw Diagnostic(
        "\(name) takes \(shape[0]) images at once, not \(batch)",
        help: "leave --batch out, or make the model anew with --batch \(batch)")
    }
  }

  private static func only(_ outputs: [Tensor<Float>]) throws(Diagnostic) -> Tensor<Float> {
    guard let output = outputs.first, outputs.count == 1 else {
      throw Diagnostic("the model gave \(outputs.count) outputs where one was declared")
    }
    return output
  }

  /// What a model takes that makes images of images: one or two channels of the same, or one of those of coils.
  private static func interface(
    _ name: String, inputs: [Shape], outputs: [Shape]
  ) throws(Diagnostic) -> (Shape, NetworkImages) {
    guard let shape = inputs.first, inputs.count == 1, outputs.count == 1, shape.rank == 4,
      let images = NetworkImages.allCases.first(where: { kind in
        shape[1] == kind.inputChannels(coils: max(1, shape[1] / 2))
          && outputs[0].extents == [shape[0], kind.outputChannels, shape[2], shape[3]]
      })
    else {
      let (from, to) = (inputs.map(\.description), outputs.map(\.description))
      throw Diagnostic(
        "\(name) is no reconstruction network: it makes \(to.joined(separator: ", ")) of "
          + from.joined(separator: ", "),
        help:
          "give one that makes [batch, channels, rows, columns] of the same, with 1 or 2 channels, or 1 channel of 2 of each coil"
      )
    }
    return (shape, images)
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
