import LoopIR

/// A call that sums over what an earlier call writes, so that the earlier one can do it.
struct ResultSum {
  /// The call's number in `run`.
  let call: Int
  let sum: ChannelSum
  /// The sum's parameters that are what the earlier call writes.
  let results: Set<String>
  /// The buffers of the sum's parameters.
  private let buffers: [String: String]

  fileprivate init(call: Int, sum: ChannelSum, results: Set<String>, buffers: [String: String]) {
    self.call = call
    self.sum = sum
    self.results = results
    self.buffers = buffers
  }

  /// What the earlier kernel must read besides what it writes.
  var operands: [KernelParameter] {
    let read = sum.summed.loadedBuffers.subtracting(results)
    return sum.kernel.parameters.filter { read.contains($0.buffer.name) }
  }

  /// The earlier call's further arguments.
  func arguments(parts: String) -> [String] {
    operands.compactMap { buffers[$0.buffer.name] } + [parts]
  }

  /// The call of the kernel that adds up the parts.
  func total(_ kernel: Kernel, parts: String) -> Statement {
    .call(kernel.name, kernel.parameters.map { buffers[$0.buffer.name] ?? parts })
  }

  /// Two sums of one form are the same work for the kernel.
  var form: String { ([sum.kernel.name] + results.sorted()).joined(separator: " ") }
}

/// Finds the sums over what calls of `run` write.
struct ResultSums {
  private let run: [Statement]
  private let sums: [String: ChannelSum]
  /// The last call that writes a buffer.
  private var writers: [String: Int] = [:]

  init(_ module: LoopModule) {
    run = module.run
    var sums: [String: ChannelSum] = [:]
    for kernel in module.kernels { sums[kernel.name] = ChannelSum(kernel) }
    self.sums = sums
    for (index, statement) in run.enumerated() {
      guard case .call(let name, let arguments) = statement,
        let kernel = module.kernel(named: name)
      else { continue }
      for (parameter, argument) in zip(kernel.parameters, arguments)
      where parameter.access.writes {
        writers[argument] = index
      }
    }
  }

  /// Sums over the buffer that a call writes, of which all else is known before that call.
  func of(_ buffer: String, writtenBy call: Int) -> [ResultSum] {
    run.indices.dropFirst(call + 1).compactMap { later in
      guard case .call(let name, let arguments) = run[later], arguments.contains(buffer),
        let sum = sums[name]
      else { return nil }
      let names = sum.kernel.parameters.map(\.buffer.name)
      let buffers = Dictionary(uniqueKeysWithValues: zip(names, arguments))
      let results = Set(names.filter { buffers[$0] == buffer })
      let found = ResultSum(call: later, sum: sum, results: results, buffers: buffers)
      let isKnown = found.operands.allSatisfy {
        buffers[$0.buffer.name].flatMap { writers[$0] }.map { $0 < call } ?? true
      }
      let isOfResult = sum.summed.loadedBuffers.contains(where: results.contains)
      return isKnown && isOfResult ? found : nil
    }
  }
}

/// What later calls do with the result of a call, and the kernel that writes it can do.
struct ResultWork {
  var sums: [ResultSum]
  var pooling: ResultPooling?

  /// Equal for two calls whose kernel has the same work.
  var forms: [String] { sums.map(\.form) + [pooling?.form].compactMap(\.self) }
}

/// A kernel that also does what later calls did with its results, and the parts of sums that it writes, by its own
/// names.
struct WorkingKernel {
  var kernel: Kernel
  var parts: [Buffer] = []
}

