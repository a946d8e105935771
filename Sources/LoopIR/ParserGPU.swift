import Diagnostics

/// Statements of GPU kernels.
extension LoopParser {
  private static let gpuWords: Set = [
    "barrier", "copy_async", "commit_group", "wait_group", "ldmatrix", "mma", "wgmma",
    "wgmma_fence", "wgmma_commit", "wgmma_wait", "proxy_fence",
  ]

  /// Nil for other words, which stay where they are.
  mutating func gpuStatement(_ word: String) throws(Diagnostic) -> Statement? {
    guard Self.gpuWords.contains(word) else { return nil }
    try tokens.take()
    switch word {
    case "barrier": return .barrier
    case "copy_async": return .copy(try copy())
    case "commit_group": return .commitGroup
    case "wait_group": return .waitGroup(try tokens.integer("how many groups may be under way"))
    case "ldmatrix": return .loadMatrices(try matrixLoad())
    case "mma": return .multiply(try product())
    default: return .warpGroup(try warpGroupStep(word))
    }
  }

  /// `%a[...] = %b[...] where ...`.
  private mutating func copy() throws(Diagnostic) -> AsyncCopy {
    let buffer = try tokens.percentName("a shared buffer, as in '%a'")
    let indices = try expressions("[", "]")
    try tokens.expect("=")
    let source = try expression()
    let condition = try tokens.takeIfWord("where") ? try expression() : nil
    return AsyncCopy(buffer, indices, from: source, where: condition)
  }

  /// `%t: %a[...] = %b[...]`, behind `transposed` or not.
  private mutating func matrixLoad() throws(Diagnostic) -> MatrixLoad {
    let isTransposed = try tokens.takeIfWord("transposed")
    let thread = try tokens.percentName("the name of the thread's number, as in '%t'")
    try tokens.expect(":")
    let target = try fragment()
    try tokens.expect("=")
    let source = try tokens.percentName("a shared buffer, as in '%a'")
    return MatrixLoad(
      target, from: source, try expressions("[", "]"), thread: thread, isTransposed: isTransposed)
  }

  /// `%c[...] += %a[...] * %b[...]`.
  private mutating func product() throws(Diagnostic) -> MatrixProduct {
    let sum = try fragment()
    try tokens.expect("+=")
    let left = try fragment()
    try tokens.expect("*")
    return MatrixProduct(sum: sum, left: left, right: try fragment())
  }

  private mutating func fragment() throws(Diagnostic) -> MatrixProduct.Fragment {
    let buffer = try tokens.percentName("a register buffer, as in '%a'")
    return MatrixProduct.Fragment(buffer, try expressions("[", "]"))
  }

  private mutating func warpGroupStep(_ word: String) throws(Diagnostic) -> WarpGroupStep {
    switch word {
    case "wgmma_fence": return .fence
    case "wgmma_commit": return .commit
    case "wgmma_wait": return .wait(try tokens.integer("how many groups may be under way"))
    case "proxy_fence": return .publish
    default:
      let sum = try fragment()
      try tokens.expect("+=")
      let left = try sharedMatrix()
      try tokens.expect("*")
      return .multiply(WarpGroupProduct(sum: sum, left: left, right: try sharedMatrix()))
    }
  }

  /// `%a[...] by [128, 64, 512]`.
  private mutating func sharedMatrix() throws(Diagnostic) -> SharedMatrix {
    let buffer = try tokens.percentName("a shared buffer, as in '%a'")
    let indices = try expressions("[", "]")
    try tokens.expectWord("by")
    let place = tokens.location
    let steps = try tokens.list("[", "]") { tokens throws(Diagnostic) in
      try tokens.integer("a number of elements")
    }
    guard steps.count == 3 else {
      throw Diagnostic(
        "\(steps.count) steps are given; a matrix in shared memory has 3", at: place,
        help: "give the elements to the next warp group's, to the next 8 rows, to the next 16 bytes"
      )
    }
    return SharedMatrix(
      buffer, indices, groupStep: steps[0], rowStep: steps[1], columnStep: steps[2])
  }
}
