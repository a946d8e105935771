import Diagnostics
import Tensors

extension Buffer {
  /// Where each element is, in logical row-major order, from the first one; requires a verified buffer.
  public func forEachOffset(_ visit: (Int) -> Void) {
    walk(dimension: 0, offset: 0, visit)
  }

  private func walk(dimension: Int, offset: Int, _ visit: (Int) -> Void) {
    if dimension == extents.count { return visit(offset) }
    for index in 0..<extents[dimension] {
      walk(dimension: dimension + 1, offset: offset + index * strides[dimension], visit)
    }
  }

  /// Memory with the values, given in logical row-major order, where the strides put them; zero in between.
  public func packed(_ values: [Double]) -> [Double] {
    var memory = [Double](repeating: 0, count: spanElements)
    var next = 0
    forEachOffset {
      memory[$0] = values[next]
      next += 1
    }
    return memory
  }

  /// The values of such memory in logical row-major order.
  public func unpacked(_ memory: [Double]) -> [Double] {
    var values: [Double] = []
    forEachOffset { values.append(memory[$0]) }
    return values
  }
}

/// What a buffer holds while the interpreter runs, place by place as the strides put it; unchecked as `Machine` is.
final class Memory {
  let buffer: Buffer
  @exclusivity(unchecked) private(set) var values: [Double]
  @exclusivity(unchecked) private(set) var isWritten: [Bool]
  /// Places that copies are under way to.
  @exclusivity(unchecked) private var underWay: Set<Int> = []
  /// Set where products of warp groups use it.
  @exclusivity(unchecked) var products: ProductUse?
  /// Concurrent loops around its allocation: their iterations have one each.
  let level: Int
  /// Who touched each place, for every concurrent loop further inside; empty until needed.
  @exclusivity(unchecked) private var shadows: [[Shadow]] = []

  /// The last concurrent loop (by epoch) that touched a place, and which of its iterations did.
  private struct Shadow {
    var epoch = 0
    var writer: Int?
    var reader: Int?
    /// A second iteration that has read it too.
    var otherReader: Int?
  }

  init(_ buffer: Buffer, level: Int = 0) {
    self.buffer = buffer
    self.level = level
    values = [Double](repeating: 0, count: buffer.spanElements)
    isWritten = [Bool](repeating: false, count: buffer.spanElements)
  }

  /// Makes the content undefined.
  func forget() {
    for place in isWritten.indices { isWritten[place] = false }
  }

  /// Starts a kernel's run, whose epochs are numbered from 1 again.
  func startRun() { shadows = [] }

  func fill(_ tensor: Tensor<Double>) {
    values = buffer.packed(tensor.values.map(buffer.element.rounded))
    buffer.forEachOffset { isWritten[$0] = true }
  }

  /// A slice of this memory as memory of its own, from the place given on; both are row-major.
  func slice(_ buffer: Buffer, at first: Int) -> Memory {
    let part = Memory(buffer)
    let places = first..<first + buffer.spanElements
    part.values = Array(values[places])
    part.isWritten = Array(isWritten[places])
    return part
  }

  /// Puts a slice back where it was taken.
  func replace(at first: Int, with part: Memory) {
    let places = first..<first + part.values.count
    values.replaceSubrange(places, with: part.values)
    isWritten.replaceSubrange(places, with: part.isWritten)
  }

  /// The content as a dense tensor; throws where an element was never written.
  func tensor() throws(Diagnostic) -> Tensor<Double> {
    let shape = try Shape(buffer.extents)
    var missing: Int?
    var position = 0
    buffer.forEachOffset {
      if !isWritten[$0], missing == nil { missing = position }
      position += 1
    }
    if let missing {
      let indices = zip(shape.rowMajorStrides, shape.extents).map { "\(missing / $0 % $1)" }
      throw Diagnostic(
        "%\(buffer.name)[\(indices.joined(separator: ", "))] is a result but was never written")
    }
    return try Tensor(shape, buffer.unpacked(values))
  }

  func write(_ value: Double, at place: Int) {
    values[place] = value
    isWritten[place] = true
    products?.factor?.unpublished.insert(place)
  }

  func isUnderWay(_ place: Int) -> Bool { !underWay.isEmpty && underWay.contains(place) }

  func startCopy(to place: Int) { underWay.insert(place) }

  func endCopy(of value: Double, to place: Int) {
    underWay.remove(place)
    write(value, at: place)
  }

  /// Records an access by the current iteration of the concurrent loop at a level, and returns the other iteration
  /// of it that it races with, if any.
  func conflict(
    at place: Int, isWrite: Bool, level: Int, epoch: Int, iteration: Int
  ) -> Int? {
    while shadows.count <= level { shadows.append([]) }
    if shadows[level].isEmpty {
      shadows[level] = [Shadow](repeating: Shadow(), count: values.count)
    }
    var shadow = shadows[level][place]
    if shadow.epoch != epoch { shadow = Shadow(epoch: epoch) }
    if let writer = shadow.writer, writer != iteration { return writer }
    if isWrite {
      if let reader = shadow.reader, reader != iteration { return reader }
      if let reader = shadow.otherReader { return reader }
      shadow.writer = iteration
    } else if let reader = shadow.reader {
      if reader != iteration { shadow.otherReader = iteration }
    } else {
      shadow.reader = iteration
    }
    shadows[level][place] = shadow
    return nil
  }
}
