import LoopIR
import Tensors

/// How a product of matrices is divided: which factor fills vectors, register tiles, and what threads share.
struct ProductPlan {
  /// The factor whose own dimension vectors run along; of lane sums the one of several columns beside each other.
  let vector: ProductForm.Factor
  /// The other one, whose elements are broadcast.
  let scalar: ProductForm.Factor
  /// The dimension of the vector factor that tiles span; nil where it has none.
  let across: LoopNest.Dimension?
  /// That of the other one.
  let down: LoopNest.Dimension?
  /// Lanes share the last loop of the sum, whose elements lie side by side in both factors.
  let laneSum: Int?
  /// Columns (of `across`) and rows (of `down`) of a register tile.
  let columns: Int
  let rows: Int
  /// Lanes of a whole vector.
  let lanes: Int
  /// Whether blocks of columns are copied to the stack, with the columns of a row side by side.
  let isPacked: Bool

  /// Fewer rows or columns than this do not fill vectors, and are summed along the lanes where that is possible.
  private static let fewestColumns = 4
  /// A copied panel takes so many bytes of the stack at most.
  private static let mostPanelBytes = 512 << 10
  /// With fewer rows than this a panel that vectors can read where it lies is not worth a copy.
  private static let fewestRowsForPanel = 32

  init(_ kernel: Kernel, _ form: ProductForm, _ cost: CostModel) {
    let element = form.nest.accumulator.element
    lanes = cost.lanes(element)
    let turned = Self.isTurned(kernel, form, lanes)
    vector = turned ? form.left : form.right
    scalar = turned ? form.right : form.left
    let across = Self.widest(vector, lanes)
    self.across = across
    down = scalar.dimensions.max { $0.extent < $1.extent }
    let (width, height) = (across?.extent ?? 1, down?.extent ?? 1)
    laneSum = Self.laneSum(kernel, form, lanes)
    if laneSum != nil {
      rows = min(height, Self.fewestColumns - 1)
      columns = min(width, max(1, cost.target.vectorRegisters / 4 / rows))
      isPacked = false
      return
    }
    let terms = form.nest.reductions.reduce(1) { $0 * $1.extent }
    func fits(_ columns: Int) -> Bool {
      terms <= Self.mostPanelBytes / element.byteCount / columns
    }
    var tile = cost.bestTile(columns: height, channels: width, element: element)
    if !fits(tile.vectors * lanes) { tile.vectors = 1 }
    rows = min(tile.columns, height)
    columns = min(tile.vectors * lanes, max(width / lanes * lanes, width % lanes))
    isPacked =
      fits(columns)
      && (!Self.isReadable(kernel, vector, lanes) || scalar.extent >= Self.fewestRowsForPanel)
  }

  /// Whether lanes would share the sum if all factors lay along its last loop.
  func wantsLaneSum(_ form: ProductForm) -> Bool {
    min(form.left.extent, form.right.extent) < Self.fewestColumns
      && LaneSumTile.lanes(for: form.nest.reductions.last?.extent ?? 1, atMost: lanes) >= 4
  }

  /// Whether vectors run along the first factor's dimension: the second one's does not fill them.
  ///
  /// A vector that half of it fills is better than elements that have to be gathered from all rows.
  private static func isTurned(_ kernel: Kernel, _ form: ProductForm, _ lanes: Int) -> Bool {
    let (rows, columns) = (form.left.extent, form.right.extent)
    guard columns < lanes && rows > columns else { return false }
    return columns < lanes / 2 || !isReadable(kernel, form.right, lanes)
      || isReadable(kernel, form.left, lanes)
  }

  /// Whether the columns that vectors would run along lie side by side.
  private static func isReadable(
    _ kernel: Kernel, _ factor: ProductForm.Factor, _ lanes: Int
  ) -> Bool {
    widest(factor, lanes).map { kernel.stride(of: $0.name, in: factor.value) == 1 } ?? true
  }

  /// The last dimension if it fills vectors, else the longest one.
  private static func widest(
    _ factor: ProductForm.Factor, _ lanes: Int
  ) -> LoopNest.Dimension? {
    if let last = factor.dimensions.last, last.extent >= lanes { return last }
    return factor.dimensions.max { $0.extent < $1.extent }
  }

  /// Lanes that share the last loop, where one factor has few rows or columns and both lie along the loop.
  private static func laneSum(_ kernel: Kernel, _ form: ProductForm, _ lanes: Int) -> Int? {
    guard form.nest.isSumOfProducts, let loop = form.nest.reductions.last,
      min(form.left.extent, form.right.extent) < fewestColumns,
      [form.left, form.right].allSatisfy({ kernel.stride(of: loop.name, in: $0.value) == 1 })
    else { return nil }
    let shared = LaneSumTile.lanes(for: loop.extent, atMost: lanes)
    return shared >= 4 ? shared : nil
  }
}
