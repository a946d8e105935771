import Diagnostics
import Dispatch
import Synchronization
import Tensors

/// Makes the batches of training in order; the next one is made on another thread while the caller computes.
final class BatchLoader {
  private var source: BatchSource
  private var step: Int
  private var next: Loading

  /// Starts to make the batch of step `step`; `share` is the part of each batch that this process computes.
  init(_ source: BatchSource, from step: Int) {
    self.source = source
    self.step = step
    next = Loading(source, step)
  }

  /// The batch of the current step; moves on to the next.
  func take() throws(Diagnostic) -> Batch {
    let (batch, order) = try next.wait()
    // Keeps the permutation that the other thread made.
    source.order = order
    step += 1
    next = Loading(source, step)
    return batch
  }
}

/// What batches are made of.
struct BatchSource: Sendable {
  var data: any TrainingData
  var order: SampleOrder
  var augmentation: Augmentation
  /// The part of each batch that this process computes: all of it, unless several share the work.
  var share: Range<Int>

  mutating func batch(_ step: Int) throws(Diagnostic) -> Batch {
    var pairs: [ImagePair] = []
    for position in share {
      let place = step * order.batch + position
      let pair = try data.pair(order.pair(at: place))
      pairs.append(
        augmentation.applied(to: pair, of: data.shape, seed: order.seed, place: place))
    }
    return try Batch(pairs, of: data.shape, data.targetShape)
  }
}

/// One batch on its way.
private final class Loading: Sendable {
  private typealias Loaded = Result<(Batch, SampleOrder), Diagnostic>
  private static let queue = DispatchQueue(label: "rephase.batches")
  private let loaded = Mutex<Loaded?>(nil)
  private let done = DispatchSemaphore(value: 0)

  init(_ source: BatchSource, _ step: Int) {
    Self.queue.async { [self] in
      var source = source
      let result: Loaded
      do throws(Diagnostic) { result = .success((try source.batch(step), source.order)) } catch {
        result = .failure(error)
      }
      loaded.withLock { $0 = result }
      done.signal()
    }
  }

  /// Called once.
  func wait() throws(Diagnostic) -> (Batch, SampleOrder) {
    done.wait()
    guard let result = loaded.withLock({ $0 }) else {
      throw Diagnostic("a batch was waited for that nothing made")
    }
    return try result.get()
  }
}
