import ComplexModule
import Diagnostics
import RealModule
import Tensors
import TestSupport
import Testing

@testable import MRData

@Suite struct FourierTests {
  @Test(.enabled(if: Python.hasNumPy), arguments: [[6, 8], [2, 7, 5], [2, 3, 1, 9], [1, 1]])
  func agreesWithNumPy(extents: [Int]) throws {
    let scratch = try Scratch()
    let input = try complexRamp(extents)
    try NpzFile.write(
      [
        ("x", .complex128(input)), ("f", .complex128(try Fourier.forward(input))),
        ("i", .complex128(try Fourier.inverse(input))),
      ], to: scratch.file("t.npz"))
    let script = """
      import sys, numpy as np
      a = np.load(sys.argv[1]); x = a['x']; ax = (-2, -1)
      s = lambda g: np.fft.fftshift(g(np.fft.ifftshift(x, ax), axes=ax, norm='ortho'), ax)
      for k, g in (('f', np.fft.fft2), ('i', np.fft.ifft2)):
          e = np.abs(a[k] - s(g)).max() / np.abs(s(g)).max()
          assert e < 1e-12, (k, e)
      """
    try Python.run(script, [scratch.file("t.npz")])
  }

  @Test func putsZeroFrequencyAtTheCentre() throws {
    let flat = Tensor<Complex<Double>>(try Shape([4, 6]), repeating: .one)
    let spectrum = try Fourier.forward(flat)
    for index in 0..<24 {
      let expected = index == 2 * 6 + 3 ? 24.0.squareRoot() : 0
      #expect(abs(spectrum.values[index].real - expected) < 1e-14)
    }
  }

  @Test func comesBack() throws {
    let input = try complexRamp([3, 10, 15])
    let back = try Fourier.inverse(try Fourier.forward(input))
    for (value, original) in zip(back.values, input.values) {
      #expect((value - original).length < 1e-14)
    }
  }

  @Test func needsTwoDimensions() throws {
    #expect(throws: Diagnostic.self) { try Fourier.forward(try complexRamp([4])) }
  }
}
