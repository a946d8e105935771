import ComplexModule
import Diagnostics
import RealModule
import Tensors
import TestSupport
import Testing

@testable import MRData

@Suite struct ReconstructionTests {
  private func phantomScan(frames: Int = 3, coils: Int = 1) throws -> Scan {
    var phantom = Phantom()
    (phantom.frames, phantom.rows, phantom.columns) = (frames, 64, 48)
    let single = try phantom.kSpace()
    // Coil c sees the phantom through the constant factor (c + 1) i^c.
    let factors = [Complex<Float>(1, 0), Complex(0, 2), Complex(-3, 0)]
    var values: [Complex<Float>] = []
    for frame in 0..<frames {
      let part = single.values.values[frame * 64 * 48..<(frame + 1) * 64 * 48]
      for coil in 0..<coils { values += part.map { $0 * factors[coil] } }
    }
    let kSpace = try KSpace(try Tensor(try Shape([frames, coils, 64, 48]), values))
    return Scan(
      content: .kSpace(kSpace), path: "phantom", format: .npy, series: [],
      facts: ScanFacts())
  }

  private func recipe(_ change: (inout Reconstruction) -> Void = { _ in }) -> Reconstruction {
    var recipe = Reconstruction()
    recipe.pattern = .regular(every: 4, centre: 8, offset: 0)
    recipe.size = ImageSize(height: 48, width: 32)
    change(&recipe)
    return recipe
  }

  @Test func fullSamplingGivesTheReference() throws {
    let result = try recipe { $0.pattern = .none }.run(try phantomScan())
    #expect(result.zeroFilled == result.reference)
    #expect(result.output == nil)
    let less = try recipe().run(try phantomScan())
    let reference = try #require(less.reference)
    #expect(reference == result.reference)
    #expect(ImageQuality.nmse(less.zeroFilled.values, reference: reference.values) > 0.005)
  }

  @Test func scalesWhatTheNetworkSeesAndScalesBack() throws {
    var shapes: [[Int]] = []
    var ranges: [Float] = []
    let result = try recipe { $0.batch = 2 }.run(try phantomScan(coils: 3)) {
      (input: Tensor<Float>) throws(Diagnostic) in
      shapes.append(input.shape.extents)
      ranges += [input.values.min() ?? -1, input.values.max() ?? -1]
      return input
    }
    #expect(shapes == [[2, 1, 48, 32], [2, 1, 48, 32]])
    #expect(ranges == [0, 1, 0, 1])
    #expect(maximumError(result.images.values, result.zeroFilled.values) < 1e-6)
    #expect(result.images.shape.extents == [3, 48, 32])
  }

  /// What a network of volumes of three frames is given, and what comes of five frames of which it makes each brighter by
  /// its place in the volume.
  @Test func volumesAreFramesThatFollowEachOther() throws {
    var firsts: [Float] = []
    let scan = try phantomScan(frames: 5)
    let recipe = self.recipe { ($0.batch, $0.takesVolumes) = (3, true) }
    let result = try recipe.run(scan) { (input: Tensor<Float>) throws(Diagnostic) in
      #expect(input.shape.extents == [3, 1, 48, 32])
      #expect(input.values.min() == 0 && input.values.max() == 1)
      firsts.append(input.values[24 * 32 + 16])
      var output = input
      for index in output.values.indices { output.values[index] += Float(index / (48 * 32)) }
      return output
    }
    let size = 48 * 32
    let range = result.scalings.map(\.scale)
    #expect(Set(range.prefix(3)).count == 1 && Set(range.suffix(2)).count == 1)
    // Frames 0 to 2, then 2 to 4, whose first one is there already.
    #expect(firsts.count == 2)
    for (frame, place) in [0, 1, 2, 1, 2].enumerated() {
      let (made, given) = (
        result.images.values[frame * size..<(frame + 1) * size],
        result.zeroFilled.values[frame * size..<(frame + 1) * size]
      )
      let offset = Float(place) * range[frame]
      #expect(maximumError(Array(made), given.map { $0 + offset }) < 1e-5)
    }
    let brightest = result.zeroFilled.values.prefix(3 * size).max() ?? 0
    let darkest = result.zeroFilled.values.prefix(3 * size).min() ?? 0
    #expect(abs(range[0] - (brightest - darkest)) < 1e-6)
  }

  @Test func refusesVolumesOfMoreFramesThanThereAre() throws {
    let scan = try phantomScan(frames: 2)
    let recipe = self.recipe { ($0.batch, $0.takesVolumes) = (3, true) }
    let found = message { () throws(Diagnostic) in
      _ = try recipe.run(scan) { (input: Tensor<Float>) throws(Diagnostic) in input }
    }
    #expect(found?.contains("volumes of 3 frames") == true)
  }

  @Test func coilsAddUp() throws {
    let one = try recipe().run(try phantomScan(coils: 1)).zeroFilled.values
    let three = try recipe().run(try phantomScan(coils: 3)).zeroFilled.values
    #expect(maximumError(three, one.map { $0 * Float(14).squareRoot() }) < 1e-6)
  }

