import Diagnostics
import GraphIR
import Operations
import Tensors

/// Nonlinear functions of one element that are written with others.
enum Activations {
  static func sigmoid(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Logistic(), try call.value(0)))]
  }

  static func tanh(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try call.apply(Tanh(), try call.value(0)))]
  }

  static func hardSigmoid(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (alpha, beta) = (try call.real("alpha", Double(Float(0.2))), try call.real("beta", 0.5))
    return [.value(try hardSigmoid(try call.value(0), alpha, beta, call))]
  }

  static func hardSwish(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    return [.value(try call.apply(Multiply(), x, try hardSigmoid(x, 1 / 6, 0.5, call)))]
  }

  /// alpha x + beta between 0 and 1.
  private static func hardSigmoid(
    _ x: ValueID, _ alpha: Double, _ beta: Double, _ call: NodeCall
  ) throws(Diagnostic) -> ValueID {
    let line = try call.graph.builder.add(try call.graph.builder.multiply(x, alpha), beta)
    let one = try call.constant(1, call.shape(of: x))
    return try call.apply(ReLU(), try Arithmetic.smaller(line, one, call))
  }

  /// x + bias below -lambd, x - bias above lambd, and 0 between.
  static func shrink(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (bias, limit) = (try call.real("bias", 0), try call.real("lambd", 0.5))
    let x = try call.value(0)
    let shape = call.shape(of: x)
    func constant(_ number: Double) throws(Diagnostic) -> ValueID {
      try call.constant(number, shape)
    }
    let isLow = try call.apply(Compare(.LT), x, try constant(-limit))
    let isHigh = try call.apply(Compare(.GT), x, try constant(limit))
    let high = try call.apply(
      Select(), isHigh, try call.apply(Subtract(), x, try constant(bias)), try constant(0))
    return [
      .value(
        try call.apply(Select(), isLow, try call.apply(Add(), x, try constant(bias)), high))
    ]
  }

  /// x above alpha, 0 elsewhere.
  static func thresholdedReLU(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let (x, alpha) = (try call.value(0), try call.real("alpha", 1))
    let limit = try call.constant(alpha, call.shape(of: x))
    return [.value(try call.graph.builder.masked(x, where: x, .GT, limit))]
  }

  static func elu(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let alpha = try call.real("alpha", 1)
    return [.value(try elu(call, alpha: alpha, beta: 1, gamma: 1))]
  }

  static func selu(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    // The constants of Klambauer et al. 2017 as the standard rounds them.
    let alpha = try call.real("alpha", Double(Float(1.67326319217681884765625)))
    let gamma = try call.real("gamma", Double(Float(1.05070102214813232421875)))
    return [.value(try elu(call, alpha: alpha, beta: 1, gamma: gamma))]
  }

  static func celu(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let alpha = try call.real("alpha", 1)
    guard alpha != 0 else { throw Diagnostic("it divides by alpha = 0") }
    return [.value(try elu(call, alpha: alpha, beta: 1 / alpha, gamma: 1))]
  }

  /// gamma x where x >= 0, else gamma alpha (e^(beta x) - 1).
  private static func elu(
    _ call: NodeCall, alpha: Double, beta: Double, gamma: Double
  ) throws(Diagnostic) -> ValueID {
    let x = try call.value(0)
    // Never infinite, as its gradient would be where it is not chosen, and no number times 0.
    let exponent = try Arithmetic.smaller(
      try call.graph.builder.multiply(x, beta), try call.constant(0, call.shape(of: x)), call)
    let power = try call.apply(Exponential(), exponent)
    let below = try call.graph.builder.multiply(
      try call.graph.builder.add(power, -1), gamma * alpha)
    let isNegative = try call.apply(Compare(.LT), x, try call.constant(0, call.shape(of: x)))
    let above = try call.graph.builder.multiply(x, gamma)
    return try call.apply(Select(), isNegative, below, above)
  }

  static func softplus(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    [.value(try softplus(try call.value(0), call))]
  }

  /// log(1 + e^x) as max(x, 0) + log(1 + e^-|x|), which never overflows.
  private static func softplus(_ x: ValueID, _ call: NodeCall) throws(Diagnostic) -> ValueID {
    let power = try call.apply(
      Exponential(), try call.apply(Negate(), try call.apply(Abs(), x)))
    let rest = try call.apply(Log(), try call.graph.builder.add(power, 1))
    return try call.apply(Add(), try call.apply(ReLU(), x), rest)
  }

  static func mish(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    let gate = try call.apply(Tanh(), try softplus(x, call))
    return [.value(try call.apply(Multiply(), x, gate))]
  }

  static func softsign(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    let size = try call.graph.builder.add(try call.apply(Abs(), x), 1)
    return [.value(try call.apply(Divide(), x, size))]
  }

  /// x times the normal distribution's integral, or its approximation by tanh.
  static func gelu(_ call: NodeCall) throws(Diagnostic) -> [ImportedValue] {
    let x = try call.value(0)
    let mode = try call.word("approximate", "none")
    try call.require("approximate", mode, among: ["none", "tanh"])
    let part: ValueID
    if mode == "none" {
      part = try call.apply(Erf(), try call.graph.builder.multiply(x, 0.5.squareRoot()))
    } else {
      let square = try call.graph.builder.multiply(try call.apply(Multiply(), x, x), 0.044715)
      let sum = try call.apply(Add(), x, try call.apply(Multiply(), square, x))
      part = try call.apply(
        Tanh(), try call.graph.builder.multiply(sum, (2 / Double.pi).squareRoot()))
    }
    let half = try call.graph.builder.multiply(x, 0.5)
    return [.value(try call.apply(Multiply(), half, try call.graph.builder.add(part, 1)))]
  }
}
