import Compiler
import Diagnostics
import Foundation
import MRData
import Networks
import Schedules
import Tensors
import Training

/// All that a training run is made of, read and checked before anything is written.
struct TrainWork {
  let plan: TrainingPlan
  private let command: TrainCommand
  private let data: any TrainingData
  private let validation: (any TrainingData)?
  private let model: NetworkModel
  private let options: TrainingOptions
  private let vgg: VGGWeights?
  private let target: Schedules.Target
  private let processes: MPI?

  /// Whether this process writes the run, and tells of it.
  var writes: Bool { processes?.rank ?? 0 == 0 }

  init(_ command: TrainCommand, _ processes: MPI?) throws {
    self.command = command
    self.processes = processes
    options = try Self.options(command)
    let schedule = try UsageError.of { () throws(Diagnostic) in
      try LearningRateSchedule(parsing: command.schedule)
    }
    let augmentation = try Self.augmentation(command)
    target = try command.options.resolvedTarget(allowsGPU: processes == nil)
    guard target.gpu == nil || processes == nil else {
      throw UsageError(diagnostic: TrainingSession.needsCPU)
    }
    vgg = try Self.vgg(command, options.loss)
    (data, validation) = try Self.data(command)
    model = try Self.model(command, channels: data.shape[0], of: data.path)
    try Self.check(command.options.size, data)
    try Self.check(model, data)
    try Self.check(validation, data)
    if let sampled = model.network as? any LineSampledNetwork {
      try sampled.check(augmentation)
      try sampled.check(sets: command.data + [command.validation].compactMap { $0 })
    }
    let order = SampleOrder(
      count: data.count, batch: command.options.batch ?? 32, seed: command.seed,
      shuffles: !command.isUnshuffled)
    var plan = TrainingPlan(
      steps: command.steps ?? order.steps(epochs: command.epochs ?? 100), order: order,
      learningRate: Float(command.learningRate),
      checkpointEvery: command.checkpointEvery ?? order.steps(epochs: 1))
    plan.schedule = schedule
    plan.augmentation = augmentation
    plan.validationCount = command.validationCount
    plan.log = command.log
    self.plan = plan
    try Self.check(batch: order.batch, processes)
  }

  /// Compiles the step and runs the plan.
  func train(_ progress: TrainProgress) throws {
    let first = try firstWeights()
    let settings = try settings()
    let session = try TrainingSession(
      model, batch: plan.order.batch / (processes?.count ?? 1), height: data.shape[1],
      width: data.shape[2], options: options, weights: first, vgg: vgg?.tensors ?? [:],
      target: target, precision: command.options.precision, threads: command.options.threads,
      communicator: processes)
    let output = writes ? try output() : nil
    let state = try shared(try output.map { try self.state($0.store, first, settings) })
    if state.step == 0 { try output?.writeSettings(settings) }
    let trained = try Trainer(
      session, from: state, data: data, validation: validation, plan: plan, output: output,
      observer: progress, communicator: processes
    ).run()
    progress.close()
    if let output {
      Console.progress(summary(trained, output.directory), quiet: command.quiet)
    }
  }

  private func output() throws(Diagnostic) -> RunOutput {
    RunOutput(
      try RunDirectory(command.output), model: model,
      title: "\(model.name), \(options.loss.text)", keep: command.keep)
  }

  /// The state of the process that has one, in all.
  private func shared(_ own: TrainingState?) throws(Diagnostic) -> TrainingState {
    if let own, processes == nil { return own }
    let bytes = try own.map { state throws(Diagnostic) in try Checkpoint.encode(state) } ?? []
    let received = try processes?.broadcast(bytes) ?? bytes
    return try Checkpoint.decode(received, path: command.output)
  }

  /// Pairs to train on and to validate with; prepared sets have both, unless --validation names others.
  private static func data(
    _ command: TrainCommand
  ) throws(Diagnostic) -> (any TrainingData, (any TrainingData)?) {
    var training: [any TrainingData] = []
    var validation: [any TrainingData] = []
    for path in command.data {
      guard PreparedSet.isPreparedSet(path) else {
        training.append(try NpzPairs(path))
        continue
      }
      let set = try PreparedSet(path)
      training.append(try PreparedPairs(set, .train))
      guard command.validation == nil, set.count(.validation) > 0 else { continue }
      validation.append(try PreparedPairs(set, .validation))
    }
    if let path = command.validation {
      validation = [
        PreparedSet.isPreparedSet(path)
          ? try PreparedPairs(try PreparedSet(path), .validation) : try NpzPairs(path)
      ]
    }
    return (try joined(training), validation.isEmpty ? nil : try joined(validation))
  }

