import Diagnostics
import Tensors

/// The state of one kernel's run: variables by slot, and the concurrent loops that are under way.
///
/// Closures read and write it one at a time, on one thread; checking that for each access took a quarter
/// of the unit tests' time.
final class Machine {
  let kernel: String
  @exclusivity(unchecked) var integers: [Int]
  @exclusivity(unchecked) var booleans: [Bool]
  @exclusivity(unchecked) var elements: [Double]
  @exclusivity(unchecked) var memories: [Memory]
  /// For each concurrent loop under way, outermost first: its run, its iteration and how messages call it.
  @exclusivity(unchecked) var epochs: [Int] = []
  @exclusivity(unchecked) var iterations: [Int] = []
  var loops: [String] = []
  /// GPU threads of a block race until a barrier, also from one loop over them to the next.
  var threadEpoch = 0
  private var lastEpoch = 0
  /// Copies that threads have started: groups that they have closed, oldest first, and those in no group yet.
  var groups: [[StartedCopy]] = []
  var copies: [StartedCopy] = []
  /// The same for products of warp groups.
  var productGroups: [[StartedProduct]] = []
  var products: [StartedProduct] = []

  init(kernel: String, slots: Int, memories: [Memory]) {
    self.kernel = kernel
    integers = Array(repeating: 0, count: slots)
    booleans = Array(repeating: false, count: slots)
    elements = Array(repeating: 0, count: slots)
    self.memories = memories
  }

  func newEpoch() -> Int {
    lastEpoch += 1
    return lastEpoch
  }

  func failure(_ message: String, help: String? = nil) -> Diagnostic {
    Diagnostic("kernel @\(kernel): \(message)", help: help)
  }
}

/// A resolved expression.
enum Code {
  case index((Machine) throws(Diagnostic) -> Int)
  case boolean((Machine) throws(Diagnostic) -> Bool)
  case element(ElementType, (Machine) throws(Diagnostic) -> Double)
}

typealias IndexCode = (Machine) throws(Diagnostic) -> Int
typealias BooleanCode = (Machine) throws(Diagnostic) -> Bool
typealias ElementCode = (Machine) throws(Diagnostic) -> Double
typealias StatementCode = (Machine) throws(Diagnostic) -> Void

/// An access to one element with its checks.
struct ElementAccess {
  /// The kernel's name for the buffer.
  let name: String
  let slot: Int
  let indices: [IndexCode]

  /// The place in memory of the element; throws where an index is out of bounds.
  ///
  /// - Parameter first: the dimension of the first index; the place is at the beginning of all dimensions before it.
  func place(_ machine: Machine, from first: Int = 0) throws(Diagnostic) -> Int {
    let buffer = machine.memories[slot].buffer
    var place = 0
    var dimension = first
    for code in indices {
      let index = try code(machine)
      guard index >= 0, index < buffer.extents[dimension] else {
        throw machine.failure(
          "\(try text(machine)): index \(index) of dimension \(dimension) is outside "
            + "0 ..< \(buffer.extents[dimension])")
      }
      place += index * buffer.strides[dimension]
      dimension += 1
    }
    return place
  }

  func load(_ machine: Machine) throws(Diagnostic) -> Double {
    let place = try place(machine)
    try checkRaces(machine, place, isWrite: false)
    let memory = machine.memories[slot]
    guard memory.isWritten[place] else {
      throw machine.failure("\(try text(machine)) is read before it is written")
    }
    return memory.values[place]
  }

  func store(_ value: Double, _ machine: Machine) throws(Diagnostic) {
    let place = try place(machine)
    try checkRaces(machine, place, isWrite: true)
    machine.memories[slot].write(value, at: place)
  }

  func checkRaces(
    _ machine: Machine, _ place: Int, isWrite: Bool
  ) throws(Diagnostic) {
    let memory = machine.memories[slot]
    try checkProducts(machine, place, isWrite: isWrite)
    guard !memory.isUnderWay(place) else {
      throw machine.failure(
        "\(try text(machine)) is \(isWrite ? "written" : "read") while a copy to it is under way",
        help: "wait for it first: wait_group")
    }
    var level = memory.level
    while level < machine.epochs.count {
      let iteration = machine.iterations[level]
      let other = memory.conflict(
        at: place, isWrite: isWrite, level: level, epoch: machine.epochs[level],
        iteration: iteration)
      if other == Memory.productReader {
        throw machine.failure(
          "\(try text(machine)) is written while other warps may still multiply it",
          help: "put a barrier after wgmma_wait")
      }
      if let other {
        throw machine.failure(
          "iterations \(other) and \(iteration) of \(machine.loops[level]) race for "
            + "\(try text(machine)): at least one of them writes it",
          help: "only iterations that touch different elements can run together")
      }
      level += 1
    }
  }

  /// The element with the values of its indices, and the module's name of the buffer where that is another.
  func text(_ machine: Machine) throws(Diagnostic) -> String {
    var values: [String] = []
    for code in indices { values.append("\(try code(machine))") }
    let element = "%\(name)[\(values.joined(separator: ", "))]"
    let argument = machine.memories[slot].buffer.name
    return argument == name ? element : element + " (%\(argument))"
  }
}
