import Diagnostics
import Tensors

/// What products of warp groups do with a buffer, and what is wrong with other accesses to it.
enum ProductUse {
  case factor(FactorUse)
  case sum(SumUse)

  final class FactorUse {
    /// Products under way that read a place.
    var readers: [Int: Int] = [:]
    /// Places that have been written since the last `proxy_fence`.
    var unpublished: Set<Int> = []
  }

  /// Fragments count by the place of their first element in the first thread's part.
  final class SumUse {
    /// Products under way that change a fragment.
    var products: [Int: Int] = [:]
    /// Fragments that threads have accessed since the last `wgmma_fence`; nil, for all of them, before the first one.
    var accessed: Set<Int>?
  }

  /// Of a buffer that is allocated, by its role.
  enum Role { case factor, sum }

  init(_ role: Role) { self = role == .sum ? .sum(SumUse()) : .factor(FactorUse()) }

  /// By name of the kernel's local buffers.
  static func roles(in kernel: Kernel) -> [String: Role] {
    var roles: [String: Role] = [:]
    for product in kernel.body.warpGroupProducts {
      roles[product.sum.buffer] = .sum
      for factor in [product.left, product.right] { roles[factor.buffer] = .factor }
    }
    return roles
  }

  var factor: FactorUse? { if case .factor(let use) = self { use } else { nil } }
  var sum: SumUse? { if case .sum(let use) = self { use } else { nil } }
}

/// A product that a warp group has started, until it has been waited for.
struct StartedProduct {
  var sum: Memory
  var fragment: Int
  /// The places that it reads.
  var factors: [(memory: Memory, places: [Int])]
  /// Which of the concurrent loops under way is the one over threads.
  var level: Int
}

extension Memory {
  /// Reads by products count as those of an iteration of their own.
  static let productReader = -1

  /// The fragment that a place of a sum belongs to.
  fileprivate func fragment(of place: Int) -> Int {
    let first = place % buffer.strides[0]
    return first - first % (MatrixShape.sumCount * buffer.extents[buffer.extents.count - 2])
  }
}

// MARK: Accesses by threads

extension ElementAccess {
  /// Throws where a product is under way that forbids the access.
  func checkProducts(
    _ machine: Machine, _ place: Int, isWrite: Bool
  ) throws(Diagnostic) {
    let memory = machine.memories[slot]
    switch memory.products {
    case nil: return
    case .factor(let use):
      guard !isWrite || use.readers[place] == nil else {
        throw machine.failure(
          "\(try text(machine)) is written while a product that reads it is under way",
          help: "wait for it first: wgmma_wait")
      }
    case .sum(let use):
      let fragment = memory.fragment(of: place)
      guard use.products[fragment] == nil else {
        throw machine.failure(
          "\(try text(machine)) is \(isWrite ? "written" : "read") while a product that changes it "
            + "is under way", help: "wait for it first: wgmma_wait")
      }
      use.accessed?.insert(fragment)
    }
  }
}

// MARK: Products

extension Resolver {
  mutating func resolve(_ step: WarpGroupStep) throws(Diagnostic) -> StatementCode {
    switch step {
    case .fence:
      return { machine in for memory in machine.memories { memory.products?.sum?.accessed = [] } }
    case .publish:
      return { machine in
        for memory in machine.memories { memory.products?.factor?.unpublished = [] }
      }
    case .commit:
      return { machine in
        machine.productGroups.append(machine.products)
        machine.products = []
      }
    case .wait(let groups): return { machine in machine.waitForProducts(groups) }
    case .multiply(let product): return try resolve(product)
    }
  }

  private func resolve(_ product: WarpGroupProduct) throws(Diagnostic) -> StatementCode {
    let sum = try access(product.sum.buffer, product.sum.indices)
    let factors = try [product.left, product.right].map { (matrix) throws(Diagnostic) in
      MatrixAccess(matrix: matrix, access: try access(matrix.buffer, matrix.indices))
    }
    let level = level
    return { machine throws(Diagnostic) in
      let buffer = machine.memories[sum.slot].buffer
      for group in 0..<buffer.extents[0] / WarpGroupProduct.threads {
        let columns = buffer.extents[buffer.extents.count - 2] * MatrixShape.columns
        let a = try factors[0].read(group, rows: WarpGroupProduct.rows, machine, level)
        let b = try factors[1].read(group, rows: columns, machine, level)
        let fragment = try sum.add(a.values, b.values, columns, group, machine)
        machine.products.append(
          StartedProduct(
            sum: machine.memories[sum.slot], fragment: fragment,
            factors: [a, b].map { ($0.memory, $0.places) }, level: level))
      }
    }
  }
}

