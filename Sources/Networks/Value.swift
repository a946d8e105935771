import Diagnostics
import GraphIR
import Operations
import Tensors

/// A tensor that a network computes, while its function is being written down as a graph.
///
/// Every function takes `fileID` and `line` only to remember where the user applied it; leave them out.
public struct Value {
  let tracer: Tracer
  /// Nothing after a failure, which the trace reports.
  let id: ValueID?
  public let type: TensorType

  public var shape: Shape { type.shape }

  private func unary(_ operation: any Operation, _ place: SourceLocation?) -> Value {
    tracer.record(operation, [self], like: self, at: place)
  }

  private func binary(
    _ operation: any Operation, _ other: Value, _ place: SourceLocation?
  ) -> Value {
    tracer.record(operation, [self, other], like: self, at: place)
  }

  // MARK: Functions of images

  /// The positive part: max(x, 0).
  public func relu(fileID: String = #fileID, line: Int = #line) -> Value {
    unary(ReLU(), .place(fileID, line))
  }

  /// x where x >= 0, else `slope` x, for slopes of 0 to 1.
  public func leakyReLU(
    _ slope: Double = 0.01, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let place = SourceLocation.place(fileID, line)
    guard (0...1).contains(slope) else {
      return refuse("a leaky ReLU of slope \(slope)", "0 to 1", place)
    }
    return tracer.record(like: self, at: place) { (x, builder) throws(Diagnostic) in
      try builder.apply(Maximum(), x, try builder.multiply(x, slope))
    }
  }

  /// The logistic function: 1 / (1 + e^-x).
  public func sigmoid(fileID: String = #fileID, line: Int = #line) -> Value {
    unary(Logistic(), .place(fileID, line))
  }

  /// The hyperbolic tangent.
  public func tanh(fileID: String = #fileID, line: Int = #line) -> Value {
    unary(Tanh(), .place(fileID, line))
  }

  /// The sine, in radians.
  public func sine(fileID: String = #fileID, line: Int = #line) -> Value {
    unary(Sine(), .place(fileID, line))
  }

  /// The cosine, in radians.
  public func cosine(fileID: String = #fileID, line: Int = #line) -> Value {
    unary(Cosine(), .place(fileID, line))
  }

  /// The mean of each `size` x `size` pixels, which do not overlap; rows and columns that are left over count for
  /// nothing.
  public func averagePooled(_ size: Int = 2, fileID: String = #fileID, line: Int = #line) -> Value {
    let place = SourceLocation.place(fileID, line)
    guard (1...1024).contains(size) else {
      return refuse("a pooling window of \(size) pixels", "1 to 1024", place)
    }
    return tracer.record(like: self, at: place) { (x, builder) throws(Diagnostic) in
      let sums = try builder.apply(
        ReduceWindow(.add, window: [size, size], strides: [size, size]), x)
      return try builder.multiply(sums, 1 / Double(size * size))
    }
  }

  /// The largest of each `size` x `size` pixels, which do not overlap; rows and columns that are left over count
  /// for nothing.
  public func maxPooled(_ size: Int = 2, fileID: String = #fileID, line: Int = #line) -> Value {
    guard (1...1024).contains(size) else {
      return refuse("a pooling window of \(size) pixels", "1 to 1024", .place(fileID, line))
    }
    return unary(
      ReduceWindow(.max, window: [size, size], strides: [size, size]), .place(fileID, line))
  }

  /// Each pixel repeated `scale` times down and across.
  public func upsampled(
    by scale: Int = 2, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    guard (1...64).contains(scale) else {
      return refuse("enlargement by \(scale)", "1 to 64", .place(fileID, line))
    }
    return unary(UpsampleNearest(scale: [scale, scale]), .place(fileID, line))
  }

  /// Zeros around images [N, C, H, W]: so many rows and columns on each side; negative numbers cut off instead.
  public func padded(
    top: Int, bottom: Int, left: Int, right: Int, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let edges = [top, bottom, left, right]
    guard edges.contains(where: { $0 != 0 }) else { return self }
    guard edges.allSatisfy({ (-1024...1024).contains($0) }) else {
      return refuse("padding by \(edges)", "four numbers of -1024 to 1024", .place(fileID, line))
    }
    return unary(
      Pad(low: [0, 0, top, left], high: [0, 0, bottom, right], interior: [0, 0, 0, 0]),
      .place(fileID, line))
  }

  /// The orthonormal 2-D Fourier transform of images [N, 2, H, W] with real and imaginary part; index n / 2 is the
  /// origin of both image and k-space, unless `centered` is false.
  public func fft2(
    centered: Bool = true, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    unary(FFT(.forward, isCentered: centered), .place(fileID, line))
  }

  /// What `fft2` came from.
  public func ifft2(
    centered: Bool = true, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    unary(FFT(.inverse, isCentered: centered), .place(fileID, line))
  }

