import Diagnostics
import Testing

@testable import PTXEmulator

/// Reads of matrices, and what is wrong with them.
private let wrongReads: [(String, String)] = [
  ("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%rd9+-4];", "not aligned"),
  ("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%rd9+16];", "outside of shared memory"),
  ("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1}, [%rd9];", "2 values are expected"),
  ("ldmatrix.sync.aligned.m8n8.x3.shared.b16 {%r1}, [%rd9];", "is not emulated"),
  ("ldmatrix.sync.aligned.m8n8.trans.x1.shared.b16 {%r1}, [%rd9];", "is not emulated"),
  (
    "setp.lt.s32 %p1, %r90, 7;\n@%p1 bra $l;\nldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%rd9];\n$l:",
    "other threads of the warp never get here"
  ),
]

extension EmulatorTests {
  /// Every thread stores its word; rows of the matrix are those of 16 bytes, the last one first.
  private func read(_ statements: String) throws(Diagnostic) -> [UInt32?] {
    try run(
      """
      mul.wide.s32 %rd4, %r90, 4;
      mov.u64 %rd5, s;
      add.s64 %rd6, %rd5, %rd4;
      ld.global.u32 %r1, [%rd1];
      st.shared.u32 [%rd6], %r1;
      and.b32 %r2, %r90, 7;
      sub.s32 %r3, 7, %r2;
      mul.wide.s32 %rd8, %r3, 16;
      add.s64 %rd9, %rd5, %rd8;
      \(statements)
      st.global.u32 [%rd2], %r1;
      """, input: Array(0..<32), shared: ".shared .align 16 .b8 s[128];")
  }

  @Test func everyThreadGetsItsPartOfAMatrix() throws {
    let got = try read("bar.sync 0;\nldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%rd9];")
    for thread in 0..<32 {
      let row = 7 - thread / 4
      #expect(got[thread] == UInt32(row * 4 + thread % 4))
    }
  }

  /// Words are pairs of 16-bit numbers, here their own number and 0.
  @Test func everyThreadGetsItsPartOfATransposedMatrix() throws {
    let got = try read(
      "bar.sync 0;\nldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%r1}, [%rd9];")
    for thread in 0..<32 {
      let (column, row) = (thread / 4, 7 - thread % 4 * 2)
      let pair = [row, row - 1].map { UInt32(column % 2 == 0 ? $0 * 4 + column / 2 : 0) }
      #expect(got[thread] == pair[1] << 16 | pair[0])
    }
  }

  @Test func readsOfMatricesNeedABarrier() {
    #expect {
      _ = try read("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%rd9];")
    } throws: {
      "\($0)".contains("races with thread")
    }
  }

  /// Also where some of them come from behind: compilers put what few threads do past what all do next.
  @Test func threadsWaitForTheirWarp() throws {
    let got = try read(
      """
      bar.sync 0;
      setp.lt.s32 %p1, %r90, 7;
      bra.uni $parts;
      $joins:
      ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%rd9];
      st.global.u32 [%rd2], %r1;
      ret;
      $parts:
      @%p1 bra $few;
      bra.uni $joins;
      $few:
      mov.u64 %rd9, s;
      bra.uni $joins;
      """)
    #expect(got == (0..<32).map { $0 % 4 })
  }

  @Test(arguments: wrongReads) func wrongReadsOfMatrices(
    _ instruction: String, _ message: String
  ) {
    #expect {
      _ = try read("bar.sync 0;\n" + instruction)
    } throws: {
      "\($0)".contains(message)
    }
  }
}
