import Diagnostics
import Testing

@testable import PTXEmulator

/// Statements that leave a value in %r1.
private let integerCases: [(String, Int32)] = [
  ("add.s32 %r1, 7, -9;", -2), ("sub.s32 %r1, 7, 9;", -2), ("mul.lo.s32 %r1, -3, 5;", -15),
  ("mul.hi.s32 %r1, -65536, 65536;", -1), ("mul.hi.u32 %r1, 65536, 65536;", 1),
  ("mad.lo.s32 %r1, 3, 4, 5;", 17), ("min.s32 %r1, -1, 1;", -1), ("min.u32 %r1, -1, 1;", 1),
  ("max.s32 %r1, -1, 1;", 1), ("neg.s32 %r1, 4;", -4), ("and.b32 %r1, 12, 10;", 8),
  ("or.b32 %r1, 12, 10;", 14), ("xor.b32 %r1, 12, 10;", 6), ("not.b32 %r1, 0;", -1),
  ("shl.b32 %r1, 3, 4;", 48), ("shl.b32 %r1, 3, 40;", 0), ("shr.s32 %r1, -8, 1;", -4),
  ("shr.u32 %r1, -8, 28;", 15), ("shr.s32 %r1, -8, 99;", -1),
  ("bfe.s32 %r1, 240, 4, 4;", -1), ("bfe.u32 %r1, 240, 4, 4;", 15),
  ("cvt.u16.u32 %rs1, 65539;\ncvt.u32.u16 %r1, %rs1;", 3),
  ("cvt.s8.s32 %rs1, 255;\ncvt.s32.s16 %r1, %rs1;", -1),
  ("mul.lo.s16 %rs1, 300, 300;\ncvt.s32.s16 %r1, %rs1;", 24464),
  ("mul.wide.s32 %rd9, -2, 3;\ncvt.u32.u64 %r1, %rd9;", -6),
  ("cvt.s64.s32 %rd9, -2;\nshr.u64 %rd9, %rd9, 60;\ncvt.u32.u64 %r1, %rd9;", 15),
  ("cvt.u64.u32 %rd9, -2;\nshr.u64 %rd9, %rd9, 60;\ncvt.u32.u64 %r1, %rd9;", 0),
  (
    "cvt.u64.u32 %rd9, 7;\nshl.b64 %rd9, %rd9, 32;\n{ .reg .b32 tmp; mov.b64 {tmp, %r1}, %rd9; }", 7
  ),
  (
    "mov.u32 %r1, 327687;\n{ .reg .b16 tmp; mov.b32 {%rs1, tmp}, %r1; }\ncvt.u32.u16 %r1, %rs1;", 7
  ),
  (
    "mov.u32 %r1, 327687;\n{ .reg .b16 tmp; mov.b32 {tmp, %rs1}, %r1; }\ncvt.u32.u16 %r1, %rs1;", 5
  ),
  // 1, and in the lower half what is as near to 0x3FBF as to 0x3FC0.
  ("cvt.rn.bf16x2.f32 %r1, 0f3F800000, 0f3FBF8000;", 0x3F80_3FC0),
  ("setp.lt.u32 %p1, 1, -1;\nselp.b32 %r1, 5, 6, %p1;", 5),
  ("setp.lt.s32 %p1, 1, -1;\nselp.b32 %r1, 5, 6, %p1;", 6),
  ("setp.nan.f32 %p1, 0f7FC00000, 0f00000000;\nselp.b32 %r1, 5, 6, %p1;", 5),
  ("setp.ne.f32 %p1, 0f7FC00000, 0f00000000;\nselp.b32 %r1, 5, 6, %p1;", 6),
  ("setp.neu.f32 %p1, 0f7FC00000, 0f00000000;\nselp.b32 %r1, 5, 6, %p1;", 5),
  ("mov.pred %p1, -1;\nmov.pred %p2, 0;\nand.pred %p3, %p1, %p2;\nselp.u32 %r1, 1, 0, %p3;", 0),
  ("mov.u32 %r1, 1;\nmov.pred %p1, 0;\n@%p1 mov.u32 %r1, 2;", 1),
  ("mov.u32 %r1, 1;\nmov.pred %p1, 0;\n@!%p1 mov.u32 %r1, 2;", 2),
]

