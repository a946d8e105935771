import CNIfTI
import Tensors

/// Where an image's voxels lie in space: matrices from (row, column, slice, 1) to millimetres, as NIfTI has them.
///
/// Source: NIfTI-1.1, "3D image (volume) orientation and location in space", methods 2 (by quaternion) and 3 (by matrix).
public struct ImagePlacement: Sendable, Hashable {
  /// One of the two ways.
  struct Transform: Sendable, Hashable {
    /// What space it is, by NIfTI's numbers; 0 where the file does not say this way.
    var code: Int32
    /// Three rows of four.
    var rows: [Double]
  }

  private(set) var quaternion: Transform
  private(set) var matrix: Transform

  /// Makes a voxel between others the first one.
  mutating func move(row: Int = 0, column: Int = 0, slice: Int = 0) {
    let step = [Double(row), Double(column), Double(slice)]
    for part in [\ImagePlacement.quaternion, \.matrix] {
      for first in stride(from: 0, to: 12, by: 4) {
        let shift = zip(self[keyPath: part].rows[first...], step).reduce(0) { $0 + $1.0 * $1.1 }
        self[keyPath: part].rows[first + 3] += shift
      }
    }
  }

  /// Gives indices another order: the first one is that of number order[0] so far.
  mutating func permute(_ order: [Int]) {
    for part in [\ImagePlacement.quaternion, \.matrix] {
      let rows = self[keyPath: part].rows
      for first in stride(from: 0, to: 12, by: 4) {
        for (new, old) in order.enumerated() {
          self[keyPath: part].rows[first + new] = rows[first + old]
        }
      }
    }
  }

  /// As `Cropping.centre` takes images of one size out of those of another.
  public mutating func crop(_ source: ImageSize, to size: ImageSize) {
    move(
      row: source.height / 2 - size.height / 2, column: source.width / 2 - size.width / 2)
  }
}

// MARK: NIfTI

extension ImagePlacement {
  /// Nil where the header says nothing, or nothing finite.
  init?(_ header: rephase_nifti_header) {
    quaternion = Transform(header.quaternion)
    matrix = Transform(header.matrix)
    let isKnown = quaternion.code > 0 || matrix.code > 0
    guard isKnown, (quaternion.rows + matrix.rows).allSatisfy(\.isFinite) else { return nil }
  }
}

extension ImagePlacement.Transform {
  fileprivate init(_ transform: rephase_nifti_transform) {
    code = transform.code
    rows = withUnsafeBytes(of: transform.rows) { Array($0.bindMemory(to: Double.self)) }
  }

  /// For C.
  var header: rephase_nifti_transform {
    var transform = rephase_nifti_transform()
    transform.code = code
    withUnsafeMutableBytes(of: &transform.rows) { bytes in
      rows.withUnsafeBytes { bytes.copyMemory(from: $0) }
    }
    return transform
  }
}
