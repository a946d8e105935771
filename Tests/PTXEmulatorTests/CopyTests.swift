import Diagnostics
import Testing

@testable import PTXEmulator

private let commit = "cp.async.commit_group;"
private let wait = "cp.async.wait_group 0;"
private let barrier = "bar.sync 0;"

/// What stands between a copy by every thread and another thread's read, and what is wrong with it.
private let sequences: [([String], String?)] = [
  ([commit, wait, barrier], nil),
  (["cp.async.wait_all;", barrier], nil),
  ([commit, commit, "cp.async.wait_group 1;", barrier], nil),
  ([commit, wait], "races with thread 31, which writes it"),
  ([commit, barrier], "a copy by thread 31, which has not waited for it, is under way"),
  ([commit, barrier, wait], "races with thread 31, which writes it"),
  ([wait, barrier], "a copy by thread 31, which has not waited for it, is under way"),
  ([commit, "cp.async.wait_group 1;", barrier], "is under way"),
  (["ld.shared.u32 %r1, [%rd6];", commit, wait, barrier], "a copy by thread 0"),
  (["st.shared.u32 [%rd6], 1;", commit, wait, barrier], "a copy by thread 0"),
  ([commit, wait, "st.shared.u32 [%rd6], %r90;", barrier], nil),
]

/// Copies, and what is wrong with them.
private let wrongCopies: [(String, String)] = [
  ("cp.async.ca.shared.global [%rd6], [%rd1+128], 4;", "outside of every buffer"),
  ("cp.async.ca.shared.global [%rd6], [%rd1+128], 4, 0;", "outside of every buffer"),
  ("cp.async.ca.shared.global [%rd6+2], [%rd1], 4;", "not aligned"),
  ("cp.async.ca.shared.global [%rd6], [%rd1+4], 8;", "not aligned"),
  ("cp.async.ca.shared.global [%rd6+256], [%rd1], 4;", "outside of shared memory"),
  ("cp.async.ca.shared.global [%rd6], [%rd2], 4;", "reads what nothing has written"),
  ("cp.async.ca.shared.global [%rd6], [%rd1], 4, 2;", "copies 2 of 4 bytes"),
  ("cp.async.cg.shared.global [%rd6], [%rd1], 4;", "is not emulated"),
  ("cp.async.bulk.shared.global [%rd6], [%rd1], 4;", "is not emulated"),
]

extension EmulatorTests {
  private static let addresses = """
    shl.b32 %r2, %r90, 2;
    cvt.u64.u32 %rd4, %r2;
    mov.u64 %rd5, s;
    add.s64 %rd6, %rd5, %rd4;
    """

  private static let shared = ".shared .align 16 .b8 s[256];"

  /// Each thread copies a word, and stores the one of the thread at the other end.
  private func exchanged(_ between: [String], size: String = "") throws(Diagnostic) -> [UInt32?] {
    try run(
      """
      \(Self.addresses)
      cp.async.ca.shared.global [%rd6], [%rd1], 4\(size);
      \(between.joined(separator: "\n"))
      sub.s32 %r3, 31, %r90;
      mul.wide.s32 %rd7, %r3, 4;
      add.s64 %rd8, %rd5, %rd7;
      ld.shared.u32 %r1, [%rd8];
      st.global.u32 [%rd2], %r1;
      """, input: Array(0..<32), shared: Self.shared)
  }

  @Test(arguments: sequences)
  func copiesNeedAWaitAndABarrier(_ between: [String], _ message: String?) throws {
    guard let message else {
      #expect(try exchanged(between) == (0..<32).reversed().map { UInt32($0) })
      return
    }
    let text = failure { () throws(Diagnostic) in try exchanged(between) }
    #expect(text.contains(message), "\(text)")
  }

  @Test func aCopyOfNoBytesWritesZeros() throws {
    #expect(try exchanged([commit, wait, barrier], size: ", 0").allSatisfy { $0 == 0 })
  }

  @Test(arguments: wrongCopies) func wrongCopiesAreNamed(_ copy: String, _ message: String) {
    let text = failure { () throws(Diagnostic) in
      try run(Self.addresses + "\n" + copy, input: Array(0..<32), shared: Self.shared)
    }
    #expect(text.contains(message), "\(text)")
  }

  /// Bytes that a launch asks for lie behind the kernel's own; without them there is nothing.
  @Test(arguments: [0, 4, 256]) func launchesAskForSharedMemory(_ bytes: Int) throws {
    let text = """
      .extern .shared .align 128 .b8 more[];
      .visible .entry k(
      .param .u64 p
      )
      {
      .shared .align 16 .b8 s[16];
      ld.param.u64 %rd1, [p];
      mov.u64 %rd2, s;
      mov.u64 %rd3, more;
      st.shared.u32 [%rd2], 1;
      st.shared.u32 [%rd3], 2;
      ld.shared.u32 %r1, [%rd2];
      ld.shared.u32 %r2, [%rd3];
      add.s32 %r3, %r1, %r2;
      st.global.u32 [%rd1], %r3;
      ret;
      }
      """
    let memory = DeviceMemory(byteCount: 4)
    let failure = failure { () throws(Diagnostic) in
      try Emulator(text).launch(
        "k", blocks: 1, threads: 1, dynamicSharedBytes: bytes,
        buffers: [
          DeviceBuffer(name: "b", memory: memory, range: 0..<4, isWritable: true, isReadable: false)
        ])
      return []
    }
    #expect(failure.contains("outside of shared memory") == (bytes == 0))
    if bytes > 0 { #expect(memory.bytes.load(as: UInt32.self) == 3) }
  }
}
