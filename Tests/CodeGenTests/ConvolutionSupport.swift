import LoopIR

/// A 3x3 same convolution with bias, channels innermost, as the schedules make it, and plainly.
struct Convolution {
  var channels = 32
  var outputs = 32
  var height = 192
  var width = 128
  /// Pixels of a register tile, and lanes of a vector.
  var tile = 14
  var lanes = 16

  private var x: Buffer {
    Buffer(
      "x", .f32, extents: [1, channels, height, width],
      strides: Buffer.strides([1, channels, height, width], order: [0, 2, 3, 1]))
  }
  private var y: Buffer {
    Buffer(
      "y", .f32, extents: [1, outputs, height, width],
      strides: Buffer.strides([1, outputs, height, width], order: [0, 2, 3, 1]))
  }
  private var weights: Buffer {
    Buffer(
      "w", .f32, extents: [outputs, channels, 3, 3],
      strides: Buffer.strides([outputs, channels, 3, 3], order: [2, 3, 1, 0]))
  }
  private var bias: Buffer { Buffer("b", .f32, extents: [outputs]) }

  /// Host tensors are dense, so the test's copies to and from the channels-innermost layout are kernels too.
  func module(_ body: [Statement], scheduled: Bool) -> LoopModule {
    let source = Buffer("source", .f32, extents: x.extents)
    let result = Buffer("result", .f32, extents: y.extents)
    let packed = Buffer("packed", .f32, extents: weights.extents)
    func buffers(_ list: [(Buffer, BufferRole)]) -> [ModuleBuffer] {
      list.map { ModuleBuffer($0.0, $0.1) }
    }
    return LoopModule(
      name: "convolution", scheduledFor: scheduled ? "native" : nil,
      buffers: buffers([
        (source, .input("source")), (packed, .parameter("weight")), (bias, .parameter("bias")),
        (weights, .constant), (Buffer("c", .f32, extents: [outputs]), .constant),
        (x, .temporary(offset: 0)), (y, .temporary(offset: x.byteCount)),
        (result, .output("result")),
      ]),
      kernels: [
        copy("pack_input", source, x), copy("unpack_output", y, result),
        copy("pack_weights", packed, weights), copy("pack_bias", bias, bias),
        Kernel(
          "conv3x3",
          parameters: [
            KernelParameter(x, .read), KernelParameter(weights, .read),
            KernelParameter(bias, .read), KernelParameter(y, .write),
          ], body: body),
      ],
      prepare: [.call("pack_weights", ["packed", "w"]), .call("pack_bias", ["b", "c"])],
      run: [
        .call("pack_input", ["source", "x"]), .call("conv3x3", ["x", "w", "c", "y"]),
        .call("unpack_output", ["y", "result"]),
      ])
  }

  private func copy(_ name: String, _ from: Buffer, _ to: Buffer) -> Kernel {
    var (source, target) = (from, to)
    (source.name, target.name) = ("from", "to")
    let indices = from.extents.indices.map { variable("i\($0)") }
    var body: [Statement] = [.store("to", indices, .load("from", indices))]
    for (dimension, extent) in from.extents.enumerated().reversed() {
      body = [loop("i\(dimension)", extent, body)]
    }
    return Kernel(
      name, parameters: [KernelParameter(source, .read), KernelParameter(target, .write)],
      body: body)
  }

  /// What each element is, without a schedule; the same order of summation.
  var plain: [Statement] {
    let row = variable("py") + variable("ky") - .integer(1)
    let column = variable("px") + variable("kx") - .integer(1)
    let inside = [(row, height), (column, width)].map { position, extent in
      Expression.binary(
        .and, .binary(.lessOrEqual, .integer(0), position),
        .binary(.less, position, .integer(extent)))
    }
    let update: Statement = .store(
      "acc", [.integer(0)],
      .fma(
        .load("x", [.integer(0), variable("ic"), row, column]),
        .load("w", [variable("o"), variable("ic"), variable("ky"), variable("kx")]),
        .load("acc", [.integer(0)])))
    let sum = loop(
      "ky", 3,
      [
        loop(
          "kx", 3,
          [
            .conditional(
              .binary(.and, inside[0], inside[1]), then: [loop("ic", channels, [update])],
              otherwise: [])
          ])
      ])
    let position = [.integer(0), variable("o"), variable("py"), variable("px")]
    return [
      loop(
        "o", outputs,
        [
          loop(
            "py", height,
            [
              loop(
                "px", width,
                [
                  .allocate(Buffer("acc", .f32, extents: [1], space: .register)),
                  .store("acc", [.integer(0)], .load("b", [variable("o")])), sum,
                  .store("y", position, .load("acc", [.integer(0)])),
                ])
            ])
        ])
    ]
  }

  /// Rows in parallel, tiles of pixels by all channels in registers, edges peeled off.
  var scheduled: [Statement] {
    let rest = (width - 1) % tile + 1
    let interior = (width - rest) / tile
    return [
      loop(
        "py", height, .parallel,
        [
          .block("first", tileBody(.integer(0), tile, left: true, right: false)),
          .loop(
            Loop(
              "t0", .integer(1), .integer(interior),
              body: tileBody(variable("t0") * .integer(tile), tile, left: false, right: false))),
          .block("last", tileBody(.integer(width - rest), rest, left: false, right: true)),
        ])
    ]
  }

  private func tileBody(
    _ start: Expression, _ pixels: Int, left: Bool, right: Bool
  ) -> [Statement] {
    let channel = variable("ob") * .integer(lanes) + variable("v")
    func overTile(_ body: [Statement]) -> Statement {
      loop(
        "t", pixels, .unrolled,
        [
          loop("ob", outputs / lanes, .unrolled, [loop("v", lanes, .vectorized, body)])
        ])
    }
    let row = variable("py") + variable("ky") - .integer(1)
    let column = start + variable("t") + variable("kx") - .integer(1)
    let sum = Statement.store(
      "acc", [variable("t"), channel],
      .fma(
        .load("x", [.integer(0), variable("ic"), row, column]),
        .load("w", [channel, variable("ic"), variable("ky"), variable("kx")]),
        .load("acc", [variable("t"), channel])))
    var guarded: [Statement] = [sum]
    if left {
      guarded = [
        .conditional(.binary(.lessOrEqual, .integer(0), column), then: guarded, otherwise: [])
      ]
    }
    if right {
      guarded = [
        .conditional(.binary(.less, column, .integer(width)), then: guarded, otherwise: [])
      ]
    }
    let lower = Expression.binary(.maximum, .integer(0), .integer(1) - variable("py"))
    let upper = Expression.binary(.minimum, .integer(3), .integer(height + 1) - variable("py"))
    return [
      .allocate(Buffer("acc", .f32, extents: [pixels, outputs], space: .register)),
      overTile([.store("acc", [variable("t"), channel], .load("b", [channel]))]),
      .loop(
        Loop(
          "ky", lower, upper,
          body: [
            loop("kx", 3, .unrolled, [loop("ic", channels, [overTile(guarded)])])
          ])),
      overTile([
        .store(
          "y", [.integer(0), channel, variable("py"), start + variable("t")],
          .load("acc", [variable("t"), channel]))
      ]),
    ]
  }

  /// Floating-point operations of the direct convolution, without edges.
  var operations: Double { Double(2 * channels * outputs * 9 * height * width) }
}
