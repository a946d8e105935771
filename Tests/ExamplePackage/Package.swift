// swift-tools-version: 6.1
import PackageDescription

// A user's own network outside of Rephase's package: it gets the whole driver, with itself as `MODEL` `self`.
let package = Package(
  name: "Denoise",
  dependencies: [.package(name: "Rephase", path: "../..")],
  targets: [
    .executableTarget(
      name: "denoise",
      dependencies: [
        .product(name: "RephaseDriver", package: "Rephase"),
        .product(name: "RephaseNetworks", package: "Rephase"),
      ])
  ],
  swiftLanguageModes: [.v6]
)
