import Diagnostics
import GraphIR
import Operations
import Tensors

/// The rule by which a step changes weights, as a graph; g is the gradient, w the weight, lr the learning rate.
public struct Optimizer: Hashable, Sendable {
  public enum Rule: String, Hashable, Sendable, CaseIterable {
    /// TensorFlow 1: ms = decay ms + (1 - decay) g², mom = momentum mom + lr g / sqrt(ms + epsilon), w -= mom;
    /// ms starts at 1 (tensorflow/python/training/rmsprop.py).
    case rmsprop
    /// PyTorch's `torch.optim.RMSprop`: v = decay v + (1 - decay) g², mom = momentum mom + g / (sqrt(v) + epsilon),
    /// w -= lr mom; v starts at 0.
    case rmspropPyTorch = "rmsprop-pytorch"
    /// Kingma and Ba 2015, as in `torch.optim.Adam`: m and v are means of g and g² with `decay` and `secondDecay`,
    /// w -= lr m' / (sqrt(v') + epsilon) with m' and v' corrected for their start at 0.
    case adam
  }

  public var rule: Rule
  /// The decay of the mean of squares; of the mean of gradients in `adam`.
  public var decay: Double
  public var secondDecay = 0.999
  public var momentum = 0.0
  public var epsilon: Double

  /// With Ghodrati 2019's decay.
  public static let rmsprop = Optimizer(rule: .rmsprop, decay: 0.9, epsilon: 1e-10)
  public static let rmspropPyTorch = Optimizer(rule: .rmspropPyTorch, decay: 0.99, epsilon: 1e-8)
  public static let adam = Optimizer(rule: .adam, decay: 0.9, epsilon: 1e-8)

  /// The rule of this name with its own defaults; throws, with the choices, where there is none.
  public init(parsing text: String) throws(Diagnostic) {
    switch Rule(rawValue: text) {
    case .rmsprop: self = .rmsprop
    case .rmspropPyTorch: self = .rmspropPyTorch
    case .adam: self = .adam
    case nil:
      throw Diagnostic(
        "there is no optimizer '\(text)'",
        help: "the optimizers are " + Rule.allCases.map(\.rawValue).joined(separator: ", "))
    }
  }

  private init(rule: Rule, decay: Double, epsilon: Double) {
    self.rule = rule
    self.decay = decay
    self.epsilon = epsilon
  }

  /// A tensor that a step hands to the next.
  struct Slot {
    var name: String
    var initial: Float
  }

  /// For each weight, tensors of its shape.
  var slots: [Slot] {
    let momentum = momentum == 0 ? [] : [Slot(name: "mom", initial: 0)]
    switch rule {
    case .rmsprop: return [Slot(name: "ms", initial: 1)] + momentum
    case .rmspropPyTorch: return [Slot(name: "v", initial: 0)] + momentum
    case .adam: return [Slot(name: "m", initial: 0), Slot(name: "v", initial: 0)]
    }
  }

  /// Scalars, once: the decays to the power of the step's number, counted from 1.
  var sharedSlots: [Slot] {
    guard rule == .adam else { return [] }
    return [
      Slot(name: "decay_power", initial: Float(decay)),
      Slot(name: "second_decay_power", initial: Float(secondDecay)),
    ]
  }

  /// The shared scalars for the next step.
  func advanced(
    _ shared: [ValueID], _ b: inout GraphBuilder
  ) throws(Diagnostic) -> [ValueID] {
    var next: [ValueID] = []
    for (value, factor) in zip(shared, [decay, secondDecay]) {
      next.append(try b.multiply(value, factor))
    }
    return next
  }

  /// The new weight and its slots; `rate` and `shared` are scalars.
  func update(
    _ weight: ValueID, _ gradient: ValueID, _ slots: [ValueID], rate: ValueID,
    shared: [ValueID], _ b: inout GraphBuilder
  ) throws(Diagnostic) -> (weight: ValueID, slots: [ValueID]) {
    let shape = b.shape(of: weight)
    let wideRate = try b.broadcast(rate, to: shape)
    switch rule {
    case .rmsprop:
      let square = try average(slots[0], try b.multiply(gradient, gradient), decay, &b)
      let root = try b.apply(Sqrt(), try b.add(square, epsilon))
      let change = try b.divide(try b.multiply(wideRate, gradient), root)
      guard slots.count > 1 else { return (try b.subtract(weight, change), [square]) }
      let moved = try b.add(try b.multiply(slots[1], momentum), change)
      return (try b.subtract(weight, moved), [square, moved])
    case .rmspropPyTorch:
      let square = try average(slots[0], try b.multiply(gradient, gradient), decay, &b)
      let root = try b.add(try b.apply(Sqrt(), square), epsilon)
      let change = try b.divide(gradient, root)
      guard slots.count > 1 else {
        return (try b.subtract(weight, try b.multiply(wideRate, change)), [square])
      }
      let moved = try b.add(try b.multiply(slots[1], momentum), change)
      return (try b.subtract(weight, try b.multiply(wideRate, moved)), [square, moved])
    case .adam:
      let first = try average(slots[0], gradient, decay, &b)
      let second = try average(slots[1], try b.multiply(gradient, gradient), secondDecay, &b)
      var corrections: [ValueID] = []
      for power in shared {
        let rest = try b.subtract(try b.constant(1, like: power), power)
        corrections.append(try b.broadcast(rest, to: shape))
      }
      let root = try b.apply(Sqrt(), try b.divide(second, corrections[1]))
      let change = try b.divide(
        try b.divide(first, corrections[0]), try b.add(root, epsilon))
      return (try b.subtract(weight, try b.multiply(wideRate, change)), [first, second])
    }
  }

  /// decay a + (1 - decay) b.
  private func average(
    _ old: ValueID, _ new: ValueID, _ decay: Double, _ b: inout GraphBuilder
  ) throws(Diagnostic) -> ValueID {
    try b.add(try b.multiply(old, decay), try b.multiply(new, 1 - decay))
  }
}
