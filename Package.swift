// swift-tools-version: 6.1
import PackageDescription

/// One module of the compiler; `uses` names the modules before it on a model's path that it may import.
func module(_ name: String, uses dependencies: [Target.Dependency] = []) -> Target {
  .target(name: name, dependencies: dependencies)
}

/// The tests of one module.
///
/// `files` are folders of its test data.
func tests(
  of name: String, uses dependencies: [Target.Dependency] = [], files: [String] = []
) -> Target {
  .testTarget(
    name: name + "Tests", dependencies: [.byName(name: name)] + dependencies, exclude: files)
}

let numerics = Target.Dependency.product(name: "ComplexModule", package: "swift-numerics")
let reals = Target.Dependency.product(name: "RealModule", package: "swift-numerics")
let yaml = Target.Dependency.product(name: "Yams", package: "Yams")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "Rephase",
  products: [
    .executable(name: "rephase", targets: ["rephase"]),
    .library(name: "RephaseDriver", targets: ["RephaseDriver"]),
    .library(name: "RephaseNetworks", targets: ["Networks"]),
    // For tests: kernels of a stand-in for NVIDIA's driver.
    .library(name: "EmulatedKernels", type: .dynamic, targets: ["EmulatedKernels"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-numerics", from: "1.1.1"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // What every stage shares.
    module("Diagnostics"),
    module("Tensors", uses: ["Diagnostics", "CZlib", numerics, reals]),

    module("HDF5", uses: ["Diagnostics", "Tensors", "CHDF5", numerics]),

    // The path of a model, in order.
    module("GraphIR", uses: ["Diagnostics", "Tensors"]),
    module("LoopIR", uses: ["Diagnostics", "Tensors"]),
    module("Operations", uses: ["Diagnostics", "Tensors", "GraphIR", "LoopIR", "COpenBLAS"]),
    // Networks from elsewhere: onnx.pb.swift is made of onnx.proto.
    .target(
      name: "ONNX", dependencies: ["Diagnostics", "Tensors", "GraphIR", "Operations", protobuf],
      exclude: ["onnx.proto"]),
    .target(
      name: "CTrainedWeights",
      exclude: ["README.md", "cascade5.safetensors", "resnet4.safetensors"]),
    module(
      "Networks",
      uses: ["Diagnostics", "Tensors", "GraphIR", "Operations", "CTrainedWeights"]),
    module("GraphPasses", uses: ["Diagnostics", "Tensors", "GraphIR", "Operations"]),
    module("Schedules", uses: ["Diagnostics", "Tensors", "LoopIR"]),
    .systemLibrary(
      name: "CLLVM", pkgConfig: "llvm-19", providers: [.apt(["llvm-19-dev"])]),
    .target(name: "CLLVMPasses", dependencies: ["CLLVM"]),
    module("LLVM", uses: ["Diagnostics", "CLLVM", "CLLVMPasses"]),
    module(
      "CodeGen",
      uses: [
        "Diagnostics", "Tensors", "LoopIR", "Schedules", "LLVM", "CLLVM", "CRephaseRuntime",
      ]),
    .target(name: "CRephaseRuntime"),
    // For tests and `verify`, on machines without a GPU.
    module("PTXEmulator", uses: ["Diagnostics"]),
    module(
      "Execution",
      uses: [
        "Diagnostics", "Tensors", "LoopIR", "Schedules", "LLVM", "CodeGen", "CRephaseRuntime",
      ]),
    module(
      "Compiler",
      uses: [
        "Diagnostics", "Tensors", "GraphIR", "LoopIR", "Operations", "Networks", "GraphPasses",
        "Schedules", "LLVM", "CodeGen", "PTXEmulator", "Execution", "CRephaseRuntime",
      ]),

    // MR physics and files; FFTW (GPL) is imported by MRData alone.
    module(
      "MRData",
      uses: [
        "Diagnostics", "Tensors", "HDF5", "CRephaseRuntime", "CDicom", "CFFTW", "CMatio", "CNIfTI",
        "CPNG", numerics, reals,
      ]),

    // Measures, statistics, figures and reports.
    module("Evaluation", uses: ["Diagnostics", "Tensors", "CCairo"]),

    // Training: whole steps as graphs, compiled like inference; data and checkpoints.
    module(
      "Training",
      uses: [
        "Diagnostics", "Tensors", "HDF5", "GraphIR", "LoopIR", "Operations", "Networks",
        "GraphPasses", "Schedules", "CodeGen", "Execution", "Compiler", "MRData", "ONNX",
      ]),

    // The command line.
    module(
      "RephaseDriver",
      uses: [
        "Diagnostics", "Tensors", "GraphIR", "LoopIR", "Operations", "Networks", "GraphPasses",
        "Schedules", "CodeGen", "Execution", "Compiler", "MRData", "Evaluation", "Training",
        "ONNX", "CRephaseRuntime", arguments, numerics, reals, yaml,
      ]),
    .executableTarget(name: "rephase", dependencies: ["RephaseDriver"]),

    // Readers of files that need some C or C++ of our own.
    .target(
      name: "CDicom",
      linkerSettings: ["dcmjpls", "dcmjpeg", "dcmdata", "oflog", "ofstd"].map { .linkedLibrary($0) }
    ),
    .target(
      name: "CNIfTI", linkerSettings: [.linkedLibrary("nifti2"), .linkedLibrary("znz")]),

    // System libraries.
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CFFTW", pkgConfig: "fftw3", providers: [.apt(["libfftw3-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(name: "CCairo", pkgConfig: "cairo", providers: [.apt(["libcairo2-dev"])]),
    .systemLibrary(name: "CMatio", pkgConfig: "matio", providers: [.apt(["libmatio-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),

    .target(name: "TestSupport", dependencies: ["Diagnostics"], path: "Tests/TestSupport"),
    .target(
      name: "EmulatedKernels", dependencies: ["Diagnostics", "PTXEmulator"],
      path: "Tests/EmulatedKernels"),
    tests(of: "Tensors", uses: ["Diagnostics", "TestSupport", numerics, reals]),
    tests(of: "HDF5", uses: ["Diagnostics", "Tensors", "TestSupport", numerics]),
    tests(of: "LoopIR", uses: ["Diagnostics", "Tensors"]),
    tests(
      of: "GraphIR", uses: ["Diagnostics", "Tensors", "LoopIR", "Operations"], files: ["Frozen"]),
    tests(
      of: "ONNX",
      uses: ["Diagnostics", "Tensors", "GraphIR", "Operations", "TestSupport", protobuf]),
    tests(of: "Networks", uses: ["Diagnostics", "Tensors", "GraphIR", "Operations"]),
    .testTarget(
      name: "OperationContractTests",
      dependencies: [
        "Diagnostics", "Tensors", "GraphIR", "LoopIR", "Operations", "Schedules", "CodeGen",
        "Execution",
      ]),
    tests(of: "GraphPasses", uses: ["Diagnostics", "Tensors", "GraphIR", "Operations"]),
    tests(
      of: "Schedules",
      uses: [
        "Diagnostics", "Tensors", "GraphIR", "LoopIR", "Operations", "GraphPasses", "CodeGen",
        "Execution",
      ]),
    tests(
      of: "Compiler",
      uses: [
        "Diagnostics", "Tensors", "GraphIR", "LoopIR", "Operations", "Networks", "Schedules",
        "CodeGen", "Execution", "TestSupport",
      ]),
    tests(
      of: "Training",
      uses: [
        "Diagnostics", "Tensors", "GraphIR", "Operations", "Networks", "GraphPasses", "Schedules",
        "CodeGen", "TestSupport",
      ]),
    tests(of: "PTXEmulator", uses: ["Diagnostics"]),
    tests(of: "MRData", uses: ["Diagnostics", "Tensors", "TestSupport", numerics, reals]),
    tests(of: "Evaluation", uses: ["Diagnostics", "Tensors", "TestSupport"]),
    tests(
      of: "CodeGen", uses: ["Diagnostics", "Tensors", "LoopIR", "Schedules", "LLVM", "Execution"]),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)
