import Diagnostics
import Schedules
import Tensors

/// A compiled model for a GPU whose inputs and outputs stay there from run to run. For one thread.
public final class DeviceRunner {
  private let context: LibraryContext
  private let tensors: GPUTensors
  private let inputs: Block
  private let outputs: Block

  /// Tensors one after the other in memory of the GPU.
  private struct Block {
    let shapes: [Shape]
    let addresses: [UInt64]

    init(_ shapes: [Shape], in tensors: GPUTensors) throws(Diagnostic) {
      var offsets: [Int] = []
      var end = 0
      for shape in shapes {
        offsets.append(end)
        let unit = PlanMemory.alignment
        end += (shape.elementCount * 4 + unit - 1) / unit * unit
      }
      let first = try tensors.allocate(end)
      self.shapes = shapes
      addresses = offsets.map { first + UInt64($0) }
    }

    /// From the first of these tensors to the end of the last.
    func byteCount(_ range: Range<Int>) -> Int {
      guard let last = range.last else { return 0 }
      return Int(addresses[last] - addresses[range.lowerBound]) + shapes[last].elementCount * 4
    }
  }

  /// Throws where the library is of no model for a GPU, or the GPU has too little memory.
  public init(_ context: LibraryContext) throws(Diagnostic) {
    tensors = try GPUTensors()
    inputs = try Block(context.library.inputShapes, in: tensors)
    outputs = try Block(context.library.outputShapes, in: tensors)
    self.context = context
  }

  /// One input, by its number; the others stay. Throws where its shape is not the model's.
  public func setInput(_ number: Int, _ tensor: Tensor<Float>) throws(Diagnostic) {
    try context.library.check(tensor, asInput: number)
    try tensors.write(tensor.values, to: inputs.addresses[number])
  }

  /// What the next run takes as this input.
  public func input(_ number: Int) throws(Diagnostic) -> Tensor<Float> {
    try tensor(number, of: inputs)
  }

  /// Starts the model on the inputs; whatever is asked for next waits for it.
  public func runOnce() throws(Diagnostic) {
    try context.run(
      onDevice: inputs.addresses, to: outputs.addresses, stream: tensors.stream)
  }

  /// One output of the last run, by its number.
  public func result(_ number: Int) throws(Diagnostic) -> Tensor<Float> {
    try tensor(number, of: outputs)
  }

  /// Makes outputs the inputs from `first` on, which have the same shapes, by one copy.
  public func carry(_ range: Range<Int>, toInput first: Int) throws(Diagnostic) {
    guard let start = range.first else { return }
    let places = first..<first + range.count
    precondition(Array(outputs.shapes[range]) == Array(inputs.shapes[places]))
    try tensors.copy(
      outputs.byteCount(range), from: outputs.addresses[start], to: inputs.addresses[first])
  }

  private func tensor(_ number: Int, of block: Block) throws(Diagnostic) -> Tensor<Float> {
    let shape = block.shapes[number]
    return try Tensor(
      shape, try tensors.floats(shape.elementCount, at: block.addresses[number]))
  }
}