private let floatCases: [(String, Float)] = [
  ("add.rn.f32 %r1, 0f3F800000, 0f40000000;", 3),
  ("mul.rn.f32 %r1, 0f40400000, 0f40000000;", 6),
  ("div.rn.f32 %r1, 0f3F800000, 0f40000000;", 0.5),
  ("sqrt.rn.f32 %r1, 0f41100000;", 3), ("neg.f32 %r1, 0f3F800000;", -1),
  // (1 + 2^-12)^2 - 1 keeps its last bit only where it is rounded once.
  ("fma.rn.f32 %r1, 0f3F800800, 0f3F800800, 0fBF800000;", 0x1p-11 + 0x1p-24),
  ("cvt.rn.f32.s32 %r1, -7;", -7),
  (
    "cvt.f64.f32 %fd1, 0f3FC00000;\nadd.rn.f64 %fd1, %fd1, 0d3FE0000000000000;\ncvt.rn.f32.f64 %r1, %fd1;",
    2
  ),
]

/// A product of matrices whose factors are one register.
private func product(_ shape: String, _ register: String) -> String {
  let (a, b) = (
    "{\([String](repeating: register, count: 4).joined(separator: ", "))}",
    "{\(register), \(register)}"
  )
  return """
    mma.sync.aligned.\(shape).row.col.f32.tf32.tf32.f32
      {%r11, %r12, %r13, %r14},
      \(a),
      \(b),
      {0f00000000, 0f3F800000, 0f00000000, 0f00000000};
    """
}

private struct WrongProgram: Sendable {
  var body: String
  var message: String
  var note: String

  init(_ body: String, _ message: String, _ note: String) {
    (self.body, self.message, self.note) = (body, message, note)
  }
}

/// Statements, what is said of them, and the place that is named.
private let wrongPrograms: [WrongProgram] = [
  WrongProgram("ld.global.u32 %r1, [%rd1+128];", "outside of every buffer", "block 0, thread 0"),
  WrongProgram("ld.global.u32 %r1, [%rd1+-4];", "outside of every buffer", "[%rd1+-4]"),
  WrongProgram("st.global.u32 [%rd2+256], 0;", "outside of every buffer", "thread 0"),
  WrongProgram(
    "ld.global.u32 %r1, [%rd1+2];", "reads %in at an address that is not aligned", "thread 0"),
  WrongProgram("ld.global.v2.u32 {%r1, %r2}, [%rd1];", "not aligned", "thread 1"),
  WrongProgram("st.global.u32 [%rd1], 0;", "writes what the kernel only reads", "thread 0"),
  WrongProgram(
    "ld.global.u32 %r1, [%rd2];", "%out, byte 0: reads what nothing has written", "thread 0"),
  WrongProgram(
    "ld.param.u64 %rd9, [k_param_1];\nst.global.u32 [%rd9], 1;", "races with another", "thread 1"),
  WrongProgram("ld.shared.u32 %r1, [%rd3];", "outside of shared memory", "thread 0"),
  WrongProgram("$l:\nbra.uni $l;", "does not come to an end", ""),
  WrongProgram(
    "setp.lt.s32 %p1, %r90, 7;\n@%p1 bra $l;\nbar.sync 0;\n$l:", "others do not reach", ""),
  WrongProgram("frob.b32 %r1, 0;", "the instruction frob.b32 is not emulated", "frob"),
  WrongProgram("mov.u32 %r1, %clock;", "is not emulated", "clock"),
  WrongProgram("mov.u32 %r1, %nctaid.x;", "special register %nctaid.x", "nctaid"),
  WrongProgram("bra $nowhere;", "no such label", "nowhere"),
  WrongProgram(
    "mov.u32 %r1, 1;\n" + product("m16n8k8", "%r1"), "a number that is not rounded to tf32", "mma"),
  WrongProgram(
    "mov.u32 %r1, 0;\nsetp.lt.s32 %p1, %r90, 7;\n@%p1 bra $l;\n" + product("m16n8k8", "%r1")
      + "\n$l:",
    "other threads of the warp never get here", "thread 7"),
  WrongProgram(
    "mov.u32 %r1, 0;\n" + product("m16n8k4", "%r1"),
    "m16n8k4.row.col.f32.tf32.tf32.f32 is not emulated",
    "mma"),
  WrongProgram(
    "setp.lt.s32 %p1, %r90, 7;\n@%p1 bra $l;\nwgmma.fence.sync.aligned;\n$l:",
    "other threads of the warp never get here", "thread 7"),
  WrongProgram("wgmma.fence.sync.aligned;", "not made of whole warp groups", "wgmma"),
  WrongProgram(
    "setp.lt.s32 %p1, %r90, 7;\n@%p1 wgmma.fence.sync.aligned;", "not emulated with a predicate",
    "wgmma"),
  WrongProgram("add.s32 %r1, 1;", "is not emulated", ""),
  WrongProgram("add.s32 %r1, 1, x;", "'x' is no operand", ""),
  WrongProgram("not an instruction", "nothing that the emulator knows", ""),
  WrongProgram(".local .b8 x[4];", "nothing that the emulator knows", ""),
]

