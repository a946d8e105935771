import COpenBLAS
import Tensors

/// Convolution in float64 as a matrix product per group of rows: taps are gathered, OpenBLAS multiplies.
///
/// A library's dgemm keeps the reference usable on whole images; rows go in groups so that the gathered matrix
/// stays below about 64 MB.
struct ReferenceConvolution {
  var image: Tensor<Double>
  var kernel: Tensor<Double>
  var bias: Tensor<Double>?
  var convolution: Convolution
  var result: Shape

  /// Channels of the result and of the image in one group.
  private var outputs: Int { kernel.shape[0] / convolution.featureGroupCount }
  private var inputs: Int { kernel.shape[1] }
  private var taps: Int { kernel.shape[1] * kernel.shape[2] * kernel.shape[3] }

  func run() -> Tensor<Double> {
    var output = Tensor<Double>(result, repeating: 0)
    // The matrix holds zeros outside the image, and zero times NaN or infinity is not zero.
    guard kernel.values.allSatisfy(\.isFinite) else { return runDirectly() }
    let rows = max(1, (8 << 20) / (taps * result[3]))
    for n in 0..<result[0] {
      var first = 0
      while first < result[2] {
        let count = min(rows, result[2] - first)
        for group in 0..<convolution.featureGroupCount {
          multiply(n, group, first, count, into: &output)
        }
        first += count
      }
    }
    return output
  }

  /// The image's row (axis 0) or column (1) under a tap; nil outside the image and between pixels.
  private func pixel(_ axis: Int, under tap: Int, of result: Int) -> Int? {
    let place =
      result * convolution.strides[axis] + tap * convolution.rhsDilation[axis]
      - convolution.padding[2 * axis]
    let distance = convolution.lhsDilation[axis]
    guard place >= 0, place % distance == 0 else { return nil }
    let pixel = place / distance
    return pixel < image.shape[axis + 2] ? pixel : nil
  }

  /// The definition, tap by tap; nothing is accumulated outside the image.
  private func runDirectly() -> Tensor<Double> {
    var output = Tensor<Double>(result, repeating: 0)
    var index = [Int](repeating: 0, count: 4)
    for position in output.values.indices {
      var sum = bias?.values[index[1]] ?? 0
      let first = index[1] / outputs * inputs
      for ky in 0..<kernel.shape[2] {
        guard let y = pixel(0, under: ky, of: index[2]) else { continue }
        for kx in 0..<kernel.shape[3] {
          guard let x = pixel(1, under: kx, of: index[3]) else { continue }
          for i in 0..<inputs {
            let channel = index[0] * image.shape[1] + first + i
            let pixel = (channel * image.shape[2] + y) * image.shape[3] + x
            let weight =
              ((index[1] * inputs + i) * kernel.shape[2] + ky) * kernel.shape[3] + kx
            sum += image.values[pixel] * kernel.values[weight]
          }
        }
      }
      output.values[position] = sum
      Odometer.advance(&index, result.extents)
    }
    return output
  }

  /// `count` rows of a group's channels of image `n`, from row `first`.
  private func multiply(
    _ n: Int, _ group: Int, _ first: Int, _ count: Int, into output: inout Tensor<Double>
  ) {
    let pixels = count * result[3]
    let gathered = gather(n, group, first, count)
    var product = [Double](repeating: 0, count: outputs * pixels)
    let weights = group * outputs * taps
    kernel.values[weights..<weights + outputs * taps].withUnsafeBufferPointer { weights in
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(outputs), blasint(pixels),
        blasint(taps), 1, weights.baseAddress, blasint(taps), gathered, blasint(pixels), 0,
        &product, blasint(pixels))
    }
    let area = result[2] * result[3]
    for o in 0..<outputs {
      let channel = group * outputs + o
      let offset = bias?.values[channel] ?? 0
      let start = (n * result[1] + channel) * area + first * result[3]
      for pixel in 0..<pixels {
        output.values[start + pixel] = product[o * pixels + pixel] + offset
      }
    }
  }

  /// The matrix [tap, pixel] of a group's channels under each tap; zero outside the image.
  private func gather(_ n: Int, _ group: Int, _ first: Int, _ count: Int) -> [Double] {
    let (channels, height, width) = (image.shape[1], image.shape[2], image.shape[3])
    let columns = result[3]
    var matrix = [Double](repeating: 0, count: taps * count * columns)
    var tap = 0
    for i in group * inputs..<(group + 1) * inputs {
      for ky in 0..<kernel.shape[2] {
        for kx in 0..<kernel.shape[3] {
          for row in 0..<count {
            guard let y = pixel(0, under: ky, of: first + row) else { continue }
            let source = ((n * channels + i) * height + y) * width
            let target = (tap * count + row) * columns
            for column in 0..<columns {
              guard let x = pixel(1, under: kx, of: column) else { continue }
              matrix[target + column] = image.values[source + x]
            }
          }
          tap += 1
        }
      }
    }
    return matrix
  }
}
