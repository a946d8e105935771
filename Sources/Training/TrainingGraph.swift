import Diagnostics
import GraphIR
import GraphPasses
import Networks
import Operations
import Tensors

/// A whole training step as one graph: forward pass, loss, backward pass and the optimizer's update.
///
/// Arguments: `x` and `target`, all parameters of the model in its order (running statistics too), the optimizer's
/// state, `learning_rate`. Results: the loss before the update, then all parameters and the state as the next step
/// takes them, in the order of the arguments.
public struct TrainingGraph: Sendable {
  public let function: Function
  /// The names of the parameters, in order.
  public let parameters: [String]
  /// The optimizer's state, in order: names `<parameter>/<slot>`, shapes and first values.
  public let state: [StateTensor]

  public struct StateTensor: Hashable, Sendable {
    public var name: String
    public var shape: Shape
    public var initial: Float
  }

  /// The step for batches of so many images.
  ///
  /// Throws where the model has several outputs, or the loss does not take its images.
  public static func make(
    _ model: NetworkModel, batch: Int, height: Int, width: Int, options: TrainingOptions
  ) throws(Diagnostic) -> TrainingGraph {
    try options.check()
    let network = try model.graph(batch: batch, height: height, width: width)
    let forward = try ForwardPass(
      network, loss: options.loss, name: "\(network.name)_train", isTraining: true,
      synchronized: options.synchronizesBatchNorm ? options.processes : 1)
    let (derived, differentiated) = try Differentiate.differentiated(forward.function)
    let function =
      options.recomputes
      ? try Recompute.apply(to: derived, forwardCount: forward.function.nodes.count) : derived
    var step = StepBuilder(
      function, forward: forward, differentiated: differentiated, model: model, options: options)
    return try step.graph()
  }

  /// The loss alone, with the stored statistics of batch norm and without any change: arguments `x`, `target` and
  /// the parameters, result the loss.
  public static func evaluation(
    _ model: NetworkModel, batch: Int, height: Int, width: Int, loss: LossFunction
  ) throws(Diagnostic) -> Function {
    let network = try model.graph(batch: batch, height: height, width: width)
    let forward = try ForwardPass(
      network, loss: loss, name: "\(network.name)_evaluate", isTraining: false)
    var arguments = ParameterArguments(forward.function, model)
    return try arguments.replaced().function
  }
}