/// Kernels by hand, with one buffer that they read and one that they write, of 32-bit words.
@Suite struct EmulatorTests {
  /// Runs statements after the addresses of this thread's words of `in` (%rd1) and `out` (%rd2) are known.
  func run(
    _ body: String, input: [UInt32] = [], words: Int = 32, blocks: Int = 1, threads: Int = 32,
    shared: String = ""
  ) throws(Diagnostic) -> [UInt32?] {
    let text = """
      .version 8.0
      .target sm_90
      .address_size 64
      .visible .entry k(
      .param .u64 k_param_0,
      .param .u64 k_param_1
      )
      .maxntid 128, 1, 1
      {
      .reg .b32 %r<99>;
      \(shared)
      ld.param.u64 %rd1, [k_param_0];
      ld.param.u64 %rd2, [k_param_1];
      mov.u32 %r90, %tid.x;
      mov.u32 %r91, %ctaid.x;
      mad.lo.s32 %r92, %r91, \(threads), %r90;
      mul.wide.s32 %rd3, %r92, 4;
      add.s64 %rd1, %rd1, %rd3;
      add.s64 %rd2, %rd2, %rd3;
      \(body)
      ret;
      }
      """
    let source = DeviceMemory(byteCount: max(input.count, 1) * 4)
    source.fill(input.withUnsafeBytes { Array($0) })
    let result = DeviceMemory(byteCount: words * 4)
    try Emulator(text).launch(
      "k", blocks: blocks, threads: threads,
      buffers: [
        DeviceBuffer(
          name: "in", memory: source, range: 0..<input.count * 4, isWritable: false,
          isReadable: true),
        DeviceBuffer(
          name: "out", memory: result, range: 0..<words * 4, isWritable: true, isReadable: false),
      ])
    return (0..<words).map { word in
      result.isWritten[word] ? result.bytes.load(fromByteOffset: word * 4, as: UInt32.self) : nil
    }
  }

  /// What one thread stores of %r1.
  private func value(_ body: String) throws -> UInt32? {
    try run(body + "\nst.global.u32 [%rd2], %r1;", words: 1, threads: 1)[0]
  }

  @Test(arguments: integerCases)
  func integers(_ body: String, _ expected: Int32) throws {
    #expect(try value(body) == UInt32(bitPattern: expected))
  }

  @Test(arguments: floatCases)
  func floats(_ body: String, _ expected: Float) throws {
    #expect(try value(body) == expected.bitPattern)
  }

  /// A product of matrices of ones adds 8 to each element; odd columns start from 1.
  @Test(arguments: [("%r11", 8), ("%r12", 9), ("%r13", 8), ("%r14", 8)] as [(String, Float)])
  func matricesAreMultiplied(_ register: String, _ expected: Float) throws {
    let words = try run(
      "cvt.rna.tf32.f32 %r1, 0f3F800001;\n" + product("m16n8k8", "%r1")
        + "\nst.global.u32 [%rd2], \(register);")
    #expect(words.allSatisfy { $0 == expected.bitPattern })
  }

  @Test func threadsOfAllBlocksHaveTheirOwnNumbers() throws {
    let words = try run(
      "ld.global.nc.u32 %r1, [%rd1];\nadd.s32 %r1, %r1, 1;\nst.global.u32 [%rd2], %r1;",
      input: Array(0..<150), words: 150, blocks: 3, threads: 50)
    #expect(words == (1...150).map { UInt32($0) })
  }

