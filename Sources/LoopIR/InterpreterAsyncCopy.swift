import Diagnostics

/// A copy that a thread has started: the element arrives when the thread has waited for it.
struct StartedCopy {
  var memory: Memory
  var place: Int
  var value: Double
  /// The thread that has started it, and which of the concurrent loops under way is the one over threads.
  var thread: Int
  var level: Int
}

/// Copies from global to shared memory, which nobody may see before the wait.
extension Resolver {
  mutating func resolve(_ copy: AsyncCopy) throws(Diagnostic) -> StatementCode {
    let target = try access(copy.buffer, copy.indices)
    let source = try element(copy.source)
    let condition = try copy.condition.map { (condition) throws(Diagnostic) in
      try boolean(condition)
    }
    let level = threadLevel
    return { machine throws(Diagnostic) in
      let isRead = try condition?(machine) ?? true
      let value = isRead ? try source(machine) : 0
      let place = try target.startCopy(machine)
      machine.copies.append(
        StartedCopy(
          memory: machine.memories[target.slot], place: place, value: value,
          thread: machine.iterations[level], level: level))
    }
  }
}

extension ElementAccess {
  /// Claims the element for a copy; until it arrives, an access is an error.
  fileprivate func startCopy(_ machine: Machine) throws(Diagnostic) -> Int {
    let place = try place(machine)
    try checkRaces(machine, place, isWrite: true)
    machine.memories[slot].startCopy(to: place)
    return place
  }
}

extension Machine {
  func commitGroup() {
    groups.append(copies)
    copies = []
  }

  /// What the groups before the latest `remaining` bring is there now, for the threads that have started the copies.
  func waitGroup(_ remaining: Int) throws(Diagnostic) {
    while groups.count > remaining {
      for copy in groups.removeFirst() {
        copy.memory.endCopy(of: copy.value, to: copy.place)
        // It counts as written only now: other threads need a barrier from here on.
        _ = copy.memory.conflict(
          at: copy.place, isWrite: true, level: copy.level, epoch: threadEpoch,
          iteration: copy.thread)
      }
    }
  }

  /// Each block starts with no copies under way.
  func startBlock() {
    threadEpoch = newEpoch()
    (groups, copies) = ([], [])
    (productGroups, products) = ([], [])
  }
}
