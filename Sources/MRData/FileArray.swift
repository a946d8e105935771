import ComplexModule
import Diagnostics
import RealModule
import Tensors

/// An array as a file holds it, before its dimensions stand in the order of scans.
struct FileArray: Sendable {
  /// Row-major.
  var tensor: AnyTensor
  var name: String?
  /// What the format says that the dimensions are, as it counts them; nil where it says nothing.
  var axes: [Axis]?
  /// Whether the format counts dimensions fastest first, as BART, MATLAB and NIfTI do: the reverse of `tensor`'s.
  var isFirstFastest = false
  var facts = ScanFacts()
}

/// Turns an array with named dimensions into a scan.
struct ScanAssembly {
  private let array: FileArray
  private let options: ScanOptions
  /// As the format counts them.
  private let axes: [Axis]
  private let extents: [Int]
  /// The axes that are there, in the order of scans.
  private let ordered: [Axis]
  /// Of `tensor`'s dimensions.
  private let order: [Int]

  /// Throws where the dimensions cannot be those of a scan.
  init(_ array: FileArray, options: ScanOptions) throws(Diagnostic) {
    self.array = array
    self.options = options
    let stored = array.tensor.shape.extents
    extents = array.isFirstFastest ? stored.reversed() : stored
    axes = try Self.axes(array, extents, options)
    let storedAxes = array.isFirstFastest ? axes.reversed() : axes
    ordered = Axis.allCases.filter { storedAxes.contains($0) }
    order = ordered.compactMap { storedAxes.firstIndex(of: $0) }
  }

  func scan(path: String, format: ScanFormat) throws(Diagnostic) -> Scan {
    var facts = array.facts
    facts.arrayName = array.name
    facts.fileAxes = zip(axes, extents).map { SeriesAxis(axis: $0, count: $1) }
    if let given = array.axes, given != axes { facts.exchange(given, for: axes) }
    facts.placement?.move(slice: options.slice ?? 0)
    let (content, counts) = try content()
    let series = zip(ordered, counts).filter { ![.coil, .row, .column].contains($0.0) }
    return Scan(
      content: content, path: path, format: format,
      series: series.map { SeriesAxis(axis: $0 == .partition ? .slice : $0, count: $1) },
      facts: facts)
  }

  private static func axes(
    _ array: FileArray, _ extents: [Int], _ options: ScanOptions
  ) throws(Diagnostic) -> [Axis] {
    let isComplex = array.tensor.isComplex
    let found =
      options.axes ?? array.axes
      ?? Axis.defaults(
        rank: extents.count, isComplex: isComplex, isFirstFastest: array.isFirstFastest)
    guard let axes = found else {
      throw Diagnostic(
        "an array \(extents) of \(array.tensor.typeName) is no scan",
        help: "give 2 to 4 dimensions of magnitudes or 2 to 5 of complex k-space, or name them "
          + "with --dimensions")
    }
    guard axes.count == extents.count, Set(axes).count == axes.count,
      Set(axes).isSuperset(of: [.row, .column]), !Set(axes).isSuperset(of: [.slice, .partition])
    else {
      let names = axes.map(\.rawValue).joined(separator: ",")
      throw Diagnostic(
        "the axes \(names) do not fit an array \(extents)",
        help: "name each dimension once, row and column among them")
    }
    guard isComplex || !axes.contains(.coil) else {
      throw Diagnostic("magnitude images have no coil axis", help: "give complex k-space")
    }
    return axes
  }

  private func content() throws(Diagnostic) -> (Scan.Content, counts: [Int]) {
    guard array.tensor.isComplex else {
      let (tensor, counts) = try selected(try array.tensor.floats())
      return (.images(try magnitudes(tensor)), counts)
    }
    let (tensor, counts) = try selected(try array.tensor.complexFloats())
    try check(tensor.values, { $0.isFinite }, { $0 != .zero })
    let images = try Tensor(try shape(tensor, coils: true), tensor.values)
    switch options.content ?? .kSpace {
    case .kSpace where array.name == "images":
      throw Diagnostic(
        "the array 'images' is complex",
        help: "store k-space under the name 'kspace', or say --content images")
    case .kSpace:
      return (.kSpace(try KSpace(try transformingPartitions(images, counts))), counts)
    case .images:
      let kSpace = try Fourier.forward(
        images.map { Complex(Double($0.real), Double($0.imaginary)) })
      return (.kSpace(try KSpace(kSpace.map(Complex<Float>.init(rounding:)))), counts)
    }
  }