  /// Halves of words are read, but not written: who writes is known of words only.
  @Test func halvesOfWordsAreRead() throws {
    let words = try run(
      "ld.global.nc.b16 %rs1, [%rd1+2];\ncvt.u32.u16 %r1, %rs1;\nst.global.u32 [%rd2], %r1;",
      input: (0..<32).map { $0 << 16 | 7 })
    #expect(words == (0..<32).map { UInt32($0) })
    #expect(throws: Diagnostic.self) {
      _ = try run("mov.b16 %rs1, 1;\nst.global.b16 [%rd2], %rs1;")
    }
  }

  @Test func waysPartAndJoin() throws {
    // Each thread loops as often as its number says; odd ones take another branch first.
    let words = try run(
      """
      mov.u32 %r1, 0;
      and.b32 %r2, %r90, 1;
      setp.eq.s32 %p1, %r2, 0;
      @%p1 bra $even;
      add.s32 %r1, %r1, 100;
      bra.uni $loop;
      $even:
      add.s32 %r1, %r1, 200;
      $loop:
      mov.u32 %r3, 0;
      $again:
      add.s32 %r1, %r1, 1;
      add.s32 %r3, %r3, 1;
      setp.le.s32 %p2, %r3, %r90;
      @%p2 bra $again;
      st.global.u32 [%rd2], %r1;
      """)
    for (thread, word) in words.enumerated() {
      let start = thread % 2 == 0 ? 200 : 100
      #expect(word == UInt32(start + thread + 1))
    }
  }

  private let exchange = """
    shl.b32 %r2, %r90, 2;
    cvt.u64.u32 %rd4, %r2;
    mov.u64 %rd5, s;
    add.s64 %rd6, %rd5, %rd4;
    st.shared.u32 [%rd6], %r90;
    BARRIER
    sub.s32 %r3, 63, %r90;
    mul.wide.s32 %rd7, %r3, 4;
    add.s64 %rd8, %rd5, %rd7;
    ld.shared.u32 %r1, [%rd8];
    st.global.u32 [%rd2], %r1;
    """

  @Test func threadsExchangeValuesAcrossABarrier() throws {
    let words = try run(
      exchange.replacing("BARRIER", with: "bar.sync 0;"), words: 64, threads: 64,
      shared: ".shared .align 16 .b8 s[256];")
    #expect(words == (0..<64).reversed().map { UInt32($0) })
  }

  /// The message and notes of the failure.
  func failure(_ work: () throws(Diagnostic) -> [UInt32?]) -> String {
    do throws(Diagnostic) {
      _ = try work()
      return "no error"
    } catch { return ([error.message] + error.notes).joined(separator: "\n") }
  }

  @Test func aMissingBarrierIsARace() {
    let text = failure { () throws(Diagnostic) in
      try run(
        exchange.replacing("BARRIER", with: ""), words: 64, threads: 64,
        shared: ".shared .align 16 .b8 s[256];")
    }
    #expect(text.contains("reads what no thread has written") || text.contains("races with"))
    // Also where lockstep would hide it: one warp.
    let lockstep = failure { () throws(Diagnostic) in
      try run(
        exchange.replacing("BARRIER", with: "").replacing("63", with: "31"),
        shared: ".shared .align 16 .b8 s[256];")
    }
    #expect(lockstep.contains("races with thread"), "\(lockstep)")
  }

  @Test(arguments: wrongPrograms)
  fileprivate func wrongProgramsAreNamed(_ item: WrongProgram) {
    let text = failure { () throws(Diagnostic) in
      try run(item.body, input: Array(repeating: 1, count: 32))
    }
    #expect(text.contains(item.message) && text.contains(item.note), "\(text)")
  }

  @Test func whatAKernelWritesIsUndefinedAtItsStart() throws {
    let text = """
      .visible .entry k(
      .param .u64 p
      )
      {
      ld.param.u64 %rd1, [p];
      ld.global.u32 %r1, [%rd1];
      ret;
      }
      """
    let memory = DeviceMemory(byteCount: 4)
    memory.fill([1, 2, 3, 4])
    func launch(isWritable: Bool) throws(Diagnostic) {
      try Emulator(text).launch(
        "k", blocks: 1, threads: 1,
        buffers: [
          DeviceBuffer(
            name: "b", memory: memory, range: 0..<4, isWritable: isWritable, isReadable: !isWritable
          )
        ])
    }
    try launch(isWritable: false)
    #expect(throws: Diagnostic.self) { try launch(isWritable: true) }
  }
}
