import CRephaseRuntime
import Diagnostics
import Foundation

/// The C interface of a loaded model library.
struct Functions {
  typealias Text = @convention(c) () -> UnsafePointer<CChar>
  typealias Size = @convention(c) () -> Int
  typealias Create =
    @convention(c) (
      UnsafeMutableRawPointer, Int, UnsafeRawPointer?, Int, UnsafePointer<rephase_options>?
    ) -> rephase_status
  typealias Run =
    @convention(c) (
      UnsafeMutableRawPointer, UnsafePointer<UnsafeRawPointer?>,
      UnsafePointer<UnsafeMutableRawPointer?>, UnsafeMutableRawPointer, Int
    ) -> rephase_status
  typealias RunDevice =
    @convention(c) (
      UnsafeMutableRawPointer, UnsafePointer<UnsafeRawPointer?>,
      UnsafePointer<UnsafeMutableRawPointer?>, UnsafeMutableRawPointer?
    ) -> rephase_status
  typealias SelfTest =
    @convention(c) (
      UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int
    ) -> rephase_status
  typealias StatusText = @convention(c) (rephase_status) -> UnsafePointer<CChar>
  typealias Destroy = @convention(c) (UnsafeMutableRawPointer) -> Void

  let manifest: Text
  let workspaceBytes: Size
  let contextBytes: Size
  let create: Create
  let run: Run
  /// Nil in libraries for CPUs.
  let runDevice: RunDevice?
  let selftest: SelfTest
  let statusText: StatusText
  let destroy: Destroy

  /// Throws where a function of the interface is missing.
  init(_ library: UnsafeMutableRawPointer, _ name: String) throws(Diagnostic) {
    func find<Function>(_ suffix: String, _ type: Function.Type) throws(Diagnostic) -> Function {
      guard let address = dlsym(library, "\(name)_\(suffix)") else {
        throw Diagnostic("the library of model '\(name)' has no function \(name)_\(suffix)")
      }
      return unsafeBitCast(address, to: type)
    }
    manifest = try find("manifest", Text.self)
    workspaceBytes = try find("workspace_bytes", Size.self)
    contextBytes = try find("context_bytes", Size.self)
    create = try find("create", Create.self)
    run = try find("run", Run.self)
    runDevice = dlsym(library, "\(name)_run_device").map { unsafeBitCast($0, to: RunDevice.self) }
    selftest = try find("selftest", SelfTest.self)
    statusText = try find("status_text", StatusText.self)
    destroy = try find("destroy", Destroy.self)
  }
}
