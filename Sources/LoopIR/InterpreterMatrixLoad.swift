import Diagnostics
import Tensors

/// Matrices out of shared memory, warp by warp.
extension Resolver {
  mutating func resolve(_ load: MatrixLoad) throws(Diagnostic) -> StatementCode {
    let target = try access(load.target.buffer, load.target.indices)
    let thread = define(load.thread, .index)
    let source = try access(load.source, load.indices)
    let name = "ldmatrix %\(load.thread)"
    return { machine throws(Diagnostic) in
      let memory = machine.memories[target.slot]
      guard let count = load.elements(of: memory.buffer) else {
        throw machine.failure("%\(target.name) cannot be loaded: verify the module first")
      }
      let base = try target.place(machine, from: 1)
      machine.epochs.append(machine.threadEpoch)
      machine.iterations.append(0)
      machine.loops.append(name)
      for first in stride(from: 0, to: memory.buffer.extents[0], by: MatrixShape.warp) {
        let warp = WarpRead(source, thread, first: first, count: count, load.isTransposed)
        let rows = try warp.rows(machine)
        for lane in 0..<MatrixShape.warp {
          let place = base + (first + lane) * memory.buffer.strides[0]
          for (element, value) in try warp.values(lane, rows, machine).enumerated() {
            memory.write(value, at: place + element)
          }
        }
      }
      machine.epochs.removeLast()
      machine.iterations.removeLast()
      machine.loops.removeLast()
    }
  }
}

/// What one warp reads: `count` elements for each of its threads.
private struct WarpRead {
  let source: ElementAccess
  /// The slot of the variable that stands for the thread, and the warp's first one.
  let thread: Int
  let first: Int
  let count: Int
  let isTransposed: Bool

  init(_ source: ElementAccess, _ thread: Int, first: Int, count: Int, _ isTransposed: Bool) {
    (self.source, self.thread, self.first, self.count) = (source, thread, first, count)
    self.isTransposed = isTransposed
  }

  private func packing(_ machine: Machine) -> Int {
    MatrixLoad.bytes / machine.memories[source.slot].buffer.element.byteCount
  }

  /// Where the rows of all matrices begin, each as its thread says.
  func rows(_ machine: Machine) throws(Diagnostic) -> [Int] {
    let rowElements = MatrixLoad.rowBytes / MatrixLoad.bytes * packing(machine)
    var rows: [Int] = []
    for lane in 0..<count / packing(machine) * MatrixLoad.rows {
      machine.integers[thread] = first + lane
      let place = try source.place(machine)
      guard place % rowElements == 0, let end = machine.memories[source.slot].buffer.extents.last,
        let last = source.indices.last, try last(machine) <= end - rowElements
      else {
        throw machine.failure(
          "ldmatrix: thread \(first + lane) reads a row of %\(source.name) that is not "
            + "\(MatrixLoad.rowBytes) bytes beside each other, aligned to as many")
      }
      rows.append(place)
    }
    return rows
  }

  /// What one thread gets of each matrix.
  func values(
    _ lane: Int, _ rows: [Int], _ machine: Machine
  ) throws(Diagnostic) -> [Double] {
    let memory = machine.memories[source.slot]
    let packing = packing(machine)
    machine.iterations[machine.iterations.count - 1] = first + lane
    var values: [Double] = []
    for element in 0..<count {
      let own = (line: lane / 4, within: lane % 4 * packing + element % packing)
      let row = element / packing * MatrixLoad.rows + (isTransposed ? own.within : own.line)
      machine.integers[thread] = first + row
      let place = rows[row] + (isTransposed ? own.line : own.within)
      try source.checkRaces(machine, place, isWrite: false)
      guard memory.isWritten[place] else {
        throw machine.failure("ldmatrix: %\(source.name) is read before it is written")
      }
      values.append(memory.values[place])
    }
    return values
  }
}