extension LoopModule {
  /// Replaces a kernel by others that do what later calls do with its results, and sum calls by what adds up the parts.
  ///
  /// - Parameters:
  ///   - lanes: channels in one vector of results; nil where the kernel adds up no sums.
  ///   - pools: the part of a pooling that the kernel can do; nil for none.
  ///   - make: the kernel for some work, or nil where the call is to stay; without work, the kernel for all other
  ///     calls.
  mutating func replaceCalls(
    of kernel: Kernel, lanes: Int?, pools: (ResultPooling) -> ResultPooling? = { _ in nil },
    _ make: (ResultWork) -> WorkingKernel?
  ) {
    guard let place = kernels.firstIndex(of: kernel) else { return }
    let original = self
    let resultSums = lanes.map { _ in ResultSums(self) }
    var variants: [[String]: WorkingKernel] = [:]
    var made: [Kernel] = []
    var replaced: [Int: [Statement]] = [:]
    run = []
    for (index, statement) in original.run.enumerated() {
      guard case .call(kernel.name, let arguments) = statement, let result = arguments.last else {
        run += replaced[index] ?? [statement]
        continue
      }
      let work = ResultWork(
        sums: resultSums?.of(result, writtenBy: index) ?? [],
        pooling: original.pooling(of: result, writtenBy: index).flatMap(pools))
      var variant = variants[work.forms] ?? make(work) ?? WorkingKernel(kernel: kernel)
      if variants[work.forms] == nil {
        let equals = made.count { $0.name.hasPrefix(variant.kernel.name) && !work.forms.isEmpty }
        if equals > 0 { variant.kernel.name += "_v\(equals + 1)" }
        variants[work.forms] = variant
        made.append(variant.kernel)
      }
      run.append(call(variant, arguments, work, lanes: lanes ?? 1, replacing: &replaced))
    }
    kernels.replaceSubrange(place...place, with: made)
  }

  /// The call of a kernel that does the work of later calls, and what stands in their place, by their numbers.
  private mutating func call(
    _ variant: WorkingKernel, _ arguments: [String], _ work: ResultWork, lanes: Int,
    replacing later: inout [Int: [Statement]]
  ) -> Statement {
    let further = add(work.sums, parts: variant.parts, lanes: lanes)
    later.merge(further.totals.mapValues { [$0] }) { first, _ in first }
    var results = arguments.suffix(1)
    if let pooling = work.pooling {
      later[pooling.call] = []
      if pooling.isOnlyReader { buffers.removeAll { results.contains($0.buffer.name) } }
      results = [pooling.pooled] + (pooling.isOnlyReader ? [] : results)
    }
    return .call(variant.kernel.name, arguments.dropLast() + further.arguments + results)
  }

  /// Declares what lies between a call and sums over its result.
  ///
  /// - Returns: the call's further arguments, and what adds up the parts, by the number of the call that it replaces.
  mutating func add(
    _ sums: [ResultSum], parts: [Buffer], lanes: Int
  ) -> (arguments: [String], totals: [Int: Statement]) {
    var arguments: [String] = []
    var totals: [Int: Statement] = [:]
    for (sum, parts) in zip(sums, parts) {
      let name = addTemporary(parts)
      arguments += sum.arguments(parts: name)
      var total = sum.sum.total(of: parts, lanes: lanes)
      total.name = share(total)
      totals[sum.call] = sum.total(total, parts: name)
    }
    return (arguments, totals)
  }

  /// Declares a temporary under a name that no other buffer has, which it returns.
  mutating func addTemporary(_ buffer: Buffer) -> String {
    // One pass: models of many layers have thousands of buffers whose names differ in the number alone.
    let prefix = buffer.name + "."
    var taken: Set<Int> = []
    for other in buffers.lazy.map(\.buffer.name) {
      if other == buffer.name {
        taken.insert(0)
      } else if other.hasPrefix(prefix), let number = Int(other.dropFirst(prefix.count)) {
        taken.insert(number)
      }
    }
    var own = buffer
    var number = 0
    while taken.contains(number) { number += 1 }
    if number > 0 { own.name = prefix + "\(number)" }
    buffers.append(ModuleBuffer(own, .temporary(offset: nil)))
    return own.name
  }

  /// The name of an equal kernel that is there already, or of this one after adding it.
  mutating func share(_ kernel: Kernel) -> String {
    var candidate = kernel
    var number = 1
    while let other = self.kernel(named: candidate.name), other != candidate {
      number += 1
      candidate.name = "\(kernel.name)_v\(number)"
    }
    if self.kernel(named: candidate.name) == nil { kernels.append(candidate) }
    return candidate.name
  }

  /// Drops kernels that `run` called when the module was as given, and that nobody calls any more.
  mutating func dropUncalled(since earlier: LoopModule) {
    kernels.removeAll { earlier.run.call($0.name) && !run.call($0.name) && !prepare.call($0.name) }
  }
}
