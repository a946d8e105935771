import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// The kinds of file that scans are read from; the raw value is its name for people.
public enum ScanFormat: String, Sendable, Hashable {
  case npy = "NumPy .npy"
  case npz = "NumPy .npz"
  case ismrmrd = "ISMRMRD raw data"
  case ismrmrdImages = "ISMRMRD images"
  case fastMRI = "fastMRI HDF5"
  case hdf5 = "HDF5"
  case bart = "BART .cfl"
  case matlab5 = "MATLAB .mat v5"
  case matlab73 = "MATLAB .mat v7.3"
  case dicom = "DICOM"
  case nifti1 = "NIfTI-1"
  case nifti2 = "NIfTI-2"
}

/// What a file says of its scan besides the values.
public struct ScanFacts: Sendable, Hashable {
  /// The array's name in its file, where the file has names.
  public var arrayName: String?
  /// The dimensions of the file's array and what they are, as the format counts them; empty where it has no one array.
  public var fileAxes: [SeriesAxis] = []
  /// The size that images are cut to after the transform, where the field of view encoded is larger.
  public var imageSize: ImageSize?
  /// Millimetres between rows, between columns and between slices.
  public var spacing: [Double]?
  /// From frame to frame, where the file says.
  public var secondsPerFrame: Double?
  /// Where the images lie, where the file says.
  public var placement: ImagePlacement?
  /// The files of a scan that is a folder, one a frame.
  public var files: [String] = []
  /// Further facts, a line each.
  public var notes: [String] = []

  public init() {}
}

/// A series of MR frames: k-space as it was measured, or magnitude images.
public struct Scan: Sendable {
  public enum Content: Sendable {
    /// [frame, row, column], not negative, in the scanner's units.
    case images(Tensor<Float>)
    case kSpace(KSpace)
  }

  public let content: Content
  public let path: String
  public let format: ScanFormat
  /// The dimensions that frames run over, outermost first; the product of their counts is `frames`.
  public let series: [SeriesAxis]
  public let facts: ScanFacts

  public var frames: Int {
    switch content {
    case .images(let images): return images.shape[0]
    case .kSpace(let kSpace): return kSpace.frames
    }
  }

  public var coils: Int {
    switch content {
    case .images: return 1
    case .kSpace(let kSpace): return kSpace.coils
    }
  }

  public var rows: Int {
    switch content {
    case .images(let images): return images.shape[1]
    case .kSpace(let kSpace): return kSpace.rows
    }
  }

  public var columns: Int {
    switch content {
    case .images(let images): return images.shape[2]
    case .kSpace(let kSpace): return kSpace.columns
    }
  }

  /// Frames that follow each other in time; nil where frames run over anything else.
  public var cineFrames: Int? {
    guard let inner = series.last, [.frame, .repetition].contains(inner.axis), inner.count > 1
    else { return nil }
    return inner.count
  }

  /// Frames that follow each other along the innermost dimension, in time or from slice to slice.
  public var consecutiveFrames: Int { series.last?.count ?? frames }

  public var isMagnitude: Bool {
    if case .images = content { return true }
    return false
  }

  /// The k-space of one frame, [coil, row, column]; that of a magnitude image is its centred transform.
  public func kSpace(frame: Int) throws(Diagnostic) -> Tensor<Complex<Double>> {
    switch content {
    case .kSpace(let kSpace): return try kSpace.frame(frame)
    case .images(let images):
      let size = rows * columns
      let values = images.values[frame * size..<(frame + 1) * size].map { Complex(Double($0), 0) }
      return try Fourier.forward(try Tensor(try Shape([1, rows, columns]), values))
    }
  }
}
