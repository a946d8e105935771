import CNIfTI
import Diagnostics
import Tensors

extension NIfTIFile {
  /// Writes float32 NIfTI-1, [row, column, slice, frame] with rows fastest, as such files are read here.
  static func write(_ images: ImageSeries, to path: String, isPacked: Bool) throws(Diagnostic) {
    let shape = images.values.shape
    // Slices come first in scans, times after them.
    let slices = images.series.filter { [.slice, .partition].contains($0.axis) }
      .reduce(1) { $0 * $1.count }
    let isKnown = !images.series.isEmpty && shape[0] % slices == 0
    let extents = isKnown ? [slices, shape[0] / slices] : [shape[0], 1]
    let spacing = images.spacing ?? [1, 1, 1]
    var header = [UInt8](repeating: 0, count: 352)
    var transforms = [rephase_nifti_transform(), rephase_nifti_transform()]
    if let placement = images.placement {
      transforms = [placement.quaternion.header, placement.matrix.header]
    }
    let sizes = ([shape[1], shape[2]] + extents).map { Int64($0) }
    guard sizes.allSatisfy({ $0 <= Int64(Int16.max) }),
      rephase_nifti_make(
        sizes, spacing, images.secondsPerFrame ?? 0, &transforms[0], &transforms[1], &header) != 0
    else {
      throw Diagnostic(
        "NIfTI-1 cannot hold images \(shape): extents end at 32767",
        at: SourceLocation(file: path), help: "write a .npy")
    }
    let named = try images.values.reshaped(try Shape(extents + [shape[1], shape[2]]))
    let fastestFirst = try named.permuted([1, 0, 3, 2])
    let bytes = header + RawValues.encode(fastestFirst.values)
    guard isPacked else { return try AtomicFile.write(bytes, to: path) }
    guard let packed = Zlib.gzip(bytes) else {
      throw Diagnostic("there is no memory to pack the images", at: SourceLocation(file: path))
    }
    try AtomicFile.write(packed, to: path)
  }
}