  @Test func twoChannelsAreRealAndImaginary() throws {
    let result = try recipe { $0.images = .complex }.run(try phantomScan()) {
      (input: Tensor<Float>) throws(Diagnostic) in input
    }
    #expect(maximumError(result.images.values, result.zeroFilled.values) < 1e-6)
    let coils = message { () throws(Diagnostic) in
      let scan: Scan
      do { scan = try phantomScan(coils: 2) } catch { return }
      _ = try recipe { $0.images = .complex }.run(scan) {
        (input: Tensor<Float>) throws(Diagnostic) in input
      }
    }
    #expect(coils?.contains("2 coils") == true)
  }

  @Test func coilImagesAreTakenOneAfterTheOther() throws {
    let recipe = self.recipe { ($0.images, $0.networkCoils) = (.coils, 3) }
    let result = try recipe.run(try phantomScan(coils: 3)) {
      (input: Tensor<Float>) throws(Diagnostic) in
      #expect(input.shape.extents == [1, 6, 48, 32])
      var output = Tensor<Float>(try Shape([1, 1, 48, 32]), repeating: 0)
      for point in output.values.indices {
        let parts = (0..<6).map { input.values[$0 * 48 * 32 + point] }
        // The second coil's factor is 2i, the third one's -3.
        #expect(abs(parts[2] + 2 * parts[1]) < 1e-6 && abs(parts[4] + 3 * parts[0]) < 1e-6)
        output.values[point] = parts.reduce(0) { $0 + $1 * $1 }.squareRoot()
      }
      #expect(abs((output.values.max() ?? 0) - 1) < 1e-6)
      return output
    }
    #expect(maximumError(result.images.values, result.zeroFilled.values) < 1e-6)
  }

  @Test func refusesOtherCoilsThanTheNetworkTakes() throws {
    let scan = try phantomScan(coils: 2)
    for (coils, combination, part) in [
      (3, CoilCombination.rss, "3 coils"), (2, .adaptive, "adaptive"),
    ] {
      let recipe = self.recipe {
        ($0.images, $0.networkCoils, $0.combination) = (.coils, coils, combination)
      }
      let found = message { () throws(Diagnostic) in
        _ = try recipe.run(scan) { (input: Tensor<Float>) throws(Diagnostic) in input }
      }
      #expect(found?.contains(part) == true)
    }
  }

  @Test(arguments: [NetworkImages.magnitude, .complex], [1, 3])
  func hardConsistencyPutsTheMeasuredPointsBack(images: NetworkImages, coils: Int) throws {
    if images == .complex, coils > 1 { return }
    let scan = try phantomScan(frames: 1, coils: coils)
    let full = recipe {
      ($0.images, $0.consistency, $0.size) = (images, .hard, nil)
    }
    // An identity leaves the zero-filled image as it is.
    let same = try full.run(scan) { (input: Tensor<Float>) throws(Diagnostic) in input }
    #expect(maximumError(same.images.values, same.zeroFilled.values) < 1e-5)
    // With all points measured, whatever the network says is overwritten.
    var everything = full
    everything.pattern = .none
    let kept = try everything.run(scan) { (input: Tensor<Float>) throws(Diagnostic) in
      input.map { 1 - $0 }
    }
    #expect(maximumError(kept.images.values, try #require(kept.reference).values) < 1e-5)
  }

  @Test func refusesANetworkOfAnotherShape() throws {
    let scan = try phantomScan()
    let found = message { () throws(Diagnostic) in
      _ = try recipe().run(scan) { (_: Tensor<Float>) throws(Diagnostic) in
        Tensor(.scalar, repeating: 0)
      }
    }
    #expect(found?.contains("the network made []") == true)
  }

  @Test(.enabled(if: SharedData.folder != nil && Python.hasNumPy))
  func zeroFillsARealCineAsNumPyDoes() throws {
    let path = try SharedData.file("scd_cine/SCD0000201.npz")
    let scan = try ScanReader.read(path, options: ScanOptions(slice: 4))
    let result = try Reconstruction().run(scan)
    let scratch = try Scratch()
    try NpzFile.write(
      [("z", .float32(result.zeroFilled)), ("r", .float32(try #require(result.reference)))],
      to: scratch.file("t.npz"))
    let script = """
      import sys, numpy as np
      x = np.load(sys.argv[1])['images'][4].astype(float); ax = (1, 2); n = 256
      a = np.load(sys.argv[2])
      c = np.s_[:, n//2-96:n//2+96, n//2-64:n//2+64]
      k = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(x, ax), axes=ax), ax)
      keep = (np.arange(n) % 4 == 0) | ((np.arange(n) >= n//2-11) & (np.arange(n) < n//2+11))
      z = np.abs(np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(k * keep, ax), axes=ax), ax))[c]
      assert a['z'].shape == (20, 192, 128), a['z'].shape
      assert np.abs(a['z'] - z).max() < 1e-6 * z.max()
      assert np.abs(a['r'] - x[c]).max() < 1e-6 * x.max()
      """
    try Python.run(script, [path, scratch.file("t.npz")])
  }
}
