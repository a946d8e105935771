import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Tensors

/// Files that PyTorch itself writes, read and compared with what it put into them.
@Suite struct TorchFileTests {
  private let scratch: Scratch

  init() throws { scratch = try Self.files.get() }

  /// Made once: PyTorch takes seconds to start.
  private nonisolated(unsafe) static let files = Result { try makeFiles() }

  /// A state dict of every type, a transposed tensor and one that shares its storage, in both forms of file, and the
  /// same tensors as float32 in safetensors; then files that are no state dicts.
  private static func makeFiles() throws -> Scratch {
    let scratch = try Scratch()
    let script = """
      import collections, os, sys
      import numpy, torch
      from safetensors.torch import save_file
      os.chdir(sys.argv[1])
      torch.manual_seed(1)
      plain = torch.randn(4, 3, 2)
      state = collections.OrderedDict(
          plain=plain, transposed=plain.permute(2, 0, 1), part=plain[1:3, 1],
          half=torch.randn(3).half(), bfloat=torch.randn(3).bfloat16(),
          double=torch.randn(2, 2).double(), scalar=torch.tensor(2.5),
          count=torch.tensor(7), parameter=torch.nn.Parameter(torch.randn(2)))
      norm = torch.nn.BatchNorm2d(2).state_dict()
      state.update({"norm." + name: value for name, value in norm.items()})
      torch.save(state, "zip.pth")
      torch.save(state, "old.pth", _use_new_zipfile_serialization=False)
      torch.save(norm, "norm.pth")
      torch.save(norm, "norm-old.pth", _use_new_zipfile_serialization=False)
      wanted = {n: t.detach().float().contiguous().clone() for n, t in state.items() if t.is_floating_point()}
      save_file(wanted, "wanted.safetensors")
      class Evil:
          def __reduce__(self):
              return os.system, ("touch touched",)
      torch.save({"weight": Evil()}, "evil.pth")
      torch.save({"weight": Evil()}, "evil-old.pth", _use_new_zipfile_serialization=False)
      torch.save(torch.nn.Linear(2, 2), "module.pth")
      torch.save([plain], "list.pth")
      torch.save({"epoch": 3, "state_dict": norm}, "nested.pth")
      """
    try Python.run(script, [scratch.path])
    return scratch
  }

  @Test(arguments: ["zip.pth", "old.pth"]) func readsEveryTensor(name: String) throws {
    let wanted = try Safetensors.read(scratch.file("wanted.safetensors"))
    let file = try TorchFile.read(scratch.file(name))
    #expect(TorchFile.isTorch(try FileBytes.read(scratch.file(name))))
    #expect(Set(file.names) == Set(wanted.names + ["count", "norm.num_batches_tracked"]))
    for name in wanted.names { #expect(try file.floats(name) == wanted.floats(name), "\(name)") }
    #expect(throws: Diagnostic.self) { try file.floats("count") }
    #expect(throws: Diagnostic.self) { try file.floats("missing") }
  }

  @Test func nothingIsRun() throws {
    for name in ["evil.pth", "evil-old.pth", "module.pth", "list.pth", "nested.pth"] {
      let path = scratch.file(name)
      let text = message { () throws(Diagnostic) in _ = try TorchFile.read(path) }
      #expect(text != nil, "\(name)")
      if name.hasPrefix("evil") { #expect(text?.contains("system' ") == false) }
      if name.hasPrefix("evil") { #expect(text?.contains(".system', which is not part") == true) }
    }
    #expect(!FileManager.default.fileExists(atPath: scratch.file("touched")))
  }

  @Test(arguments: ["norm.pth", "norm-old.pth"]) func damageIsRefusedOrHarmless(
    name: String
  ) throws {
    let bytes = try FileBytes.read(scratch.file(name))
    var stream = SplitMix64(seed: 1)
    var refused = 0
    for round in 0..<600 {
      var damaged = bytes
      let place = Int(stream.next() % UInt64(bytes.count))
      if round % 2 == 0 { damaged[place] = UInt8(truncatingIfNeeded: stream.next()) }
      if round % 2 == 1 { damaged.removeLast(place) }
      do throws(Diagnostic) {
        let file = try TorchFile(damaged, path: "t")
        for name in file.names where !name.hasSuffix("tracked") { _ = try file.floats(name) }
      } catch { refused += 1 }
    }
    #expect(refused > 300)
  }

  /// What only a pickle made by hand asks for.
  @Test func hostilePickles() throws {
    func read(_ code: [UInt8]) -> String? {
      message { () throws(Diagnostic) in
        var unpickler = Unpickler(code, at: here)
        _ = try unpickler.read()
      }
    }
    // A tuple in a tuple, a million deep, is no danger to the stack of this process.
    #expect(read([0x4E] + [UInt8](repeating: 0x85, count: 1 << 20) + [0x2E]) == nil)
    // A list that holds itself.
    #expect(read(Array("]q\u{0}h\u{0}a.".utf8)) == nil)
    for code in [
      "", ".", "(.", "R.", "t.", "h\u{1}.", "X\u{7F}\u{7F}\u{7F}\u{7F}a.", "cos\nsystem\n.",
    ] {
      #expect(read(Array(code.utf8)) != nil, "\(code)")
    }
    #expect(read([UInt8](repeating: 0x4E, count: 5 << 20)) != nil)
  }
}
