import Diagnostics

/// Memory of the emulated device, which knows what has been written to it.
///
/// One thread emulates all, so that no access needs a check that it is exclusive.
public final class DeviceMemory {
  let bytes: UnsafeMutableRawBufferPointer
  private let isOwner: Bool
  /// For each word of 4 bytes, whether it holds a value.
  @exclusivity(unchecked) var isWritten: [Bool]
  /// For each word, the last launch that wrote it and which of its threads did.
  @exclusivity(unchecked) var writers: [Writer]

  struct Writer {
    var launch: UInt32 = 0
    var thread: UInt32 = 0
  }

  /// Undefined content.
  public init(byteCount: Int) {
    bytes = .allocate(byteCount: max(byteCount, 1), alignment: 256)
    let words = (byteCount + 3) / 4
    isWritten = Array(repeating: false, count: words)
    writers = Array(repeating: Writer(), count: words)
    isOwner = true
  }

  /// Memory that others keep, full of values.
  public init(of bytes: UnsafeMutableRawBufferPointer) {
    self.bytes = bytes
    let words = (bytes.count + 3) / 4
    isWritten = Array(repeating: true, count: words)
    writers = Array(repeating: Writer(), count: words)
    isOwner = false
  }

  deinit { if isOwner { bytes.deallocate() } }

  /// What a host copies to the device.
  public func fill(_ values: [UInt8]) {
    precondition(values.count <= bytes.count, "more is copied than the memory holds")
    values.withUnsafeBytes { bytes.copyMemory(from: $0) }
    for word in 0..<(values.count + 3) / 4 where word < isWritten.count { isWritten[word] = true }
  }

  /// Makes the content of a range undefined.
  func forget(_ range: Range<Int>) {
    for word in range.lowerBound / 4..<(range.upperBound + 3) / 4 { isWritten[word] = false }
  }

  /// Copies floats to the host; nil where one of them was never written.
  public func floats(_ count: Int) -> [Float]? {
    guard count * 4 <= bytes.count, isWritten.prefix(count).allSatisfy({ $0 }) else { return nil }
    return Array(bytes.bindMemory(to: Float.self).prefix(count))
  }
}

/// What a kernel's parameter points to.
public struct DeviceBuffer {
  /// As messages call it.
  public var name: String
  public var memory: DeviceMemory
  public var range: Range<Int>
  public var isWritable: Bool
  /// Whether the kernel needs what it finds there; else that is undefined for a kernel that writes.
  public var isReadable: Bool

  /// `range` is in bytes; it lies inside of the memory.
  public init(
    name: String, memory: DeviceMemory, range: Range<Int>, isWritable: Bool, isReadable: Bool
  ) {
    precondition(range.lowerBound >= 0 && range.upperBound <= memory.bytes.count)
    (self.name, self.memory, self.range) = (name, memory, range)
    (self.isWritable, self.isReadable) = (isWritable, isReadable)
  }

  /// Every buffer has its own range of addresses, far from all others.
  static let addressBits = 40
  static func address(of number: Int) -> UInt64 { UInt64(number + 1) << UInt64(addressBits) }
}

/// The shared memory of the block that runs, with who touched each word since the last barrier, and who copies to it.
final class SharedMemory {
  /// Where the first variable is; address 0 is none.
  static let base: UInt64 = 4096

  let bytes: UnsafeMutableRawBufferPointer
  @exclusivity(unchecked) private var words: [Word]
  @exclusivity(unchecked) private var epoch: UInt32 = 1
  @exclusivity(unchecked) private var block: UInt32 = 0

  private struct Word {
    var epoch: UInt32 = 0
    /// The last block that wrote it.
    var block: UInt32 = 0
    var writer: Int32 = none
    var reader: Int32 = none
    /// The thread whose copy to it is under way.
    var copier: Int32 = none
    /// The last thread that wrote it, and how many fences to products that thread had done by then.
    var lastWriter: Int32 = none
    var fences: UInt32 = 0
    /// Products under way that read it.
    var products: UInt32 = 0
  }

  /// Words that copies of a thread are under way to.
  private struct Copies {
    /// By group, the oldest first.
    var groups: [[Range<Int>]] = []
    /// In no group yet.
    var started: [Range<Int>] = []
  }

  @exclusivity(unchecked) private var copies: [Copies]
  /// By thread.
  @exclusivity(unchecked) private var fences: [UInt32]
  private var hasProducts = false