  private static func joined(
    _ sets: [any TrainingData]
  ) throws(Diagnostic) -> any TrainingData {
    sets.count == 1 ? sets[0] : try JoinedPairs(sets)
  }

  private func firstWeights() throws(Diagnostic) -> [String: Tensor<Float>] {
    guard let path = command.initialWeights else {
      return Weights.initialized(model, seed: command.seed, asIdentity: true).tensors
    }
    return try Weights.read(path, for: model).tensors
  }

  /// That of the last good checkpoint where the run is to go on and there is one, else a fresh one.
  private func state(
    _ store: CheckpointStore, _ first: [String: Tensor<Float>], _ settings: [String: String]
  ) throws(Diagnostic) -> TrainingState {
    let known = try store.latest { skipped in
      Console.error("warning: \(skipped.description.dropFirst("error: ".count))")
    }
    guard let known else {
      let last = "\(command.output)/\(RunDirectory.lastName)"
      guard !FileManager.default.fileExists(atPath: last) else {
        throw Diagnostic(
          "the run has weights but no checkpoint to go on from",
          at: SourceLocation(file: command.output),
          help: "begin another run with them: -o OTHER --init \(last)")
      }
      if command.resumes { Console.progress("no checkpoint yet: starting", quiet: command.quiet) }
      return TrainingState(step: 0, weights: first, optimizer: [:], settings: settings)
    }
    let differences = Set(known.settings.keys).union(settings.keys).sorted().filter {
      known.settings[$0] != settings[$0]
    }
    guard differences.isEmpty else {
      throw Diagnostic(
        "the run was started with other settings", at: SourceLocation(file: command.output),
        help: "give the same options as at the start, or train into a new directory",
        notes: differences.map {
          "\($0) was \(known.settings[$0] ?? "not set") and is \(settings[$0] ?? "not set") now"
        })
    }
    Console.progress("going on after step \(known.step)", quiet: command.quiet)
    return known
  }

  private func summary(_ state: TrainingState, _ directory: RunDirectory) -> String {
    guard let best = state.history.best else { return "done after step \(state.step)" }
    return "done after step \(state.step); the lowest loss is "
      + String(format: "%.4g", Double(best.validation.isNaN ? best.training : best.validation))
      + " at step \(best.step): \(directory.best)"
  }
}

// MARK: Parts

extension TrainWork {
  static func augmentation(_ command: TrainCommand) throws(UsageError) -> Augmentation {
    try UsageError.of { () throws(Diagnostic) in try Augmentation(parsing: command.augment) }
  }

  static func options(_ command: TrainCommand) throws(UsageError) -> TrainingOptions {
    try UsageError.of { () throws(Diagnostic) in
      var loss = try LossFunction(parsing: command.loss)
      loss.preprocessing = command.preprocessing
      loss.dssimStride = command.dssimStride
      var optimizer = try Optimizer(parsing: command.optimizer)
      if let decay = command.decay { optimizer.decay = decay }
      var options = TrainingOptions(loss: loss, optimizer: optimizer)
      options.weightDecay = command.weightDecay
      options.clip = command.clip
      options.recomputes = command.recompute
      options.synchronizesBatchNorm = !command.isUnsynchronized
      return options
    }
  }

  /// The weights that a loss needs; throws where they are not given or cannot be read.
  static func vgg(
    _ command: TrainCommand, _ loss: LossFunction
  ) throws(Diagnostic) -> VGGWeights? {
    guard loss.needsVGG else { return nil }
    guard let text = command.vgg else { throw VGGWeights.missing }
    return try VGGWeights.read(text)
  }

  /// The network, for as many channels as the data of `path` has where the user leaves that open; nil: not known yet.
  static func model(
    _ command: TrainCommand, channels: Int?, of path: String
  ) throws -> NetworkModel {
    var options = command.options
    options.weights = command.initialWeights
    if command.initialWeights == nil, let channels { try complete(&options, channels) }
    let network = try options.trainable().network
    guard channels == nil || network.network.inputChannels == channels else {
      throw Diagnostic(
        "\(network.name) takes images of \(network.network.inputChannels) channels, the data has "
          + "\(channels ?? 0)", at: SourceLocation(file: path),
        help: "check the settings 'channels' or 'coils', and the option 'channels' of prepare")
    }
    return network
  }

