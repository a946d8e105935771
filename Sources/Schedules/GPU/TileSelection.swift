import LoopIR

/// The tile of each convolution: a schedule file's, else the cost model's.
struct TileSelection {
  let gpu: GPU
  let precision: Precision
  /// By the names of kernels before their layouts are assigned.
  var choices: [String: TileChoice] = [:]

  /// The convolution by its tile; nil where nothing fits (huge kernels).
  func kernel(_ form: StagedConvolution) -> (any TiledKernel)? {
    let name = form.kernel.name
    let choice = choices[name] ?? choices[LoopModule.generalName(name)]
    return choice.map { kernel(form, $0) } ?? standard(form)?.kernel
  }

  /// The convolution by a chosen tile; nil where there is none such for it.
  func kernel(_ form: StagedConvolution, _ choice: TileChoice) -> (any TiledKernel)? {
    func kernel<Kind: TileKind>(_ kind: Kind.Type) -> (any TiledKernel)? {
      kind.tiles(form, gpu, precision).first { $0.has(choice.numbers) }?.kernel(form, gpu)
    }
    return TileKinds.named(choice.kind).flatMap { kernel($0) }
  }

  /// What the cost model chooses: the first kind that has a tile and code for the convolution.
  func standard(_ form: StagedConvolution) -> (choice: TileChoice, kernel: any TiledKernel)? {
    for kind in TileKinds.all {
      guard let tile = kind.standard(form, gpu, precision), let kernel = tile.kernel(form, gpu)
      else { continue }
      return (tile.choice, kernel)
    }
    return nil
  }

  /// Weights in the order in which the scheduled kernel goes through them, by parameter.
  func preferredOrders(_ kernel: Kernel) -> [Int: [Int]] {
    guard let form = StagedConvolution(kernel),
      let position = kernel.parameters.firstIndex(where: { $0.buffer.name == form.weights })
    else { return [:] }
    return [position: self.kernel(form)?.weightOrder ?? [2, 3, 1, 0]]
  }
}