  private static let none: Int32 = -1
  private static let several: Int32 = -2

  init(byteCount: Int, threads: Int) {
    bytes = .allocate(byteCount: max(byteCount, 16), alignment: 256)
    copies = Array(repeating: Copies(), count: threads)
    fences = Array(repeating: 0, count: threads)
    words = Array(repeating: Word(), count: (byteCount + 3) / 4)
  }

  deinit { bytes.deallocate() }

  func startBlock() {
    block += 1
    epoch += 1
    for thread in copies.indices {
      for range in copies[thread].groups.joined() + copies[thread].started {
        for word in range { words[word].copier = Self.none }
      }
      copies[thread] = Copies()
    }
    if hasProducts { for word in words.indices { words[word].products = 0 } }
  }

  func passBarrier() { epoch += 1 }

  /// Forgets who touched the word before the last barrier.
  @inline(__always) private func enterEpoch(_ word: Int) {
    if words[word].epoch == epoch { return }
    words[word].epoch = epoch
    words[word].writer = Self.none
    words[word].reader = Self.none
  }

  @inline(__always) private func noteWrite(_ word: Int, by thread: Int32) {
    words[word].writer = thread
    words[word].lastWriter = thread
    words[word].fences = fences[Int(thread)]
  }

  /// What is wrong with an access to a word, or nil.
  @inline(__always) func complaint(word: Int, thread: Int, isWrite: Bool) -> String? {
    let thread = Int32(truncatingIfNeeded: thread)
    enterEpoch(word)
    let (writer, reader, copier) = (words[word].writer, words[word].reader, words[word].copier)
    if copier >= 0 {
      return "a copy by thread \(copier), which has not waited for it, is under way"
    }
    if isWrite {
      if writer >= 0, writer != thread { return "races with thread \(writer), which writes it" }
      if reader == Self.several || (reader >= 0 && reader != thread) {
        return "races with another thread, which reads it"
      }
      if words[word].products > 0 { return "a product that reads it is under way" }
      noteWrite(word, by: thread)
      words[word].block = block
      return nil
    }
    if words[word].block != block { return "reads what no thread has written" }
    if writer >= 0, writer != thread { return "races with thread \(writer), which writes it" }
    if reader == Self.none {
      words[word].reader = thread
    } else if reader != thread {
      words[word].reader = Self.several
    }
    return nil
  }
}

// MARK: Copies

extension SharedMemory {
  /// A copy that the thread may write is under way from now on.
  func startCopy(to range: Range<Int>, of thread: Int) {
    for word in range { words[word].copier = Int32(truncatingIfNeeded: thread) }
    copies[thread].started.append(range)
  }

  func commitCopies(of thread: Int) {
    copies[thread].groups.append(copies[thread].started)
    copies[thread].started = []
  }

  /// The thread's copies have arrived, except for the latest groups; the others need a barrier from here on.
  func awaitCopies(of thread: Int, remaining: Int) {
    while copies[thread].groups.count > remaining {
      for word in copies[thread].groups.removeFirst().joined() {
        words[word].copier = Self.none
        words[word].epoch = epoch
        noteWrite(word, by: Int32(truncatingIfNeeded: thread))
        words[word].reader = Self.none
      }
    }
  }
}

// MARK: Products of warp groups

extension SharedMemory {
  /// Products see what the thread has written so far, after a barrier.
  func fence(_ thread: Int) { fences[thread] += 1 }

  /// What is wrong with a product's read of a word, or nil; it is under way from now on.
  func startProduct(reading word: Int) -> String? {
    guard words.indices.contains(word) else { return "reads outside of shared memory" }
    enterEpoch(word)
    let state = words[word]
    if state.copier >= 0 {
      return "a copy by thread \(state.copier), which has not waited for it, is under way"
    }
    if state.block != block { return "reads what no thread has written" }
    if state.writer >= 0 { return "races with thread \(state.writer), which writes it" }
    if state.lastWriter >= 0, fences[Int(state.lastWriter)] == state.fences {
      return "reads what thread \(state.lastWriter) has written without a fence.proxy.async since"
    }
    words[word].reader = Self.several
    words[word].products += 1
    hasProducts = true
    return nil
  }

  /// A warp has waited for the product; others need a barrier from here on.
  func endProduct(reading word: Int) {
    enterEpoch(word)
    words[word].products -= 1
    words[word].reader = Self.several
  }
}
