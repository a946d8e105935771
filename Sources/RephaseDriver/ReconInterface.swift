import Diagnostics
import MRData
import Tensors

extension ReconNetwork {
  /// What a model takes that makes images of images: one or two channels of the same, or one of those of coils; of frames
  /// each by itself, or of those of one volume together.
  struct Interface: Sendable {
    /// Of frames: [batch, channels, rows, columns].
    let shape: Shape
    let images: NetworkImages
    /// Whether the model's tensors are [1, channels, frames, rows, columns].
    let takesVolumes: Bool

    /// Throws where the model makes anything else.
    init(_ name: String, inputs: [Shape], outputs: [Shape]) throws(Diagnostic) {
      if let volume = inputs.first, volume.rank == 5, volume[0] != 1 {
        throw Diagnostic(
          "\(name) takes \(volume[0]) volumes at once", help: "make it for one volume (--batch 1)")
      }
      guard inputs.count == 1, outputs.count == 1, let input = Self.frames(inputs[0]),
        let output = Self.frames(outputs[0]), inputs[0].rank == outputs[0].rank,
        let images = NetworkImages.allCases.first(where: { kind in
          input[1] == kind.inputChannels(coils: max(1, input[1] / 2))
            && output == [input[0], kind.outputChannels, input[2], input[3]]
        })
      else {
        let (from, to) = (inputs.map(\.description), outputs.map(\.description))
        throw Diagnostic(
          "\(name) is no reconstruction network: it makes \(to.joined(separator: ", ")) of "
            + from.joined(separator: ", "),
          help:
            "give one that makes [batch, channels, rows, columns], or [1, channels, frames, rows, columns], of the same, with 1 or 2 channels, or 1 channel of 2 of each coil"
        )
      }
      (shape, self.images, takesVolumes) = (try Shape(input), images, inputs[0].rank == 5)
    }

    /// Those of images, or of one volume as its frames; nil of anything else.
    private static func frames(_ shape: Shape) -> [Int]? {
      if shape.rank == 4 { return shape.extents }
      guard shape.rank == 5, shape[0] == 1 else { return nil }
      return [shape[2], shape[1], shape[3], shape[4]]
    }

    /// The model's result for frames, as frames.
    func apply(
      _ frames: Tensor<Float>, _ model: (Tensor<Float>) throws(Diagnostic) -> [Tensor<Float>]
    ) throws(Diagnostic) -> Tensor<Float> {
      let input = takesVolumes ? try Self.exchanged(frames, volumeFirst: false) : frames
      let outputs = try model(input)
      guard let output = outputs.first, outputs.count == 1 else {
        throw Diagnostic("the model gave \(outputs.count) outputs where one was declared")
      }
      return takesVolumes ? try Self.exchanged(output, volumeFirst: true) : output
    }

    /// [frames, channels, rows, columns] as [1, channels, frames, rows, columns], or back.
    private static func exchanged(
      _ tensor: Tensor<Float>, volumeFirst: Bool
    ) throws(Diagnostic) -> Tensor<Float> {
      let extents = Array(tensor.shape.extents.dropFirst(volumeFirst ? 1 : 0))
      let (outer, inner, plane) = (extents[0], extents[1], extents[2] * extents[3])
      var values: [Float] = []
      values.reserveCapacity(tensor.values.count)
      for index in 0..<inner {
        for first in 0..<outer {
          let start = (first * inner + index) * plane
          values += tensor.values[start..<start + plane]
        }
      }
      return try Tensor(
        try Shape((volumeFirst ? [] : [1]) + [inner, outer, extents[2], extents[3]]), values)
    }
  }
}
