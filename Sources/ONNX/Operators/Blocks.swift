import Diagnostics
import GraphIR
import Operations
import Tensors

/// Blocks of pixels as channels, and back.
enum Blocks {
  /// As PyTorch's pixel_unshuffle, but for the order of the channels.
  static func spaceToDepth(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, size) = (try call.image(), try self.size(call))
    let shape = call.shape(of: x)
    guard shape[2].isMultiple(of: size), shape[3].isMultiple(of: size) else {
      throw Diagnostic("blocks of \(size)x\(size) pixels do not divide images of \(shape)")
    }
    let (rows, columns) = (shape[2] / size, shape[3] / size)
    return [
      try moved(
        x, through: [shape[0], shape[1], rows, size, columns, size], order: [0, 3, 5, 1, 2, 4],
        to: [shape[0], shape[1] * size * size, rows, columns], call)
    ]
  }

  /// As PyTorch's pixel_shuffle where the mode is CRD.
  static func depthToSpace(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, size) = (try call.image(), try self.size(call))
    let shape = call.shape(of: x)
    guard shape[1].isMultiple(of: size * size) else {
      throw Diagnostic("\(shape[1]) channels are not those of blocks of \(size)x\(size) pixels")
    }
    let mode = try call.word("mode", "DCR")
    try call.require("mode", mode, among: ["DCR", "CRD"])
    let (channels, isFirst) = (shape[1] / (size * size), mode == "CRD")
    let parts = isFirst ? [channels, size, size] : [size, size, channels]
    return [
      try moved(
        x, through: [shape[0]] + parts + [shape[2], shape[3]],
        order: isFirst ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2],
        to: [shape[0], channels, shape[2] * size, shape[3] * size], call)
    ]
  }

  private static func size(_ call: NodeCall) throws(Diagnostic) -> Int {
    let size = try call.integer("blocksize", 0)
    guard (1...1024).contains(size) else {
      throw Diagnostic("its blocksize is \(size)", help: "use 1 to 1024")
    }
    return size
  }

  private static func moved(
    _ x: ValueID, through parts: [Int], order: [Int], to extents: [Int], _ call: NodeCall
  ) throws(Diagnostic) -> ImportedValue {
    let split = try call.apply(Reshape(try Shape(parts)), x)
    let ordered = try call.apply(Transpose(order), split)
    return .value(try call.apply(Reshape(try Shape(extents)), ordered))
  }
}