extension Machine {
  /// The products of the groups before the latest `remaining` are done, for the warps that have waited; others may still
  /// read their factors until a barrier.
  fileprivate func waitForProducts(_ remaining: Int) {
    while productGroups.count > remaining {
      for product in productGroups.removeFirst() {
        product.sum.products?.sum?.products.release(product.fragment)
        for (memory, places) in product.factors {
          for place in places {
            memory.products?.factor?.readers.release(place)
            _ = memory.conflict(
              at: place, isWrite: false, level: product.level, epoch: threadEpoch,
              iteration: Memory.productReader)
          }
        }
      }
    }
  }
}

extension [Int: Int] {
  fileprivate mutating func release(_ key: Int) {
    let count = self[key, default: 1] - 1
    self[key] = count > 0 ? count : nil
  }
}

/// A factor in shared memory.
private struct MatrixAccess {
  struct Values {
    var values: [Double]
    var memory: Memory
    var places: [Int]
  }

  var matrix: SharedMatrix
  var access: ElementAccess

  /// The elements of a warp group's matrix, row after row; they are being read from now on.
  func read(
    _ group: Int, rows: Int, _ machine: Machine, _ level: Int
  ) throws(Diagnostic) -> Values {
    let memory = machine.memories[access.slot]
    guard let shape = MatrixShape(of: memory.buffer.element) else {
      throw machine.failure("%\(access.name) cannot be multiplied: verify the module first")
    }
    let first = try access.place(machine)
    let lanes = SharedMatrix.rowBytes / memory.buffer.element.byteCount
    var result = Values(values: [], memory: memory, places: [])
    for row in 0..<rows {
      for column in 0..<shape.depth {
        let place = first + matrix.offset(group: group, row: row, column: column, lanes: lanes)
        if let complaint = complaint(memory, place, machine, level) {
          throw machine.failure(
            "wgmma: row \(row), column \(column) of '\(LoopPrinter.text(matrix))' \(complaint)")
        }
        result.values.append(memory.values[place])
        result.places.append(place)
      }
    }
    for place in result.places { memory.products?.factor?.readers[place, default: 0] += 1 }
    return result
  }

  /// What is wrong with reading a place, or nil.
  private func complaint(
    _ memory: Memory, _ place: Int, _ machine: Machine, _ level: Int
  ) -> String? {
    guard memory.isWritten.indices.contains(place) else { return "lies outside of the buffer" }
    if memory.isUnderWay(place) { return "is read while a copy to it is under way: wait_group" }
    guard memory.isWritten[place] else { return "is read before it is written" }
    if memory.products?.factor?.unpublished.contains(place) == true {
      return "is not visible to products since it was written: proxy_fence"
    }
    let writer = memory.conflict(
      at: place, isWrite: false, level: level, epoch: machine.threadEpoch,
      iteration: Memory.productReader)
    if let writer {
      return "is read while thread \(writer), which writes it, may not have come here: barrier"
    }
    let value = memory.values[place]
    let isCut =
      memory.buffer.element == .f32 && value.isFinite && Float(value).bitPattern & 0x1FFF != 0
    return isCut ? "is \(value), which has more bits than tf32: tf32(x)" : nil
  }
}

extension ElementAccess {
  /// Adds A · B of a warp group to its threads' fragments; A and B are given by rows and by columns. Returns which
  /// fragment it is.
  fileprivate func add(
    _ a: [Double], _ b: [Double], _ columns: Int, _ group: Int, _ machine: Machine
  ) throws(Diagnostic) -> Int {
    let memory = machine.memories[slot]
    let fragment = try place(machine, from: 1)
    guard memory.products?.sum?.accessed?.contains(fragment) == false else {
      throw machine.failure(
        "wgmma: %\(name) has been accessed by threads since the last wgmma_fence, or there is none",
        help: "put a wgmma_fence between")
    }
    let depth = a.count / WarpGroupProduct.rows
    for thread in 0..<WarpGroupProduct.threads {
      let (warp, lane) = thread.quotientAndRemainder(dividingBy: MatrixShape.warp)
      let own =
        fragment + (group * WarpGroupProduct.threads + thread) * memory.buffer.strides[0]
      for element in 0..<columns / MatrixShape.columns * MatrixShape.sumCount {
        let (part, within) = element.quotientAndRemainder(dividingBy: MatrixShape.sumCount)
        let place = MatrixShape.sum(lane: lane, element: within)
        let row = (warp * MatrixShape.rows + place.row) * depth
        let column = (part * MatrixShape.columns + place.column) * depth
        guard memory.isWritten[own + element] else {
          throw machine.failure("wgmma: %\(name) of thread \(thread) is read before it is written")
        }
        let exact = (0..<depth).reduce(memory.values[own + element]) {
          $0 + a[row + $1] * b[column + $1]
        }
        memory.write(MatrixShape.towardsZero(exact), at: own + element)
      }
    }
    memory.products?.sum?.products[fragment, default: 0] += 1
    return fragment
  }
}