  private static func check(
    _ size: ModelSizeOption?, _ data: any TrainingData
  ) throws(Diagnostic) {
    guard let size = size?.size, [size.height, size.width] != Array(data.shape.extents[1...])
    else { return }
    throw Diagnostic(
      "the data has images of \(data.shape[1])x\(data.shape[2]), not \(size)",
      at: SourceLocation(file: data.path), help: "leave --size out")
  }

  /// Settings that follow from the data: two channels, or so many coils.
  private static func complete(_ options: inout ModelOptions, _ channels: Int) throws {
    guard let name = options.model, Zoo.contains(name) else { return }
    let known = try Zoo.network(named: name).settings.map(\.name)
    let given = options.settingValues
    let values = [
      "channels": channels == 2 ? 2 : nil, "coils": channels % 2 == 0 ? channels / 2 : nil,
    ]
    for (setting, value) in values.sorted(by: { $0.key < $1.key }) {
      guard let value, known.contains(setting), given[setting] == nil,
        let option = SettingOption(argument: "\(setting)=\(value)")
      else { continue }
      options.settings.append(option)
    }
  }

  /// Throws where the network's images are no guesses of the data's targets.
  private static func check(
    _ model: NetworkModel, _ data: any TrainingData
  ) throws(Diagnostic) {
    let graph = try model.graph(batch: 1, height: data.shape[1], width: data.shape[2])
    guard let output = graph.types(of: graph.results).first?.shape,
      output.extents[1...] != data.targetShape.extents[...]
    else { return }
    throw Diagnostic(
      "\(model.name) makes images \(output.extents[1...]) of the data's, whose targets are "
        + "\(data.targetShape)", at: SourceLocation(file: data.path),
      help: "prepare the data for this network (--channels)")
  }

  private static func check(batch: Int, _ processes: MPI?) throws(UsageError) {
    guard let count = processes?.count, batch % count != 0 else { return }
    throw UsageError(
      diagnostic: Diagnostic(
        "a batch of \(batch) cannot be shared by \(count) processes",
        help: "give --batch a multiple of \(count)"))
  }

  private static func check(
    _ validation: (any TrainingData)?, _ data: any TrainingData
  ) throws(Diagnostic) {
    guard let validation,
      (validation.shape, validation.targetShape) != (data.shape, data.targetShape)
    else { return }
    throw Diagnostic(
      "the validation pairs are \(validation.pairText), the training pairs \(data.pairText)",
      at: SourceLocation(file: validation.path), help: "prepare both alike")
  }

  /// All that determines the results, in words.
  private func settings() throws(Diagnostic) -> [String: String] {
    var settings = ModelDescription(of: model.network).metadata
    settings["loss"] = options.loss.text
    settings["optimizer"] = options.optimizer.rule.rawValue
    settings["decay"] = "\(options.optimizer.decay)"
    settings["weight_decay"] = "\(options.weightDecay)"
    settings["clip"] = options.clip.map { "\($0)" }
    if command.isUnsynchronized { settings["sync_batch_norm"] = "false" }
    settings["learning_rate"] = "\(plan.learningRate)"
    settings["schedule"] = plan.schedule.description
    if plan.schedule == .cosine { settings["steps"] = "\(plan.steps)" }
    settings["batch"] = "\(plan.order.batch)"
    settings["seed"] = "\(plan.order.seed)"
    settings["shuffle"] = "\(plan.order.shuffles)"
    settings["augment"] = plan.augmentation.description
    settings["precision"] = command.options.precision.rawValue
    settings["data"] = data.fingerprint
    if options.loss.terms.contains(where: { $0.kind == .dssim }) {
      settings["dssim_stride"] = "\(options.loss.dssimStride)"
    }
    if let vgg {
      settings["vgg"] = vgg.fingerprint
      settings["preprocessing"] = options.loss.preprocessing.rawValue
    }
    if let validation {
      settings["validation"] = validation.fingerprint
      settings["validation_count"] = "\(plan.validationCount)"
    }
    if let path = command.initialWeights {
      settings["init"] = Digest.hexadecimal(try FileBytes.read(path))
    }
    return settings
  }
}
