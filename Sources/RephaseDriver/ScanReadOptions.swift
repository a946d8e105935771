import ArgumentParser
import Diagnostics
import MRData

extension ScanOptions.Content: ExpressibleByArgument {}

/// How scans are read, where the file alone does not say.
struct ScanReadOptions: ParsableArguments {
  @Option(
    help:
      "The array of a file with several: kspace, images or the only one unless given; of an ISMRMRD file the group: the first one unless given."
  )
  var array: String?

  @Option(help: "One slice of a scan with several, from 0; all of them unless given.")
  var slice: Int?

  @Option(
    help:
      "What the array's dimensions are, as the format counts them (NumPy: outermost first; MATLAB, BART, NIfTI: fastest first), such as coil,row,column, where the default is wrong."
  )
  var dimensions: String?

  @Option(help: "What complex values are: kspace (unless given) or images.")
  var content: ScanOptions.Content?

  @Flag(help: "Decorrelate the noise of the coils by the noise lines of ISMRMRD raw data.")
  var prewhiten = false

  func validate() throws {
    if let slice, slice < 0 { throw ValidationError("--slice counts from 0, not \(slice)") }
    guard let dimensions else { return }
    do { _ = try Axis.list(parsing: dimensions) } catch {
      throw ValidationError("--dimensions: \(error.message); \(error.help ?? "")")
    }
  }

  func options() throws(Diagnostic) -> ScanOptions {
    let axes = try dimensions.map { (text) throws(Diagnostic) in try Axis.list(parsing: text) }
    return ScanOptions(
      array: array, slice: slice, axes: axes, content: content, prewhitens: prewhiten)
  }
}
