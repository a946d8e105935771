import Diagnostics
import HDF5
import Tensors

extension ISMRMRDImages {
  /// ISMRMRD_ImageHeader, without gaps. Format: ISMRMRD's include/ismrmrd/ismrmrd.h.
  private static let members = [
    HDF5Member("version", .uint16), HDF5Member("data_type", .uint16),
    HDF5Member("flags", .uint64), HDF5Member("measurement_uid", .uint32),
    HDF5Member("matrix_size", .uint16, count: 3),
    HDF5Member("field_of_view", .float32, count: 3), HDF5Member("channels", .uint16),
    HDF5Member("position", .float32, count: 3), HDF5Member("read_dir", .float32, count: 3),
    HDF5Member("phase_dir", .float32, count: 3), HDF5Member("slice_dir", .float32, count: 3),
    HDF5Member("patient_table_position", .float32, count: 3), HDF5Member("average", .uint16),
    HDF5Member("slice", .uint16), HDF5Member("contrast", .uint16), HDF5Member("phase", .uint16),
    HDF5Member("repetition", .uint16), HDF5Member("set", .uint16),
    HDF5Member("acquisition_time_stamp", .uint32),
    HDF5Member("physiology_time_stamp", .uint32, count: 3), HDF5Member("image_type", .uint16),
    HDF5Member("image_index", .uint16), HDF5Member("image_series_index", .uint16),
    HDF5Member("user_int", .int32, count: 8), HDF5Member("user_float", .float32, count: 8),
    HDF5Member("attribute_string_len", .uint32),
  ]

  /// Writes magnitudes [frame, row, column] as the series `dataset/image_0`: x is column, y is row.
  static func write(_ images: ImageSeries, to path: String) throws(Diagnostic) {
    let shape = images.values.shape
    let (frames, rows, columns) = (shape[0], shape[1], shape[2])
    guard rows <= Int(UInt16.max), columns <= Int(UInt16.max), frames <= Int(UInt16.max) else {
      throw Diagnostic(
        "an ISMRMRD image has at most 65535 rows, columns and images, not \(shape)",
        at: SourceLocation(file: path), help: "write a .npy")
    }
    let headers = (0..<frames).flatMap { header(images, frame: $0) }
    try HDF5Writer.write(to: path) { (writer) throws(Diagnostic) in
      try writer.group("dataset")
      try writer.group("dataset/image_0")
      try writer.write(records: headers, "dataset/image_0/header", members: members)
      try writer.write(
        texts: [String](repeating: attributes, count: frames), "dataset/image_0/attributes")
      try writer.write(
        try images.values.reshaped(try Shape([frames, 1, 1, rows, columns])),
        "dataset/image_0/data")
      try writer.write(
        Tensor(Shape([frames]), images.scalings.map(\.scale)), "dataset/scale")
      try writer.write(
        Tensor(Shape([frames]), images.scalings.map(\.offset)), "dataset/offset")
    }
  }

  private static let attributes =
    "<?xml version=\"1.0\"?><ismrmrdMeta><meta><name>ImageProcessingHistory</name>"
    + "<value>Rephase</value></meta></ismrmrdMeta>"

  private static func header(_ images: ImageSeries, frame: Int) -> [UInt8] {
    let shape = images.values.shape
    let spacing = images.spacing ?? [0, 0, 0]
    let fields = [
      spacing[1] * Double(shape[2]), spacing[0] * Double(shape[1]), spacing[2],
    ].map { Float($0) }
    let counters = images.counters(frame: frame)
    var bytes: [UInt8] = []
    func add<Value: BitwiseCopyable>(_ values: [Value]) { bytes += RawValues.encode(values) }
    let (float32, magnitude): (UInt16, UInt16) = (5, 1)
    add([UInt16(1), float32])
    add([UInt64(0)])
    add([UInt32(0)])
    add([UInt16(shape[2]), UInt16(shape[1]), 1])
    add(fields)
    add([UInt16(1)])
    add([Float](repeating: 0, count: 3) + [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0])
    add([0] + [Axis.slice, .contrast, .frame, .repetition, .set].map { UInt16(counters[$0] ?? 0) })
    add([UInt32](repeating: 0, count: 4))
    add([magnitude, UInt16(frame + 1), 0])
    add([Int32](repeating: 0, count: 8))
    add([Float](repeating: 0, count: 8))
    add([UInt32(attributes.utf8.count)])
    return bytes
  }
}
