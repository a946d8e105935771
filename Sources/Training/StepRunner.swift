import Diagnostics
import Execution
import Tensors

/// A compiled function that runs again and again on inputs that it keeps, on a CPU or a GPU.
protocol StepRunner: AnyObject {
  /// One input, by its number; the others stay. Throws where its shape is not the function's.
  func setInput(_ number: Int, _ tensor: Tensor<Float>) throws(Diagnostic)
  /// What the next run takes as this input.
  func input(_ number: Int) throws(Diagnostic) -> Tensor<Float>
  func runOnce() throws(Diagnostic)
  /// One output of the last run, by its number.
  func result(_ number: Int) throws(Diagnostic) -> Tensor<Float>
  /// Lets the next run take these outputs as the inputs from `first` on, which have the same shapes.
  func carry(_ outputs: Range<Int>, toInput first: Int) throws(Diagnostic)
}

extension DeviceRunner: StepRunner {}

extension Runner: StepRunner {
  func carry(_ outputs: Range<Int>, toInput first: Int) {
    for (offset, output) in outputs.enumerated() {
      exchange(output: output, input: first + offset)
    }
  }
}
