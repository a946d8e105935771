import COpenBLAS
import Dispatch
import Synchronization
import Tensors

/// Convolution in float64 as a matrix product per band of rows: taps are gathered, OpenBLAS multiplies.
///
/// A library's dgemm keeps the reference usable on whole images; a gathered matrix stays below about 8 MB. Bands go to
/// threads, each product to one: OpenBLAS's own threads would spin between products.
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

  /// Rows of the result, of one image and one group of channels.
  private struct Band {
    var image: Int
    var group: Int
    var rows: Range<Int>
  }

  func run() -> Tensor<Double> {
    // The matrix holds zeros outside the image, and zero times NaN or infinity is not zero.
    guard kernel.values.allSatisfy(\.isFinite) else { return runDirectly() }
    openblas_set_num_threads(1)
    let bands = bands()
    let output = Mutex(Tensor<Double>(result, repeating: 0))
    DispatchQueue.concurrentPerform(iterations: bands.count) { number in
      let product = multiply(bands[number])
      output.withLock { put(product, bands[number], into: &$0) }
    }
    return output.withLock { $0 }
  }

  private func bands() -> [Band] {
    let height = max(1, (1 << 20) / (taps * result[3]))
    var bands: [Band] = []
    for image in 0..<result[0] {
      for first in stride(from: 0, to: result[2], by: height) {
        for group in 0..<convolution.featureGroupCount {
          bands.append(
            Band(image: image, group: group, rows: first..<min(first + height, result[2])))
        }
      }
    }
    return bands
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

  /// [output channel of the group, pixel], without bias.
  private func multiply(_ band: Band) -> [Double] {
    let pixels = band.rows.count * result[3]
    let gathered = gather(band)
    var product = [Double](repeating: 0, count: outputs * pixels)
    let weights = band.group * outputs * taps
    kernel.values[weights..<weights + outputs * taps].withUnsafeBufferPointer { weights in
      cblas_dgemm(
        CblasRowMajor, CblasNoTrans, CblasNoTrans, blasint(outputs), blasint(pixels),
        blasint(taps), 1, weights.baseAddress, blasint(taps), gathered, blasint(pixels), 0,
        &product, blasint(pixels))
    }
    return product
  }

  private func put(_ product: [Double], _ band: Band, into output: inout Tensor<Double>) {
    let pixels = band.rows.count * result[3]
    for o in 0..<outputs {
      let channel = band.group * outputs + o
      let offset = bias?.values[channel] ?? 0
      let row = (band.image * result[1] + channel) * result[2] + band.rows.lowerBound
      let start = row * result[3]
      for pixel in 0..<pixels {
        output.values[start + pixel] = product[o * pixels + pixel] + offset
      }
    }
  }

  /// The matrix [tap, pixel] of a group's channels under each tap; zero outside the image.
  private func gather(_ band: Band) -> [Double] {
    let (channels, height, width) = (image.shape[1], image.shape[2], image.shape[3])
    let columns = result[3]
    // For each tap of a row, the columns inside the image and what they see of it.
    let under = (0..<kernel.shape[3]).map { tap in
      (0..<columns).compactMap { column in
        pixel(1, under: tap, of: column).map { (column: column, pixel: $0) }
      }
    }
    var matrix = [Double](repeating: 0, count: taps * band.rows.count * columns)
    var target = 0
    for i in band.group * inputs..<(band.group + 1) * inputs {
      for ky in 0..<kernel.shape[2] {
        for kx in 0..<kernel.shape[3] {
          for row in band.rows {
            defer { target += columns }
            guard let y = pixel(0, under: ky, of: row) else { continue }
            let source = ((band.image * channels + i) * height + y) * width
            for (column, pixel) in under[kx] {
              matrix[target + column] = image.values[source + pixel]
            }
          }
        }
      }
    }
    return matrix
  }
}