  /// The product of the matrices in the last two dimensions; those before are repeated where they have one element.
  public func matmul(_ other: Value, fileID: String = #fileID, line: Int = #line) -> Value {
    tracer.record([self, other], at: .place(fileID, line)) { (values, builder) throws(Diagnostic) in
      try builder.matmul(values[0], values[1])
    }
  }

  /// e^x divided by its sum along a dimension, counted from the last where it is negative.
  public func softmax(
    _ dimension: Int = -1, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let place = SourceLocation.place(fileID, line)
    guard (-shape.rank..<shape.rank).contains(dimension) else {
      return refuse(
        "a softmax along dimension \(dimension) of \(shape)", "one of its dimensions", place)
    }
    return tracer.record(like: self, at: place) { (x, builder) throws(Diagnostic) in
      let rank = builder.shape(of: x).rank
      return try builder.softmax(x, over: [dimension < 0 ? dimension + rank : dimension])
    }
  }

  /// This tensor's channels (dimension 1), then the other's.
  public func concatenated(
    with other: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    binary(Concatenate(dimension: 1), other, .place(fileID, line))
  }

  /// The convolution with a kernel [O, I, h, w]; `padding` is top, bottom, left, right, `strides` and `dilation`
  /// (the distance of neighbouring taps) down, across; groups of channels see nothing of each other.
  public func convolved(
    with kernel: Value, bias: Value?, padding: [Int], strides: [Int] = [1, 1],
    dilation: [Int] = [1, 1], groups: Int = 1,
    name: String? = nil, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    let place = SourceLocation.place(fileID, line)
    guard dilation.count == 2, dilation.allSatisfy({ (1...1024).contains($0) }) else {
      return refuse("convolution with dilation \(dilation)", "two numbers of 1 to 1024", place)
    }
    guard padding.count == 4, padding.allSatisfy({ (0...1024).contains($0) }) else {
      return refuse("convolution with padding \(padding)", "four numbers of 0 to 1024", place)
    }
    guard strides.count == 2, strides.allSatisfy({ (1...1024).contains($0) }) else {
      return refuse("convolution with strides \(strides)", "two numbers of 1 to 1024", place)
    }
    guard groups >= 1 else {
      return refuse("convolution in \(groups) groups", "at least 1", place)
    }
    let operands = [self, kernel] + (bias.map { [$0] } ?? [])
    return tracer.record(
      Convolution(
        padding: padding, strides: strides, rhsDilation: dilation, featureGroupCount: groups),
      operands, like: self, name: name, at: place)
  }

  private func refuse(_ what: String, _ allowed: String, _ place: SourceLocation) -> Value {
    tracer.fail(
      Diagnostic("\(what) is not possible", at: place, help: "choose \(allowed)"), like: self)
  }

  // MARK: Arithmetic, element by element

  /// Same as `+`, but knows its own line.
  public func adding(_ other: Value, fileID: String = #fileID, line: Int = #line) -> Value {
    binary(Add(), other, .place(fileID, line))
  }

  /// Swift's operators cannot ask for their place, so they take that of the operand computed last, which is in
  /// the same expression more often than not.
  private func operatorPlace(_ other: Value? = nil) -> SourceLocation? {
    guard let other, let mine = id, let others = other.id, others > mine else {
      return tracer.location(of: self)
    }
    return tracer.location(of: other)
  }

  private func constant(_ number: Double) -> Value {
    tracer.record(Constant(number, type), [], like: self, at: operatorPlace())
  }

  public static func + (a: Value, b: Value) -> Value { a.binary(Add(), b, a.operatorPlace(b)) }
  public static func - (a: Value, b: Value) -> Value { a.binary(Subtract(), b, a.operatorPlace(b)) }
  public static func * (a: Value, b: Value) -> Value { a.binary(Multiply(), b, a.operatorPlace(b)) }
  public static func / (a: Value, b: Value) -> Value { a.binary(Divide(), b, a.operatorPlace(b)) }
  public static prefix func - (a: Value) -> Value { a.unary(Negate(), a.operatorPlace()) }

  public static func + (a: Value, b: Double) -> Value { a + a.constant(b) }
  public static func - (a: Value, b: Double) -> Value { a - a.constant(b) }
  public static func * (a: Value, b: Double) -> Value { a * a.constant(b) }
  public static func / (a: Value, b: Double) -> Value { a / a.constant(b) }
  public static func + (a: Double, b: Value) -> Value { b.constant(a) + b }
  public static func - (a: Double, b: Value) -> Value { b.constant(a) - b }
  public static func * (a: Double, b: Value) -> Value { b.constant(a) * b }
}

extension Parameter {
  /// This parameter as a value beside `x`: what a layer of one's own computes with.
  public func value(
    beside x: Value, fileID: String = #fileID, line: Int = #line
  ) -> Value {
    x.tracer.value(of: self, like: x, at: .place(fileID, line))
  }
}