  private func magnitudes(_ tensor: Tensor<Float>) throws(Diagnostic) -> Tensor<Float> {
    guard options.content != .kSpace else {
      throw Diagnostic(
        "the array is real, and k-space is complex",
        help: "give a complex array, or leave --content out")
    }
    try check(tensor.values, { $0.isFinite }, { $0 != 0 })
    if let index = tensor.values.firstIndex(where: { $0 < 0 }) {
      throw Diagnostic(
        "the magnitude at \(place(index)) is negative: \(tensor.values[index])",
        help: "give magnitude images, or complex k-space")
    }
    return try Tensor(try shape(tensor, coils: false), tensor.values)
  }

  /// The values in the order of scans, of the chosen slice alone where one is chosen, and the extents left.
  private func selected<Value: Sendable>(
    _ tensor: Tensor<Value>
  ) throws(Diagnostic) -> (Tensor<Value>, counts: [Int]) {
    let permuted = try tensor.permuted(order)
    var counts = permuted.shape.extents
    guard let slice = options.slice else { return (permuted, counts) }
    guard ordered.first == .slice else {
      throw Diagnostic("the scan has no slices to choose from", help: "leave the slice out")
    }
    guard (0..<counts[0]).contains(slice) else {
      throw Diagnostic("there is no slice \(slice)", help: "choose one of 0 to \(counts[0] - 1)")
    }
    let size = permuted.shape.elementCount / counts[0]
    counts[0] = 1
    let part = permuted.values[slice * size..<(slice + 1) * size]
    return (try Tensor(try Shape(counts), Array(part)), counts)
  }

  /// All series axes in one dimension, then coils where asked for, rows, columns.
  private func shape<Value>(
    _ tensor: Tensor<Value>, coils: Bool
  ) throws(Diagnostic) -> Shape {
    let counts = tensor.shape.extents
    let coilCount = ordered.firstIndex(of: .coil).map { counts[$0] } ?? 1
    let plane = Array(counts.suffix(2))
    let frames = tensor.shape.elementCount / (plane[0] * plane[1] * coilCount)
    return try Shape([frames] + (coils ? [coilCount] : []) + plane)
  }

  private func transformingPartitions(
    _ kSpace: Tensor<Complex<Float>>, _ counts: [Int]
  ) throws(Diagnostic) -> Tensor<Complex<Float>> {
    guard ordered.first == .partition, counts[0] > 1 else { return kSpace }
    return try Fourier.inverse(kSpace, alongFirstOf: counts[0])
  }

  private func check<Value>(
    _ values: [Value], _ isFinite: (Value) -> Bool, _ isSomething: (Value) -> Bool
  ) throws(Diagnostic) {
    if let index = values.firstIndex(where: { !isFinite($0) }) {
      throw Diagnostic(
        "the value at \(place(index)) is not finite in float32",
        help: "the scan must hold neither NaN nor infinities")
    }
    guard values.contains(where: isSomething) else {
      throw Diagnostic("all values of the scan are zero", help: "check how it was exported")
    }
  }

  /// The indices in the file of a value of the selected part.
  private func place(_ index: Int) -> String {
    var indices: [Axis: Int] = [:]
    var rest = index
    for axis in ordered.reversed() {
      let extent = axes.firstIndex(of: axis).map { extents[$0] } ?? 1
      let isChosen = axis == .slice && options.slice != nil
      indices[axis] = isChosen ? options.slice ?? 0 : rest % extent
      if !isChosen { rest /= extent }
    }
    return "[" + axes.map { String(indices[$0] ?? 0) }.joined(separator: ", ") + "]"
  }
}

extension ScanFacts {
  /// What is told of rows, columns, slices and frames, where these are other dimensions of the file now.
  fileprivate mutating func exchange(_ old: [Axis], for new: [Axis]) {
    if old.firstIndex(of: .frame) != new.firstIndex(of: .frame) { secondsPerFrame = nil }
    let spatial: [Axis] = [.row, .column, .slice]
    var sources = spatial.map { axis in
      new.firstIndex { $0 == axis || (axis == .slice && $0 == .partition) }.flatMap {
        spatial.firstIndex(of: old[$0])
      }
    }
    // Without slices, frames lie behind each other along the dimension that is left.
    let left = (0..<3).filter { !sources.contains($0) }
    if !new.contains(.slice), !new.contains(.partition), left.count == 1 { sources[2] = left[0] }
    let order = sources.compactMap { $0 }
    guard Set(order).count == 3 else {
      (spacing, placement) = (nil, nil)
      return
    }
    spacing = spacing.map { spacing in order.map { spacing[$0] } }
    placement?.permute(order)
  }
}

extension Complex<Float> {
  init(rounding value: Complex<Double>) {
    self.init(Float(value.real), Float(value.imaginary))
  }
}
