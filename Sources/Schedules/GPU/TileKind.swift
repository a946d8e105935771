import LoopIR

/// A kind of tile by which a GPU computes convolutions, with the numbers that schedule files give of one.
///
/// A kind of which the cost model chooses nothing is there for files and for tuning alone. To add one, conform and add
/// it to `TileKinds`.
protocol TileKind: GridTile {
  /// Its word in schedule files.
  static var word: String { get }
  /// The numbers in files, in order.
  static var numbers: [TileNumber<Self>] { get }

  /// Whether tuning tries the tile; it times kernels and does not look at what they compute.
  var isTuned: Bool { get }

  /// Every tile that can compute the convolution: what files may choose and tuning may try.
  static func tiles(_ form: StagedConvolution, _ gpu: GPU, _ precision: Precision) -> [Self]
  /// What the cost model chooses; nil where the convolution is for another kind.
  static func standard(
    _ form: StagedConvolution, _ gpu: GPU, _ precision: Precision
  ) -> Self?
  /// Estimated cycles, to compare tiles of the kind.
  func cost(_ form: StagedConvolution, _ gpu: GPU) -> Double
  /// The convolution by this tile; nil where it is of a form that the kind has no code for.
  func kernel(_ form: StagedConvolution, _ gpu: GPU) -> (any TiledKernel)?
}

/// One of a tile's numbers and its name in schedule files.
struct TileNumber<Tile> {
  let name: String
  let path: KeyPath<Tile, Int>
  /// Files need not say this one.
  let usual: Int?

  init(_ name: String, _ path: KeyPath<Tile, Int>, usual: Int? = nil) {
    (self.name, self.path, self.usual) = (name, path, usual)
  }
}

extension TileKind {
  var isTuned: Bool { true }

  /// What files say of this tile.
  var choice: TileChoice {
    TileChoice(kind: Self.word, numbers: Self.numbers.map { self[keyPath: $0.path] })
  }

  func has(_ numbers: [Int]) -> Bool {
    zip(Self.numbers, numbers).allSatisfy { self[keyPath: $0.path] == $1 }
  }
}

/// A convolution by one tile.
protocol TiledKernel {
  func scheduled() -> Kernel
  /// The order of the weights' dimensions, outermost first, in which the kernel goes through them.
  var weightOrder: [Int] { get }
  /// Whether the weights are multiplied in the type of tensor cores, so that they may be stored so.
  var roundsWeights: Bool { get }
  /// What the kernel takes in place of the weights, where it takes them transformed.
  var transformedWeights: TransformedWeights? { get }
}

extension TiledKernel {
  var roundsWeights: Bool { false }
  var transformedWeights: TransformedWeights? { nil }
}

/// All kinds, in the order in which the cost model asks them.
enum TileKinds {
  static var all: [any TileKind.Type] {
    [
      NarrowTile.self, WinogradTile.self, MatrixTile.self, WarpGroupTile.self, GPUTile.self,
    ]
  }

  static func named(_ word: String) -> (any TileKind.Type)? { all.first { $0.word == word } }
}

/// A tile as schedule files have it: `matrix {tiles = 2, parts = 4, groups = 1, ...}`.
public struct TileChoice: Hashable, Sendable {
  /// The word of a kind in `TileKinds`.
  let kind: String
  /// In the kind's order.
  let numbers: [Int]
}

extension TileChoice: CustomStringConvertible {
  public var description: String {
    let named = zip(TileKinds.named(kind)?.texts ?? [], numbers).compactMap { $0($1) }
    return "\(kind) {\(named.joined(separator: ", "))}"
  }
}

extension TileKind {
  /// How each number is written; nil where files need not say it.
  fileprivate static var texts: [(Int) -> String?] {
    numbers.map { number in { $0 == number.usual ? nil : "\(number.name) = \($0)" } }
  }

  /// Names of the numbers, and the values of those that a file may leave out.
  static var fields: [(name: String, usual: Int?)] { numbers.map { ($0.name, $0.usual) } }
}
