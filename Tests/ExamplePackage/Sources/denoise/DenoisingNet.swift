import Networks

/// Two convolutions that estimate the noise, which is taken off the image.
struct DenoisingNet: Network {
  let name = "denoise"
  let inputChannels = 1

  let expand = Conv2D(1, 12)
  let norm = BatchNorm(12)
  let collapse = Conv2D(12, 1, kernel: 5)

  func callAsFunction(_ x: Value) -> Value {
    let noise = collapse(norm(expand(x)).relu())
    return x - noise * 0.5
  }
}
