import Diagnostics
import Foundation
import PTXEmulator

/// An argument of a launch and the allocation that it points into, as Tests/runtime/fake_cuda.c has them.
struct Argument {
  var address: UInt64
  var start: UInt64
  var byteCount: UInt64
}

/// Emulators by the address of their PTX; one thread launches.
nonisolated(unsafe) private var emulators: [UnsafePointer<CChar>: Emulator] = [:]

/// Lets the stand-in for NVIDIA's driver compute: runs a kernel of PTX on its memory; 0 where nothing is wrong.
@_cdecl("rephase_emulate_kernel")
func emulateKernel(
  _ ptx: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, _ blocks: UInt32, _ threads: UInt32,
  _ sharedBytes: UInt32, _ arguments: UnsafeRawPointer, _ count: Int32
) -> Int32 {
  do throws(Diagnostic) {
    if emulators[ptx] == nil { emulators[ptx] = try Emulator(String(cString: ptx)) }
    guard let emulator = emulators[ptx] else { return 1 }
    let given = UnsafeBufferPointer(
      start: arguments.assumingMemoryBound(to: Argument.self), count: Int(count))
    var memories: [UInt64: DeviceMemory] = [:]
    var buffers: [DeviceBuffer] = []
    for (number, argument) in given.enumerated() {
      guard let start = UnsafeMutableRawPointer(bitPattern: UInt(argument.start)) else { return 1 }
      let all = UnsafeMutableRawBufferPointer(start: start, count: Int(argument.byteCount))
      let memory = memories[argument.start] ?? DeviceMemory(of: all)
      memories[argument.start] = memory
      buffers.append(
        DeviceBuffer(
          name: "argument \(number)", memory: memory,
          range: Int(argument.address - argument.start)..<all.count, isWritable: true,
          isReadable: true))
    }
    try emulator.launch(
      String(cString: name), blocks: Int(blocks), threads: Int(threads),
      dynamicSharedBytes: Int(sharedBytes), buffers: buffers)
    return 0
  } catch {
    FileHandle.standardError.write(Data("\(error.description)\n".utf8))
    return 1
  }
}
