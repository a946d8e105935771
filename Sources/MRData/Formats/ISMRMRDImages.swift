import Diagnostics
import HDF5
import Tensors

/// Image series in ISMRMRD's HDF5 layout: GROUP/SERIES/data [image, channel, z, y, x] beside header and attributes.
enum ISMRMRDImages {
  /// The series that is meant: `options.array`, or the first there is; nil where the file holds none.
  static func series(of file: HDF5File, options: ScanOptions) -> String? {
    for group in file.names(in: "/") {
      for name in file.names(in: group) where options.array == nil || options.array == name {
        let series = "\(group)/\(name)"
        if file.contains(series + "/data"), file.contains(series + "/header") { return series }
      }
    }
    return nil
  }

  /// Rows are y, columns x; throws where the images have several channels.
  static func read(_ file: HDF5File, _ series: String) throws(Diagnostic) -> FileArray {
    let tensor = try file.read(series + "/data")
    let extents = tensor.shape.extents
    guard extents.count == 5, extents[1] == 1 else {
      throw Diagnostic(
        "the images of '\(series)' are \(tensor.shape), not [image, 1, z, y, x]",
        help: "combine the channels first")
    }
    let shape = try Shape([extents[0], extents[2], extents[3], extents[4]])
    return FileArray(
      tensor: try tensor.reshaped(shape), name: series, axes: [.frame, .slice, .row, .column])
  }
}
