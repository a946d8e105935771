import Diagnostics
import Tensors

/// Images of a scan on their way to a file.
public struct ImageSeries: Sendable {
  /// [frame, row, column], in the scan's units.
  public var values: Tensor<Float>
  /// What frames run over; empty where they are of several scans.
  public var series: [SeriesAxis]
  /// Millimetres between rows, columns, slices.
  public var spacing: [Double]?
  /// From frame to frame, where the scan says.
  public var secondsPerFrame: Double?
  /// Where the images lie, where their scan says.
  public var placement: ImagePlacement?
  /// That the network's images were scaled by, one a frame.
  public var scalings: [Scaling]
  /// The scans that the frames come from, in order.
  public var scans: [String]
  /// How they were made, for people.
  public var description: String

  public init(
    _ values: Tensor<Float>, series: [SeriesAxis] = [], spacing: [Double]? = nil,
    secondsPerFrame: Double? = nil, placement: ImagePlacement? = nil,
    scalings: [Scaling] = [], scans: [String] = [],
    description: String = "Rephase reconstruction"
  ) {
    self.values = values
    self.series = series
    self.spacing = spacing
    self.secondsPerFrame = secondsPerFrame
    self.placement = placement
    self.scalings = scalings
    self.scans = scans
    self.description = description
  }

  /// The index of a frame along each axis.
  func counters(frame: Int) -> [Axis: Int] {
    var counters: [Axis: Int] = [:]
    var rest = frame
    for dimension in series.reversed() {
      let axis = dimension.axis == .partition ? Axis.slice : dimension.axis
      counters[axis, default: 0] += rest % dimension.count
      rest /= dimension.count
    }
    return counters
  }
}

/// The kinds of file that images are written to; told by the end of the name.
public enum ImageFormat: Sendable, Hashable {
  case npy, ismrmrd, nifti, packedNIfTI
  /// One DICOM file.
  case dicom
  /// A folder with a DICOM file for each of the scan's.
  case dicomFolder

  /// What `init(path:)` reads.
  public static let help = ".npy, .h5 (ISMRMRD), .nii, .nii.gz, .dcm, or a folder/ for DICOM files"

  /// Nil for other names.
  public init?(path: String) {
    let name = path.lowercased()
    let endings: [(String, ImageFormat)] = [
      (".npy", .npy), (".h5", .ismrmrd), (".nii", .nifti), (".nii.gz", .packedNIfTI),
      (".dcm", .dicom), ("/", .dicomFolder),
    ]
    guard let found = endings.first(where: { name.hasSuffix($0.0) }) else { return nil }
    self = found.1
  }
}

extension ImageSeries {
  /// Writes the images; the file appears complete or not at all.
  ///
  /// Throws where the format cannot hold them: DICOM needs DICOM scans that they are derived from.
  public func write(to path: String, as format: ImageFormat) throws(Diagnostic) {
    switch format {
    case .npy: try NpyFile.write(.float32(values), to: path)
    case .ismrmrd: try ISMRMRDImages.write(self, to: path)
    case .nifti: try NIfTIFile.write(self, to: path, isPacked: false)
    case .packedNIfTI: try NIfTIFile.write(self, to: path, isPacked: true)
    case .dicom: try DerivedDICOM(self).writeFile(path)
    case .dicomFolder: try DerivedDICOM(self).writeFolder(path)
    }
  }
}
