import Foundation
import Synchronization

/// Where handlers write the number of their signal: the end of a pipe.
private let wakingEnd = Atomic(-1)

/// Temporary folders that go when the process is interrupted, as they do when its work ends or fails.
///
/// SIGINT, SIGTERM and SIGHUP end the process as before, after the folders are gone; signals that the process ignores
/// or takes itself are left alone.
public enum Leftovers {
  private static let paths = Mutex<Set<String>>([])
  private static let isWatching = Mutex(false)

  /// The folder is removed when the process is interrupted, unless it is forgotten before.
  public static func add(_ path: String) {
    paths.withLock { _ = $0.insert(path) }
    isWatching.withLock { isWatching in
      if !isWatching { isWatching = watch() }
    }
  }

  public static func forget(_ path: String) { paths.withLock { _ = $0.remove(path) } }

  /// A handler can do little: it wakes a thread that can remove folders. Handlers do not pass on to programs that are
  /// started, other than ignored signals.
  private static func watch() -> Bool {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return false }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let reading = ends[0]
    wakingEnd.store(Int(ends[1]), ordering: .sequentiallyConsistent)
    Thread.detachNewThread {
      var number: UInt8 = 0
      while read(reading, &number, 1) != 1 {}
      for path in paths.withLock({ $0 }) { remove(path) }
      signal(Int32(number), SIG_DFL)
      kill(getpid(), Int32(number))
    }
    for number in [SIGINT, SIGTERM, SIGHUP] { handle(number) }
    return true
  }

  private static func handle(_ number: Int32) {
    var current = sigaction()
    guard sigaction(number, nil, &current) == 0, current.__sigaction_handler.sa_handler == nil
    else { return }
    signal(number) { number in
      var byte = UInt8(truncatingIfNeeded: number)
      _ = write(Int32(wakingEnd.load(ordering: .sequentiallyConsistent)), &byte, 1)
      // The interrupted thread makes no more files.
      while true { pause() }
    }
  }

  /// Programs that were started may be writing there still, for a while.
  private static func remove(_ path: String) {
    for _ in 0..<100 {
      try? FileManager.default.removeItem(atPath: path)
      if access(path, F_OK) != 0 { return }
      usleep(10_000)
    }
  }
}
