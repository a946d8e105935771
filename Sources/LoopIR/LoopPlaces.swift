import Diagnostics

/// Where the parts of a module stand in the text that it was read from; statements themselves stay plain values.
struct LoopPlaces {
  struct Kernel {
    var name: SourceLocation
    var parameters: [SourceLocation] = []
    /// Of all statements, each before those inside it: the order in which parser and verifier meet them.
    var statements: [SourceLocation] = []
  }

  var buffers: [SourceLocation] = []
  var kernels: [Kernel] = []
  var prepare: [SourceLocation] = []
  var run: [SourceLocation] = []
}
