import LoopIR
import Tensors

/// A tile whose sums are fragments of matrices: `tiles` below each other times `parts` of 8 channels beside each other.
protocol FragmentTile: BlockTile {
  var arithmetic: MatrixArithmetic { get }
  var tiles: Int { get }
  var parts: Int { get }
  /// Rows of pixels from one tile to the next, and from a thread's first pixel in a tile to its second.
  var rows: Int { get }
  var secondPixel: (row: Int, column: Int) { get }
  /// Whether units of 16 bytes of channels lie apart in shared memory, so that 8 neighbouring pixels, or channels of
  /// weights, lie together.
  var isInUnits: Bool { get }
}

extension FragmentTile {
  func element(_ form: StagedConvolution) -> ElementType { arithmetic.element }

  /// Elements in 16 bytes, and how many such units a chunk has.
  var unitLanes: Int { MatrixLoad.rowBytes / arithmetic.element.byteCount }
  var units: Int { inputs / unitLanes }

  /// Elements from one unit to the next, where `places` pixels or channels lie beside each other: copies that write
  /// all units of neighbouring places reach all banks then.
  func unitPitch(_ places: Int) -> Int {
    let banks = 8
    guard banks % units == 0, units > 1 else { return places * unitLanes }
    let padded = (places...places + banks).first { $0 % banks == banks / units } ?? places
    return padded * unitLanes
  }

  func pixelElements(_ form: StagedConvolution) -> Int {
    let pitch =
      isInUnits ? units * unitPitch(stagedColumns(form)) : stagedColumns(form) * pixelPitch
    return stagedRows(form) * pitch
  }

  func weightElements(_ form: StagedConvolution) -> Int {
    let places = form.kernelRow.extent * form.kernelColumn.extent
    return places * (isInUnits ? units * unitPitch(blockChannels) : inputs * blockChannels)
  }

  /// Shared: [slot, row, column, input], or in units [slot, row, unit, column, lane].
  func stagedPixels(
    _ form: StagedConvolution, _ ring: StagingRing, _ names: inout NameSupply
  ) -> Buffer {
    if !isInUnits { return pixels(form, ring, &names) }
    return inUnits(names.fresh("pixels"), [ring.slots, stagedRows(form)], stagedColumns(form))
  }

  /// Shared: [slot, ky, kx, channel, input], or in units [slot, ky, kx, unit, channel, lane].
  func stagedWeights(
    _ form: StagedConvolution, _ ring: StagingRing, _ names: inout NameSupply
  ) -> Buffer {
    let outer = [ring.weightSlots, form.kernelRow.extent, form.kernelColumn.extent]
    let name = names.fresh("weights")
    if isInUnits { return inUnits(name, outer, blockChannels) }
    return Buffer(
      name, arithmetic.element, extents: outer + [blockChannels, inputs], space: .shared)
  }

  /// [outer..., unit, place, lane].
  private func inUnits(_ name: String, _ outer: [Int], _ places: Int) -> Buffer {
    var buffer = Buffer(
      name, arithmetic.element, extents: outer + [units, places, unitLanes], space: .shared)
    var stride = unitPitch(places)
    for dimension in (0...outer.count).reversed() {
      buffer.strides[dimension] = stride
      stride *= buffer.extents[dimension]
    }
    return buffer
  }
}
